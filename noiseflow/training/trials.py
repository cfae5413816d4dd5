"""Trains a batch of trials and puts what came of it into rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from noiseflow.calibration import brier_score, expected_calibration_error
from noiseflow.datasets import Data, generate
from noiseflow.models import Builder
from noiseflow.plan import Batch
from noiseflow.training.device import kind, prepare_device
from noiseflow.training.fit import fit_seeds
from noiseflow.training.keras_state import floatx
from noiseflow.training.problem import Array, Progress
from noiseflow.training.result import SeedsFit


@dataclass(frozen=True)
class Records:
    """Rows of a batch, in the columns of the store: trials, curves and predictions."""

    trials: pd.DataFrame
    curves: pd.DataFrame
    predictions: pd.DataFrame


def train_trials(
    batch: Batch, *, study: str, device: str = "auto", campaign: str | None = None, progress: Callable[[Progress], None]
) -> Records:
    """Trains the trials of a batch and measures them.

    Args:
        batch: trials of one cell and one data seed.
        study: the name that the rows carry.
        device: auto, cpu or gpu.
        campaign: the date that the rows carry, if any.
        progress: called now and then, from any thread, with how far it has come.

    Raises:
        RuntimeError: the device is not there.
    """
    cell = batch.cell
    data = generate(cell.dataset, batch.trials[0].data_seed)
    began = time.perf_counter()
    device_kind = kind(prepare_device(device))
    with floatx(cell.training.dtype):
        fit = fit_seeds(
            Builder(cell.architecture, cell.training, data.X_train.shape[1]),
            data.X_train,
            data.y_train,
            seeds=batch.seeds,
            epochs=cell.training.epochs,
            batch_size=cell.training.batch_size,
            noise=cell.variant.injections,
            record_every=cell.training.record_every,
            evaluations=data.parts,
            engine=cell.engine,  # type: ignore[arg-type]
            device=device,  # type: ignore[arg-type]
            progress=progress,
        )
        outputs = _predict(fit, data)
    seconds = (time.perf_counter() - began) / len(batch.trials)
    names = {**cell.names, "study": study, "campaign": campaign, "device": device_kind, "train_seconds": seconds}
    trials = _trials(batch, fit, data, outputs["test"]).assign(**names)
    return Records(trials, _curves(batch, fit), _predictions(batch, outputs))


def _predict(fit: SeedsFit, data: Data) -> dict[str, Array]:
    """The outputs on the test rows, and on the grid where there is one: (n_seeds, n_rows, n_outputs) each."""
    if data.grid is None:
        return {"test": fit.predict(data.X_test)}
    test, grid = np.split(fit.predict(np.concatenate([data.X_test, data.grid])), [len(data.X_test)], axis=1)
    return {"test": test, "grid": grid}


def _trials(batch: Batch, fit: SeedsFit, data: Data, test_outputs: Array) -> pd.DataFrame:
    last = {name: values[:, -1] for name, values in fit.history.items()}
    probability = test_outputs.reshape(len(test_outputs), -1)
    return pd.DataFrame(
        {
            "trial_id": [trial.id for trial in batch.trials],
            "data_seed": [trial.data_seed for trial in batch.trials],
            "seed": batch.seeds,
            "engine": fit.engine,
            "epochs": batch.cell.training.epochs,
            "n_train": len(data.X_train),
            "status": np.where(fit.diverged, "diverged", "completed"),
            "score_name": "accuracy",
            "initial_loss": fit.initial["train_loss"],
            "train_loss": last["train_loss"],
            "train_mode_loss": last["loss"],
            "train_score": last["train_accuracy"],
            "test_loss": last["test_loss"],
            "test_score": last["test_accuracy"],
            "eval_loss": np.nan,
            "eval_score": np.nan,
            "brier": brier_score(probability, data.y_test),
            "ece": expected_calibration_error(probability, data.y_test),
            "signal_to_noise": _signal_to_noise(batch, fit),
            "finished_at": datetime.now(UTC),
        }
    )


def _signal_to_noise(batch: Batch, fit: SeedsFit) -> Array:
    """Spread of the signal at the initial weights over the noise's stddev, the least of the injections; NaN without one."""
    stddev = np.array([injection.stddev for injection in batch.cell.variant.injections])
    noisy = stddev > 0
    if not noisy.any():
        return np.full(len(fit.seeds), np.nan)
    return np.asarray(np.min(fit.spread[:, noisy] / stddev[noisy], axis=1))


def _curves(batch: Batch, fit: SeedsFit) -> pd.DataFrame:
    columns = {
        "train_loss": fit.history["train_loss"],
        "train_score": fit.history["train_accuracy"],
        "test_loss": fit.history["test_loss"],
        "test_score": fit.history["test_accuracy"],
    }
    keys = {
        "trial_id": np.repeat([trial.id for trial in batch.trials], len(fit.epochs)),
        "epoch": np.tile(fit.epochs, len(batch.trials)),
    }
    return pd.DataFrame(keys | {name: values.reshape(-1) for name, values in columns.items()})


def _predictions(batch: Batch, outputs: dict[str, Array]) -> pd.DataFrame:
    return pd.concat([_part(batch, part, values) for part, values in outputs.items()], ignore_index=True)


def _part(batch: Batch, part: str, values: Array) -> pd.DataFrame:
    n_trials, n_rows, n_outputs = values.shape
    return pd.DataFrame(
        {
            "trial_id": np.repeat([trial.id for trial in batch.trials], n_rows * n_outputs),
            "part": part,
            "row": np.tile(np.repeat(np.arange(n_rows), n_outputs), n_trials),
            "output": np.tile(np.arange(n_outputs), n_trials * n_rows),
            "prediction": values.reshape(-1),
        }
    )
