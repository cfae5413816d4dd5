"""Stored trials as runs of an experiment tracker: in MLflow's database, or as offline runs of Weights & Biases.

References:
    MLflow's `MlflowClient.log_batch`; W&B's `wandb.init(mode="offline")`; `wandb sync` would upload its runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from noiseflow.base.faults import InvalidInputError
from noiseflow.results import CELL, Plain, StoredStudy, load, study_folder

_PARAMS = (
    *("study", *CELL, "family", "strength", "data_seed", "seed", "campaign", "engine", "device", "epochs"),
    *("epochs_trained", "n_train", "n_test", "score_name", "status", "proven"),
)
_CURVES = ("train_loss", "train_score", "test_loss", "test_score")
_PACKAGES = ("mlflow", "sqlalchemy", "wandb")
_AT_ONCE = 1000  # metrics that MLflow takes in one batch
_QUIET = {
    **dict.fromkeys(("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"), "true"),
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "WANDB_ERROR_REPORTING": "false",
}


@dataclass(frozen=True)
class TrialRun:
    """A trial as trackers see it.

    Attributes:
        id: the trial's.
        name: its cell and seeds.
        params: what it was trained with.
        metrics: what it came to.
        curves: a row a recorded epoch: epoch, and `curves/train_loss` and the like.
    """

    id: str
    name: str
    params: dict[str, Plain]
    metrics: dict[str, float]
    curves: pd.DataFrame
    began: datetime
    ended: datetime


def trial_runs(stored: StoredStudy) -> list[TrialRun]:
    """The trials of a study, in the order of their cells and seeds; what is not known of a trial is left out."""
    numbers = stored.trials.select_dtypes("float").columns.difference([*_PARAMS])
    curves = dict(list(stored.curves.sort_values("epoch").groupby("trial_id")))
    columns = {name: f"curves/{name}" for name in _CURVES}
    runs = []
    for row in stored.trials.sort_values([*CELL, "data_seed", "seed"]).to_dict("records"):
        known = {name: value for name, value in row.items() if pd.notna(value)}
        curve = curves.get(row["trial_id"], stored.curves[:0])[["epoch", *_CURVES]].rename(columns=columns)
        runs.append(
            TrialRun(
                row["trial_id"],
                f"{'/'.join(row[name] for name in CELL)}, data seed {row['data_seed']}, seed {row['seed']}",
                {name: known[name] for name in _PARAMS if name in known},
                {name: known[name] for name in numbers if name in known},
                curve.dropna(axis="columns", how="all"),
                row["finished_at"] - timedelta(seconds=known.get("train_seconds", 0.0)),
                row["finished_at"],
            )
        )
    return runs


def track(
    results: str, study: str, tracker: str, into: str, watch: Callable[[list[TrialRun]], Iterable[TrialRun]] = iter
) -> tuple[int, int]:
    """Writes the stored trials of a study into a tracker; how many were written, and how many were there before.

    Args:
        tracker: mlflow or wandb.
        into: of MLflow a tracking URI such as `sqlite:///mlflow.db`, of W&B the folder that gets the folder `wandb`.
        watch: goes through what is to be written, such as a progress bar.

    Raises:
        InvalidInputError: the study, the tracker's package or the place is not there.
    """
    if "/" in study:
        raise InvalidInputError([f"all trials of a study are exported together; received {study!r}. Name the study."])
    runs = trial_runs(load(study_folder(results, study)))
    os.environ.update(_QUIET)  # before the import
    try:
        there, write, end = (_mlflow if tracker == "mlflow" else _wandb)(study, into)
        missing = [run for run in runs if run.id not in there]
        for run in watch(missing):
            write(run)
        end()
    except ModuleNotFoundError as error:
        fix = f"Install it: pip install 'PATH_OF_THE_CHECKOUT[{tracker}]'"
        raise InvalidInputError([f"--format {tracker} needs {error.name}, which is not installed. {fix}"]) from None
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in _PACKAGES:
            raise
        raise InvalidInputError([f"{tracker} cannot write to {into}: {str(error).partition(chr(10))[0]}"]) from error
    return len(missing), len(runs) - len(missing)


Opened = tuple[set[str], Callable[[TrialRun], None], Callable[[], None]]
"""The trials that a tracker has, a function that writes one more, and one that ends the writing."""


def _mlflow(study: str, into: str) -> Opened:
    from mlflow import MlflowClient  # noqa: PLC0415 - an extra
    from mlflow.entities import Metric, Param  # noqa: PLC0415

    tag = "noiseflow.trial_id"
    if into.startswith("sqlite:///") and not Path(into.removeprefix("sqlite:///")).parent.is_dir():
        raise FileNotFoundError(f"the folder of {into} is not there")  # MLflow would try for minutes
    client = MlflowClient(tracking_uri=into)
    experiment = client.get_experiment_by_name(study)
    place = experiment.experiment_id if experiment else client.create_experiment(study)
    there, page = set(), None
    while page != "":
        found = client.search_runs([place], max_results=_AT_ONCE, page_token=page)
        for run in found:
            if run.info.status == "RUNNING" and tag in run.data.tags:  # an export that was stopped
                client.delete_run(run.info.run_id)
            else:
                there.add(run.data.tags.get(tag, ""))
        page = found.token or ""

    def write(trial: TrialRun) -> None:
        began, ended = (int(when.timestamp() * 1000) for when in (trial.began, trial.ended))
        run = client.create_run(place, start_time=began, run_name=trial.name, tags={tag: trial.id}).info.run_id
        steps = trial.curves.melt("epoch").dropna().itertuples(index=False)
        metrics = [Metric(name, value, ended, 0) for name, value in trial.metrics.items()]
        metrics += [Metric(step.variable, step.value, ended, step.epoch) for step in steps]
        client.log_batch(run, params=[Param(name, str(value)) for name, value in trial.params.items()])
        for at in range(0, len(metrics), _AT_ONCE):
            client.log_batch(run, metrics[at : at + _AT_ONCE])
        completed = trial.params["status"] == "completed"
        client.set_terminated(run, "FINISHED" if completed else "FAILED", end_time=ended)

    return there, write, lambda: None


def _wandb(study: str, into: str) -> Opened:
    import wandb  # noqa: PLC0415 - an extra

    folder = Path(into) / "wandb"
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        x_disable_meta=True,  # nothing of the machine and of who uses it
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )

    def write(trial: TrialRun) -> None:
        with TemporaryDirectory(dir=folder, prefix=".export-") as place:  # a run that is there is whole
            named: dict[str, Any] = {"project": study, "group": "/".join(str(trial.params[name]) for name in CELL)}
            run = wandb.init(
                id=trial.id, name=trial.name, config=trial.params, mode="offline", dir=place, settings=settings, **named
            )
            run.define_metric("curves/*", step_metric="epoch")
            for row in trial.curves.to_dict("records"):
                run.log({name: value for name, value in row.items() if pd.notna(value)})
            run.summary.update(trial.metrics)
            run.finish()
            (made,) = Path(place).glob(f"wandb/*-{trial.id}")
            made.rename(folder / made.name)

    there = {path.name.rpartition("-")[2] for path in folder.glob("offline-run-*")}
    return there, write, wandb.teardown
