"""The flow, on a Prefect server of its own that lives as long as the tests of this file."""

import json
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import yaml
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import LogSort
from prefect.events.worker import EventsWorker
from prefect.exceptions import ParameterTypeError
from prefect.filesystems import LocalFileSystem
from prefect.serializers import PickleSerializer
from prefect.settings import (
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_RESULTS_PERSIST_BY_DEFAULT,
    PREFECT_TASKS_DEFAULT_PERSIST_RESULT,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

import flows.noise_study
import noiseflow.report.page
import noiseflow.run
import tasks.training
from flows import __main__ as command
from flows.noise_study import noise_study
from noiseflow.base.faults import InvalidInputError
from noiseflow.engine.halving import SeedTooLargeError
from noiseflow.run import DriftError, IncompleteRunError, run_study
from noiseflow.stored import report_study
from noiseflow.study.loading import validate
from noiseflow.trials.workers import worker_processes
from tests.conftest import SMALL
from tests.slow.operations import wait_for

NOT_COMPARED = ["train_seconds", "finished_at", "campaign", "device"]

pytestmark = [
    pytest.mark.slow,
    # Prefect's own server and client leave sockets and event loops to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _server():
    with pytest.MonkeyPatch.context() as patch, prefect_test_harness(server_startup_timeout=120), worker_processes(1):
        yield
        # The harness waits for events without an end; where its server is overwhelmed each of them takes a minute.
        patch.setattr(EventsWorker, "drain_all", partial(EventsWorker.drain_all, timeout=30))


def rows(results, study="small"):
    """The trials as pandas reads them, in an order of their own, without what may differ between equal rows."""
    frame = pd.read_parquet(results / study / "trials")
    return frame.drop(columns=NOT_COMPARED).sort_values("trial_id").reset_index(drop=True)


def changed(study, **changes):
    return validate(study.model_dump(mode="json") | changes)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A finished run of six seeds: what it returned, and its folder."""
    results = tmp_path_factory.mktemp("results")
    study = changed(SMALL, name="published", n_seeds=6)
    return study, noise_study(study, results=str(results)), results / "published"


@pytest.fixture
def plain_reports(monkeypatch):
    """Reports without pictures, for tests of what was trained: to draw them takes longer than to train."""
    monkeypatch.setattr(noiseflow.report.page, "draw_pictures", lambda *_: [])


def test_flow_publishes_results_report_and_artifacts(published):
    _, done, folder = published
    summary = pd.read_parquet(folder / "summary.parquet")
    assert list(summary["variant"]) == ["baseline", "noisy"]
    assert list(summary["n_seeds"]) == [6, 6]
    data = pd.read_parquet(folder / "datasets")
    assert data.groupby("split").size().to_dict() == {"test": 20, "train": 20}
    curves = pd.read_parquet(folder / "curves")
    assert sorted(curves["epoch"].unique()) == [1, 2, 4, 6]
    assert len(curves) == 12 * 4
    predictions = pd.read_parquet(folder / "predictions")
    assert predictions.groupby("part").size().to_dict() == {"grid": 12 * 2500, "test": 12 * 20}
    assert {"report.md", "index.html", "final-scores.png"} <= {path.name for path in (folder / "report").iterdir()}
    assert done.report == str(folder / "report" / "index.html")
    markdown, table, progress = (Artifact.get(f"published-{key}") for key in ("report", "summary", "progress"))
    assert (markdown.type, table.type, progress.type) == ("markdown", "table", "progress")
    assert "data:image/png;base64," in markdown.data
    assert "one step of the engine was compared with Keras' own: equal within rounding, for each trial" in markdown.data
    assert len(markdown.data) < 1_000_000
    assert progress.data == 100.0
    columns = list(json.loads(table.data)[0] if isinstance(table.data, str) else table.data[0])
    assert columns[:3] == ["variant", "verdict", "score"]
    assert {"diff.", "p (adj.)"} < {*columns}  # short, so that a screen has room
    assert columns[-1] == "strength"  # a screen has no room for seeds and divergences that are the same in all rows


def test_flow_keeps_the_rows_and_prints_the_table_of_run_study(published, tmp_path, monkeypatch):
    study, done, folder = published
    monkeypatch.setattr(noiseflow.report.page, "draw_pictures", lambda *_: [])
    plain = run_study(study, tmp_path)
    assert (plain.table, plain.answer, plain.trained) == (done.table, done.answer, done.trained)
    pd.testing.assert_frame_equal(rows(tmp_path, "published"), rows(folder.parent, "published"))


def test_flow_trial_scores_agree_with_its_predictions(published):
    _, _, folder = published
    trials = pd.read_parquet(folder / "trials").set_index("trial_id")
    assert trials["proven"].all()
    predictions = pd.read_parquet(folder / "predictions").query("part == 'test'")
    data = pd.read_parquet(folder / "datasets").query("split == 'test'").set_index("row")["y"]
    for trial_id, group in predictions.groupby("trial_id"):
        y = data.loc[group["row"]].to_numpy()
        p = group["prediction"].to_numpy()
        assert trials.loc[trial_id, "test_score"] == pytest.approx(np.mean((p > 0.5) == y))
        assert trials.loc[trial_id, "brier"] == pytest.approx(np.mean((p - y) ** 2), rel=1e-5)
        assert trials.loc[trial_id, "test_loss"] == pytest.approx(
            -np.mean(np.log(np.where(y == 1, p, 1 - p))), rel=1e-3
        )


@pytest.mark.usefixtures("plain_reports")
def test_flow_takes_the_path_of_a_study_below_the_data_folder(tmp_path, monkeypatch):
    """What is more than Prefect takes as a parameter arrives like this."""
    monkeypatch.setenv("NOISEFLOW_DATA", str(tmp_path))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(SMALL.model_dump(mode="json", exclude_defaults=True)))
    done = noise_study("study.yaml", n_seeds=2, results=str(tmp_path / "results"))
    assert done.trained == 4
    with pytest.raises(InvalidInputError, match="must lie under the folder that NOISEFLOW_DATA names"):
        noise_study("../study.yaml", results=str(tmp_path / "results"))


def test_command_hands_prefect_the_file_of_a_study_that_is_too_large_for_a_parameter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"study": "wide.yaml", "n_seeds": 3, "epochs": None}
    (tmp_path / "wide.yaml").write_text(yaml.safe_dump(SMALL.model_dump(mode="json", exclude_defaults=True)))
    assert command._parameters(given) == given | {"study": SMALL}
    assert command._parameters(given | {"study": "smoke"}) == given | {"study": "smoke"}
    monkeypatch.setattr(command, "MOST_BYTES", 1_000)
    assert command._parameters(given) == given | {"study": str(tmp_path / "wide.yaml")}


def test_flow_writes_where_the_worker_allows_it_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISEFLOW_RESULTS", f"{tmp_path}/allowed,s3://bucket/results")
    for results in (tmp_path / "other", f"file://{tmp_path}/other", "s3://bucket/other", tmp_path / "allowed" / ".."):
        with pytest.raises(InvalidInputError, match="must be, or lie below, a place that NOISEFLOW_RESULTS names"):
            noise_study(SMALL, results=str(results))
    with pytest.raises(InvalidInputError, match="received the host 'otherhost'"):
        noise_study(SMALL, results=f"file://otherhost{tmp_path}/allowed")
    assert list(tmp_path.iterdir()) == []


def test_runs_of_deployments_write_to_the_folder_results_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("NOISEFLOW_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert flows.noise_study._place_faults("/srv") == []  # in one's own process
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "of the test")
    assert flows.noise_study._place_faults("results") == []
    assert "NOISEFLOW_RESULTS" in flows.noise_study._place_faults("/srv")[0]


def test_report_again_from_parquet_is_the_same(published):
    study, done, folder = published
    picture = folder / "report" / "final-scores.png"
    drawn = picture.read_bytes()
    picture.unlink()
    assert report_study(study, str(folder.parent)) == done.report
    assert picture.read_bytes() == drawn


@pytest.mark.usefixtures("plain_reports")
def test_flow_that_meets_damage_warns_trains_again_and_gives_the_same_rows(small_study, tmp_path):
    noise_study(small_study, results=str(tmp_path))
    before = rows(tmp_path)
    victim = tmp_path / "small" / "curves" / "00000001.parquet"
    victim.write_bytes(victim.read_bytes()[:-100])
    done = noise_study(small_study, results=str(tmp_path))
    assert (done.trained, done.reused) == (4, 4)
    pd.testing.assert_frame_equal(rows(tmp_path), before)
    wait_for(lambda: any("curves/00000001.parquet is damaged" in message for message in logged()), 60, logged)


def logged():
    """The last messages that Prefect keeps of its runs."""
    with get_client(sync_client=True) as client:
        return [log.message for log in client.read_logs(limit=200, sort=LogSort.TIMESTAMP_DESC)]


@pytest.mark.usefixtures("plain_reports")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_flow_marks_diverged_trials_and_goes_on(small_study, tmp_path, optimizer):
    training = {"epochs": 60, "optimizer": optimizer, "learning_rate": 1e6, "record_every": 20}
    done = noise_study(changed(small_study, training=training, name="diverging"), results=str(tmp_path))
    assert set(rows(tmp_path, "diverging")["status"]) == {"diverged"}
    assert list(done.summary["n_diverged"]) == [4, 4]
    assert done.summary["test_score_mean"].isna().all()
    assert "diverged" in (tmp_path / "diverging" / "report" / "report.md").read_text()


@pytest.mark.usefixtures("plain_reports")
def test_flow_with_a_failing_batch_finishes_the_others_and_names_it(small_study, tmp_path, monkeypatch):
    train_in_worker = noiseflow.run.train_in_worker

    def failing(batch, **arguments):
        if batch.cell.variant.name == "noisy":
            raise OSError("no more memory")
        return train_in_worker(batch, **arguments)

    monkeypatch.setattr(noiseflow.run, "train_in_worker", failing)
    impatient = tasks.training.train_batch.with_options(retry_delay_seconds=0)
    monkeypatch.setattr(flows.noise_study, "train_batch", impatient)
    with pytest.raises(RuntimeError, match=r"circles/mlp/noisy 0-3: .*no more memory"):
        noise_study(small_study, results=str(tmp_path))
    assert len(rows(tmp_path)) == 4
    assert (tmp_path / "small" / "report" / "index.html").exists()


@pytest.mark.usefixtures("plain_reports")
def test_flow_without_its_baseline_still_publishes_a_report_that_says_so(small_study, tmp_path, monkeypatch):
    """A batch that cannot succeed is tried once; what the others came to goes with the error."""
    train_in_worker, tried = noiseflow.run.train_in_worker, []

    def failing(batch, **arguments):
        if batch.cell.variant.name == "baseline":
            tried.append(batch)
            raise SeedTooLargeError("this machine")
        return train_in_worker(batch, **arguments)

    monkeypatch.setattr(noiseflow.run, "train_in_worker", failing)
    with pytest.raises(IncompleteRunError, match=r"circles/mlp/baseline 0-3: .*use a smaller batch_size") as ended:
        noise_study(small_study, results=str(tmp_path))
    assert len(tried) == 1
    assert ended.value.run.trained == 4
    assert ended.value.run.answer.startswith("Incomplete: 4 of 8 planned trials are missing.")
    report = (tmp_path / "small" / "report" / "report.md").read_text()
    assert "Incomplete: 4 of 8 planned trials are missing." in "\n".join(report.splitlines()[:8])


class Bomb:
    """What notices that it is read from a pickle."""

    exploded: ClassVar[list[int]] = []

    def __reduce__(self):
        return Bomb.exploded.append, (1,)


@pytest.mark.usefixtures("plain_reports")
def test_flow_writes_and_reads_no_pickle_even_where_all_results_are_to_persist(small_study, tmp_path, monkeypatch):
    """Whatever key Prefect looks for in the folder of results, it would find the planted pickle."""
    storage = tmp_path / "storage"
    storage.mkdir()
    planted = PickleSerializer().dumps(Bomb())
    (storage / "planted").write_bytes(planted)
    read, looked_for = LocalFileSystem.read_path, []

    def read_path(self, path):
        looked_for.append(path)
        return read(self, "planted")

    monkeypatch.setattr(LocalFileSystem, "read_path", read_path)
    settings = {PREFECT_LOCAL_STORAGE_PATH: storage, PREFECT_RESULTS_PERSIST_BY_DEFAULT: True}
    with temporary_settings({**settings, PREFECT_TASKS_DEFAULT_PERSIST_RESULT: True}):
        assert noise_study(small_study, results=str(tmp_path / "results")).trained == 8
    assert [path.name for path in storage.iterdir()] == ["planted"]
    assert looked_for == []
    assert Bomb.exploded == []


@pytest.mark.usefixtures("plain_reports")
def test_flow_pools_fresh_rows_of_each_seed_and_chooses_a_strength(small_study, tmp_path):
    """Batches of any size and in any order give the rows of one batch: each trial has its own data seed."""
    family = {"name": "noise", "injections": [{"place": "before_activation"}], "strengths": [0.1, 0.5]}
    circles = {"kind": "circles", "n_samples": 40, "n_train": 20, "n_eval": 100}
    study = changed(small_study, design="resample", datasets=[circles], variants=[{"name": "baseline"}, family])
    noise_study(changed(study, n_seeds=2), results=str(tmp_path / "two runs"))
    second = noise_study(study, results=str(tmp_path / "two runs"))
    assert (second.trained, second.reused) == (6, 6)
    noise_study(study, results=str(tmp_path / "one run"))
    pd.testing.assert_frame_equal(rows(tmp_path / "two runs"), rows(tmp_path / "one run"))
    found = rows(tmp_path / "one run")
    assert (found["data_seed"] == found["seed"] + 1).all()
    assert found["eval_score"].between(0, 1).all()
    assert set(pd.read_parquet(tmp_path / "one run" / "small" / "datasets")["data_seed"]) == {1, 2, 3, 4}
    assert list(pd.read_parquet(tmp_path / "one run" / "small" / "choices.parquet")["family"]) == ["noise"]


@pytest.mark.usefixtures("plain_reports")
def test_flow_crosses_data_seeds_with_seeds(small_study, tmp_path):
    done = noise_study(changed(small_study, design="crossed", n_data_seeds=2, n_seeds=3), results=str(tmp_path))
    assert done.trained == 12
    trials = rows(tmp_path)
    assert len(trials.drop_duplicates(["variant", "data_seed", "seed", "test_loss"])) == 12
    assert set(pd.read_parquet(tmp_path / "small" / "components.parquet")["variant"]) == {"baseline", "noisy"}


@pytest.mark.usefixtures("plain_reports")
def test_flow_until_decided_says_what_run_study_says(small_study, tmp_path):
    options = {"until": "decided", "max_seeds": 10}
    done = noise_study(small_study, results=str(tmp_path / "flow"), **options)
    plain = run_study(small_study, tmp_path / "plain", **options)
    assert (done.answer, done.table, done.trained) == (plain.answer, plain.table, 20)
    with pytest.raises(InvalidInputError, match="Use --max-seeds instead"):
        noise_study(small_study, results=str(tmp_path), n_seeds=3, **options)


@pytest.mark.usefixtures("plain_reports")
def test_flow_fails_where_a_campaign_drifts_with_the_answer_as_its_message(small_study, tmp_path, monkeypatch):
    monkeypatch.setattr(noiseflow.report.page, "alarm", lambda _: "Something drifts.")
    options = {"n_seeds": 2, "results": str(tmp_path), "campaign": "2026-01-01"}
    state = noise_study(small_study, **options, fail_on_drift=True, return_state=True)
    assert state.is_failed()
    assert state.message.startswith("Something drifts. ")
    with pytest.raises(DriftError) as ended:
        noise_study(small_study, **options, fail_on_drift=True)
    assert state.message == str(ended.value)
    assert ended.value.run.reused == 4
    assert noise_study(small_study, **options).alarm == "Something drifts."


def test_flow_refuses_a_file_outside_the_folder_of_the_worker(small_study, tmp_path, monkeypatch):
    monkeypatch.setenv("NOISEFLOW_DATA", str(tmp_path / "data"))
    table = {"kind": "table", "path": "/etc/passwd", "target": "y", "task": "regression"}
    with pytest.raises(InvalidInputError, match="NOISEFLOW_DATA"):
        noise_study(changed(small_study, datasets=[table]), results=str(tmp_path / "results"))


def test_flow_refuses_bad_parameters_before_anything_is_written(small_study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterTypeError, match=r"n_seeds(.|\n)*greater than or equal to 1"):
        noise_study(small_study, n_seeds=0, results=str(tmp_path / "results"))
    with pytest.raises(InvalidInputError, match="must be a folder"):
        noise_study(small_study, results=str(tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
