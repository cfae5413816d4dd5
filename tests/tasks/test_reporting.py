"""What the tasks publish as artifacts, without a server."""

from dataclasses import replace

import pandas as pd
import pytest
from sketch_study import make_evidence, make_study, make_trials

import flows.noise_study
import tasks.reporting
from noiseflow.report.page import Report
from noiseflow.report.tables import summary_table
from tasks.reporting import narrowed, publish_artifacts, table_note

REPORT = Report(markdown="# Report", html="", pictures={}, headline="It helps.", alarm="", answer=[])


@pytest.fixture
def published(monkeypatch):
    """Key and first argument of each artifact."""
    found = {}
    for kind in ("markdown", "table", "link"):
        monkeypatch.setattr(
            tasks.reporting,
            f"create_{kind}_artifact",
            lambda content, key, **_: found.update({key: content}),
        )
    return found


def test_page_that_has_an_address_is_published_as_a_link(published):
    findings = make_evidence().findings
    publish_artifacts.fn("sketch", REPORT, findings)
    assert set(published) == {"sketch-report", "sketch-summary"}
    publish_artifacts.fn("sketch", REPORT, findings, "https://x.org/sketch/report/index.html")
    assert published["sketch-page"] == "https://x.org/sketch/report/index.html"


def test_history_of_an_artifact_tells_the_answer_of_each_run_by_the_name_of_its_task():
    findings = make_evidence().findings
    verdicts = ["better", "worse", "equivalent", "inconclusive"]
    names = ["a", "b", "c", "d"]
    summary = pd.DataFrame({"variant": ["baseline", *names, "e"], "verdict": [None, *verdicts, "better"]})
    told = tasks.reporting._answer({"findings": replace(findings, summary=summary)})
    assert told == "better: a, e; worse: b; no difference: c; open: d"
    assert tasks.reporting._answer({"findings": replace(findings, summary=summary[:1])}) == "nothing to compare"


def test_page_has_an_address_where_its_folder_is_shown(monkeypatch):
    page = "/srv/results/sketch/runs/epochs-9/report/index.html"
    monkeypatch.setenv("NOISEFLOW_RESULTS", "/srv/results,s3://bucket/other")
    monkeypatch.delenv("NOISEFLOW_PAGES", raising=False)
    assert flows.noise_study._page_address(page) is None
    monkeypatch.setenv("NOISEFLOW_PAGES", "https://x.org")
    assert flows.noise_study._page_address(page) == "https://x.org/sketch/runs/epochs-9/report/index.html"
    assert flows.noise_study._page_address("s3://bucket/other/sketch/report/index.html") is None
    monkeypatch.delenv("NOISEFLOW_RESULTS")
    assert flows.noise_study._page_address("results/sketch/report/index.html") == (
        "https://x.org/sketch/report/index.html"
    )


def test_address_that_no_browser_opens_is_refused_before_the_run(monkeypatch):
    monkeypatch.setenv("NOISEFLOW_PAGES", "reports.example.org")
    assert "NOISEFLOW_PAGES must be an http(s) address" in flows.noise_study._place_faults("results")[0]


def test_summary_has_seeds_and_divergences_only_where_they_differ_or_are_there():
    study = make_study()
    alike = narrowed(summary_table(make_evidence(study).summary))
    assert {"variant", "verdict", "diff.", "p (adj.)", "strength"} < set(alike[0])
    assert not {"seeds", "diverged"} & set(alike[0])
    rows = summary_table(make_evidence(study, make_trials(study, spoil=[(1, 0)])).summary)
    assert list(narrowed(rows)[0])[-2:] == ["strength", "diverged"]
    assert list(narrowed([rows[0], rows[1] | {"seeds": 99}])[0])[-2:] == ["seeds", "diverged"]
    assert narrowed([]) == []
    assert table_note(rows) == "In the table, the differences (diff., low, high) are in percentage points."
    assert not table_note([])
