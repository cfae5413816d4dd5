"""The report says what the summary says, whatever is missing, and shows outside text as text."""

import json
import re
import subprocess
import sys
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from noiseflow.report import Evidence, Report, conclusions, escape_markdown, headline, render, summary_table
from noiseflow.spec import Study
from noiseflow.statistics import summarize

TRIAL_COLUMNS = ["trial_id", "dataset", "architecture", "variant", "strength", "data_seed", "seed", "status"]
TRIAL_COLUMNS += ["score_name", "train_score", "test_score", "eval_score"]
CURVE_COLUMNS = ["trial_id", "dataset", "architecture", "variant", "seed", "epoch"]
CURVE_COLUMNS += ["train_score", "train_loss", "test_score", "test_loss"]


def make_study(names=("baseline", "input", "after"), n_seeds=12, **changes: Any) -> Study:
    variants = [
        {"name": n, "injections": [{"place": "input", "stddev": 0.01 * i}] if i else []} for i, n in enumerate(names)
    ]
    published = [{"variant": names[-1], "train_score": 0.967, "test_score": 0.814, "source": "one single run"}]
    content = {
        "name": "sketch",
        "purpose": "Does noise help?",
        "n_seeds": n_seeds,
        "datasets": [{"kind": "circles"}],
        "architectures": [{"kind": "mlp"}],
        "variants": variants,
        "published": published,
    }
    return Study.model_validate(content | changes)


def make_trials(study: Study, means=(0.769, 0.770, 0.809), std=0.012, spoil=()) -> pd.DataFrame:
    """Trials with scores in points of 70; `spoil` holds (variant index, seed) of those that diverge."""
    rng = np.random.default_rng(3)
    rows = []
    for d in study.datasets:
        for a in study.architectures:
            for i, (variant, mean) in enumerate(zip(study.variants, means, strict=False)):
                for seed in range(study.n_seeds):
                    score = round(70 * rng.normal(mean, std)) / 70
                    status = "diverged" if (i, seed) in spoil else "completed"
                    names = [d.name, a.name, variant.name, variant.strength, d.data_seed, seed, status, "accuracy"]
                    rows.append([f"{d.name}{a.name}{i}-{seed}", *names, 1.0 - 0.01 * i, score, None])
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def make_curves(trials: pd.DataFrame) -> pd.DataFrame:
    epochs = [1, *range(100, 4001, 100)]
    rng = np.random.default_rng(4)
    rows = []
    for trial in trials.to_dict("records"):
        for epoch in epochs:
            share = 1 - np.exp(-epoch / 600)
            train = 0.5 + (trial["train_score"] - 0.5) * share
            test = 0.5 + (trial["test_score"] - 0.5) * share + rng.normal(0, 0.01)
            rows.append([*(trial[k] for k in CURVE_COLUMNS[:5]), epoch, train, 0.1, test, 0.5])
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def make_data(study: Study) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for d in study.datasets:
        for i in range(100):
            y, angle = float(i % 2), rng.uniform(0, 2 * np.pi)
            x = (1 - 0.2 * y) * np.array([np.cos(angle), np.sin(angle)]) + rng.normal(0, 0.1, 2)
            rows.append([d.name, d.data_seed, "train" if i < 30 else "test", i, x.tolist(), y])
    return pd.DataFrame(rows, columns=["dataset", "data_seed", "split", "row", "X", "y"])


def make_evidence(study: Study | None = None, trials: pd.DataFrame | None = None, **changes: Any) -> Evidence:
    study = study or make_study()
    trials = make_trials(study) if trials is None else trials
    parts = {
        "study": study,
        "summary": summarize(trials, study.margin),
        "trials": trials,
        "curves": make_curves(trials),
        "data": make_data(study),
        "ceilings": {d.name: 59 / 70 for d in study.datasets},
        "manifest": {"engine": "vectorized", "device": "cpu", "command": "noiseflow run sketch --seeds 12"},
    }
    return Evidence(**(parts | changes))


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a|b",
    "[x](javascript:alert(1))",
    "**bold** _it_ ~~gone~~",
    "`code` ```",
    "&lt;b&gt; &amp;",
    "![i](data.png) \\| \\",
    "</pre></details><script>alert(1)</script>",
    "https://evil.test www.evil.test a@b.test",
    "$x$ # 1. - > {{ 7*7 }} {% x %}",
]


class Page(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data):
        self.text += data


@cache
def plain_report():
    return render(make_evidence())


@cache
def hostile_report():
    study = make_study(
        names=("baseline", *HOSTILE),
        n_seeds=3,
        purpose="1. </pre>\n\n- [p](javascript:alert(2))\n\n   \n# <script>alert(3)</script>\n```",
        datasets=[{"kind": "circles", "label": "d|<i>"}],
    )
    means = [0.76, *(0.77 for _ in HOSTILE)]
    trials = make_trials(study, means)
    manifest = {
        "git <b>|</b>": "[m](javascript:alert(4))\n\n# x",
        "command": "noiseflow run '</pre><script>x</script>'",
    }
    return study, render(make_evidence(study, trials, curves=make_curves(trials).head(0), manifest=manifest))


def rendered(markdown):
    return Page(MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"]).render(markdown))


def squeezed(text):
    return " ".join(text.split())


def test_render_shows_hostile_names_as_text_in_markdown():
    study, report = hostile_report()
    page = rendered(report.markdown)
    expected = {
        "h1",
        "h2",
        "p",
        "strong",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "img",
        "pre",
        "details",
        "summary",
    }
    assert set(page.tags) <= expected
    assert page.tags.count("pre") == 2
    assert page.tags.count("h1") == 1
    assert set(page.links) == set(report.pictures)
    for variant in study.variants:
        assert squeezed(variant.name) in squeezed(page.text)
    assert "[m](javascript:alert(4)) # x" in page.text


def test_render_keeps_hostile_names_inside_their_table_cells():
    study, report = hostile_report()
    html = MarkdownIt("commonmark").enable("table").render(report.markdown)
    first = html[html.index("<tbody>") : html.index("</tbody>")]
    cells = [unescape(re.sub("<[^>]+>", "", row)) for row in re.findall(r"<tr>\s*<td[^>]*>(.*?)</td>", first)]
    assert cells == [variant.name for variant in study.variants]
    assert {row.count("<td") for row in first.split("</tr>")[:-1]} == {12}


def test_render_shows_hostile_names_as_text_in_html():
    study, report = hostile_report()
    page = Page(report.html)
    assert not {"script", "i", "b"} & set(page.tags)
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert len(page.links) == len(report.pictures)
    for variant in study.variants:
        assert squeezed(variant.name) in squeezed(page.text)


@pytest.mark.parametrize("name", HOSTILE)
def test_escape_markdown_shows_the_text_itself(name):
    page = rendered(f"see {escape_markdown(name)}")
    assert page.tags == ["p"]
    assert page.text.strip() == f"see {name}"


def test_render_gives_a_study_file_that_repeats_the_study():
    study = make_study()
    page = Page(plain_report().html)
    text = page.text[page.text.index("The study as YAML") :].removeprefix("The study as YAML")
    assert Study.model_validate(yaml.safe_load(text)) == study


def test_headline_says_what_helps_and_what_stays_open():
    summary = make_evidence().summary
    changed = ["difference_mean", "difference_ci_low", "difference_ci_high", "p_adjusted"]
    summary.loc[2, changed] = (
        0.034,
        0.028,
        0.04,
        4e-4,
    )
    summary["verdict"] = [None, "equivalent", "better"]
    assert headline(make_evidence(summary=summary)) == (
        "On this split, after raises test accuracy by 3.4 points (95 % interval 2.8 to 4.0, 12 seeds, p < .001 after "
        "Holm). No difference worth having (within ± 1 point) for input."
    )


def test_headline_says_how_much_a_variant_hurts():
    study = make_study(names=("baseline", "wide"))
    text = headline(make_evidence(study, make_trials(study, means=(0.8, 0.7))))
    assert re.match(r"On this split, wide lowers test accuracy by \d+\.\d points \(95 % interval \d", text)


def test_conclusions_of_too_few_seeds_cannot_conclude():
    study = make_study(n_seeds=5)
    evidence = make_evidence(study)
    assert "5 pairs of trials cannot decide it, 7 could" in headline(evidence)
    assert (
        "Cannot conclude: with 2 comparisons the test can reach an adjusted p below .05 only from 7 pairs"
        in " ".join(conclusions(evidence))
    )


def test_conclusions_say_which_trials_diverged():
    study = make_study()
    trials = make_trials(study, spoil={(2, 0), (2, 1)})
    text = " ".join(conclusions(make_evidence(study, trials)))
    assert "2 trials diverged and are left out of every mean: after (2 of 12)." in text
    assert "Cannot conclude on after: more than 5 % of the pairs diverged" in text


def test_render_of_trials_all_diverged_says_so():
    study = make_study()
    trials = make_trials(study, spoil={(i, seed) for i in range(3) for seed in range(12)})
    report = render(make_evidence(study, trials))
    assert "36 trials diverged" in report.html
    assert "nan" not in Page(report.html).text.lower()


def test_render_of_nothing_says_so():
    study = make_study()
    none = make_trials(study).head(0)
    report = render(make_evidence(study, none, data=make_data(study).head(0), ceilings={}, manifest={}))
    assert report.headline.startswith("No trial of this study has been trained yet")
    assert "36 of 36 planned trials are missing." in report.markdown
    assert not report.pictures


def test_conclusions_count_missing_trials():
    study = make_study()
    assert "1 of 36 planned trials are missing." in conclusions(make_evidence(study, make_trials(study).iloc[:-1]))


def test_render_tells_several_datasets_apart():
    study = make_study(datasets=[{"kind": "circles"}, {"kind": "circles", "label": "more"}])
    report = render(make_evidence(study))
    assert {"learning-curves-1.png", "learning-curves-2.png", "differences.png"} <= set(report.pictures)
    assert "after on more" in report.headline


def test_artifact_holds_its_pictures_and_stays_under_a_megabyte():
    report = plain_report()
    artifact = report.artifact()
    assert sum(map(len, report.pictures.values())) < 600_000
    assert len(artifact.encode()) < 1_000_000
    assert artifact.count("](data:image/png;base64,") == len(report.pictures) == 4
    assert not re.search(r"style=|class=|<svg", artifact)


def test_artifact_names_pictures_that_do_not_fit():
    report = Report("![a](a.png)\n\n![b](b.png)\n", "", {"a.png": b"x" * 600_000, "b.png": b"x" * 600_000}, "")
    assert len(report.artifact()) < 1_000_000
    assert "Picture b.png is too large" in report.artifact()


def test_summary_table_has_plain_values_only():
    study = make_study(names=("baseline", "a", "b"), n_seeds=1)
    rows = summary_table(make_evidence(study).summary)
    assert {type(value) for row in rows for value in row.values()} <= {str, int, float, type(None)}
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_summary_table_gives_differences_in_points():
    summary = make_evidence().summary
    row = summary_table(summary)[2]
    assert row["difference (points)"] == round(100 * summary.loc[2, "difference_mean"], 2)
    assert row["strength"] == 0.02


def test_render_twice_gives_the_same_report():
    assert render(make_evidence()) == plain_report()


def test_report_imports_neither_tensorflow_nor_prefect_nor_pyplot():
    code = (
        "import sys, noiseflow.report;"
        "print(*[m for m in ('tensorflow', 'keras', 'prefect', 'matplotlib.pyplot') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not found.stdout.strip()
