"""Exported trials, read by MLflow's client and, for W&B, by its own messages and its command."""

import math
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from tests.test_trackers import store_trials

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the trackers' own


@pytest.fixture
def trials(tmp_path):
    return store_trials(tmp_path / "results").set_index("trial_id")


def export(folder, *options):
    command = [sys.executable, "-m", "noiseflow", "results", "export", "small", "--format", *options]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_mlflow_reads_params_metrics_and_curves(tmp_path, trials):
    assert export(tmp_path, "mlflow").stdout == "mlflow: 8 trials written to sqlite:///mlflow.db, 0 there before\n"
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    place = client.get_experiment_by_name("small").experiment_id
    runs = client.search_runs([place])
    assert {run.data.tags["noiseflow.trial_id"] for run in runs} == set(trials.index)
    for run in runs:
        own = trials.loc[run.data.tags["noiseflow.trial_id"]]
        assert run.data.params["seed"] == str(own["seed"])
        diverged = math.isinf(own["test_loss"])
        assert run.info.status == ("FAILED" if diverged else "FINISHED")
        assert run.data.metrics["test_loss"] == (sys.float_info.max if diverged else own["test_loss"])
        history = client.get_metric_history(run.info.run_id, "curves/test_loss")
        first = list(trials.index).index(own.name)
        assert [(point.step, point.value) for point in history] == [(1, first + 1), (5, first + 5)]
    stopped = client.create_run(place, tags={"noiseflow.trial_id": trials.index[0]}).info.run_id
    client.delete_run(runs[0].info.run_id)
    assert "1 trials written" in export(tmp_path, "mlflow").stdout  # what is there is not written twice
    there = client.search_runs([place])
    assert len(there) == 8
    assert stopped not in {run.info.run_id for run in there}


def test_mlflow_refuses_a_place_that_is_not_there_at_once(tmp_path):
    store_trials(tmp_path / "results")
    done = export(tmp_path, "mlflow", "--into", f"sqlite:///{tmp_path}/none/m.db")
    assert (done.returncode, "mlflow cannot write to sqlite:///" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def records(path):
    """The messages of a run's file: W&B's header, then LevelDB's log of blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole, at = whole + content[at + 7 : at + 7 + size], at + 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(whole)
            whole = b""


def values(items):
    return {item.key or "/".join(item.nested_key): item.value_json for item in items}


def test_wandb_reads_config_summary_and_history(tmp_path, trials):
    assert export(tmp_path, "wandb").stdout == "wandb: 8 trials written to ., 0 there before\n"
    assert export(tmp_path, "wandb").stdout == "wandb: 0 trials written to ., 8 there before\n"
    files = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 8
    for path in files:
        found = list(records(path))
        (run,) = [record.run for record in found if record.HasField("run")]
        own = trials.loc[run.run_id]
        assert run.project == "small"
        config = values(run.config.update)
        assert (config["seed"], config["variant"]) == (str(own["seed"]), f'"{own["variant"]}"')
        history = [values(record.history.item) for record in found if record.HasField("history")]
        first = list(trials.index).index(run.run_id)
        assert [(int(row["epoch"]), float(row["curves/test_loss"])) for row in history] == [
            (1, first + 1), (5, first + 5)]  # fmt: skip
        summary = values(chain.from_iterable(record.summary.update for record in found if record.HasField("summary")))
        assert float(summary["test_loss"].strip('"')) == own["test_loss"]
    command = [sys.executable, "-m", "wandb", "sync", "--dry-run"]
    env = os.environ | {"WANDB_ERROR_REPORTING": "false"}
    told = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "Would sync 8 run(s)" in told.stdout + told.stderr
