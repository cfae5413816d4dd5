"""Results in an object store: a real S3 server on loopback, real processes, and answers that fail, are late or are lost."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

from noiseflow.cli import app
from noiseflow.store import Store, StoreError, bucket
from tests.slow.store_server import publish_at_once, s3_server
from tests.store.test_store import batch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TABLES = {"trials": 1, "curves": 2, "predictions": 2}


@pytest.fixture(scope="module")
def running():
    with s3_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def server(running):
    yield running
    running.healthy()


@pytest.fixture(params=["disk", "s3"])
def results(request, running, tmp_path):  # noqa: ARG001 - its variables must be set
    return str(tmp_path) if request.param == "disk" else f"s3://bucket/{tmp_path.name}"


@pytest.fixture
def url(running, tmp_path):  # noqa: ARG001 - its variables must be set
    return f"s3://bucket/{tmp_path.name}"


def ids_in(results, study, n):
    """Each of n trials is there once, and its rows in the other tables; nothing waits."""
    expected = [f"{k:03d}" for k in range(n)]
    for table, rows in TABLES.items():
        there = sorted(pd.read_parquet(f"{results}/{study}/{table}")["trial_id"])
        assert there == sorted(expected * rows), table
    assert not list(Store(results, study)._objects.listed("_pending"))


def test_two_runs_at_once_with_overlapping_seeds_neither_lose_nor_double(results, running):
    publish_at_once(running.environment, [(results, "study", 30, 5), (results, "study", 40, 4)])
    ids_in(results, "study", 40)


def test_runs_at_once_of_different_studies_stay_apart(results, running):
    publish_at_once(running.environment, [(results, f"study-{k}", 10, 5) for k in range(6)])
    for k in range(6):
        ids_in(results, f"study-{k}", 10)


def test_damage_goes_to_quarantine_and_is_trained_again(url, caplog):
    store = Store(url, "study")
    store.publish(batch("ab"), {})
    content = bytes(store._objects.get("curves/00000001.parquet"))
    store._objects.replace("curves/00000001.parquet", content[:40] + bytes([content[40] ^ 1]) + content[41:])
    other = Store(url, "study")
    other.recover()
    assert "curves/00000001.parquet is damaged" in caplog.text
    assert other.trial_ids() == set()
    assert [path.partition("-")[0] for path in other._objects.listed("quarantine/trials")] == [
        "quarantine/trials/00000001"
    ]
    assert other.publish(batch("ab"), {}) == 2
    assert sorted(pd.read_parquet(f"{url}/study/curves")["trial_id"]) == list("aabb")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Slow Down"])
def test_publish_outlasts_a_server_that_fails_for_a_while(url, server, status):
    store, began = Store(url, "study"), time.monotonic()
    server.status, server.failing = status, lambda environ: time.monotonic() < began + 5
    assert store.publish(batch("ab"), {}) == 2
    assert server.met
    server.healthy()
    assert sorted(pd.read_parquet(f"{url}/study/curves")["trial_id"]) == list("aabb")


@pytest.mark.parametrize("late", [False, True])
def test_publish_whose_answer_is_lost_is_published_once(url, server, monkeypatch, late):
    """The server creates the file of the trials, and then fails or answers too late: asked again it says that it is there."""
    monkeypatch.setattr(bucket, "ANSWER_WITHIN", timedelta(seconds=2))
    store = Store(url, "study")
    server.status, server.loses_answers, server.delay = "500 Internal Server Error", True, 4.0 if late else 0.0
    server.failing = lambda environ: (
        "/trials/" in environ["PATH_INFO"] and "PUT" in environ["REQUEST_METHOD"] and not server.met
    )
    assert store.publish(batch("ab"), {}) == 2
    assert len(server.met) == 1
    server.healthy()
    assert sorted(pd.read_parquet(f"{url}/study/trials")["trial_id"]) == list("ab")
    assert sorted(pd.read_parquet(f"{url}/study/curves")["trial_id"]) == list("aabb")


@pytest.mark.parametrize(("status", "delay"), [("503 Slow Down", 0.0), ("", 6.0)])
def test_server_that_fails_for_ever_ends_in_one_sentence_and_leaves_nothing_half(
    url, server, monkeypatch, status, delay
):
    monkeypatch.setattr(bucket, "PATIENCE", timedelta(seconds=6))
    monkeypatch.setattr(bucket, "ANSWER_WITHIN", timedelta(seconds=2))
    store = Store(url, "study")
    store.publish(batch("ab"), {})
    server.status, server.delay, server.failing = status, delay, lambda environ: True
    for attempt in (store.recover, lambda: store.publish(batch("cd"), {})):
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"cannot be (listed|written)") as failed:
            attempt()
        assert time.monotonic() - began < 40
        assert "\n" not in str(failed.value)
        assert "hunter2" not in str(failed.value)
    server.healthy()
    other = Store(url, "study")
    other.recover()
    assert other.trial_ids() == {"a", "b"}
    assert other.publish(batch("cd"), {}) == 2


def within(*arguments):
    """The command, in this process."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


def test_run_plan_and_report_with_results_in_s3(url):
    nothing = within("report", "smoke", "--results", url)
    assert nothing.exit_code == 1
    assert "holds no trial of this study" in nothing.stderr
    first = within("run", "smoke", "--seeds", "4", "--results", url)
    assert first.exit_code == 0, first.stderr
    assert "trained 8 trials" in first.stdout
    assert f"Report: {url}/smoke/report/index.html" in first.stdout
    assert len(pd.read_parquet(f"{url}/smoke/trials")) == 8
    assert len(pd.read_parquet(f"{url}/smoke/summary.parquet")) == 2
    again = within("run", "smoke", "--seeds", "4", "--results", url)
    assert "nothing to train" in again.stdout, again.stderr
    plan = within("plan", "smoke", "--seeds", "4", "--results", url)
    assert "8 done, 0 missing" in plan.stdout
    report = within("report", "smoke", "--seeds", "4", "--results", url)
    assert report.stdout.strip() == f"{url}/smoke/report/index.html", report.stderr
    as_json = within("report", "smoke", "--seeds", "4", "--results", url, "--json")
    assert [row["seeds"] for row in json.loads(as_json.stdout)["table"]] == [4, 4]
    store = Store(url, "smoke")
    folders = ("trials", "curves", "predictions", "datasets", "studies", "report")
    written = [bytes(store._objects.get(path)) for folder in folders for path in store._objects.listed(folder)]
    assert not [content for content in written if b"hunter2" in content]
    assert not [told for told in (first, again, plan, report) if "hunter2" in told.stdout + told.stderr]


@pytest.mark.usefixtures("running")
def test_run_with_an_address_that_nobody_answers_ends_with_status_1_and_a_sentence(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(bucket, "PATIENCE", timedelta(seconds=6))
    done = within("plan", "smoke", "--results", "s3://bucket/x")
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 1
    assert "s3://bucket/x/smoke cannot be listed" in done.stderr
