"""Trains a batch of trials and puts what came of it into rows."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.architectures.builder import Builder
from noiseflow.architectures.outputs import probabilities
from noiseflow.campaigns.rounds import campaign_of
from noiseflow.controls import control_kind
from noiseflow.datasets import Data, columns_of, generate
from noiseflow.engine.device import kind, prepare_device
from noiseflow.engine.fit import fit_seeds
from noiseflow.engine.keras_state import floatx
from noiseflow.engine.memory import OUT_OF_MEMORY, halves
from noiseflow.engine.noise_at_test import noised, noisy_weights
from noiseflow.engine.problem import Array
from noiseflow.engine.progress import Progress
from noiseflow.engine.result import SeedsFit
from noiseflow.noise.injection import Injection
from noiseflow.scores import OutputForm, clipped, loss, score_of_column
from noiseflow.statistics.calibration import (
    brier_score,
    brier_score_of_classes,
    chance_calibration_error,
    chance_calibration_error_of_classes,
    expected_calibration_error,
    expected_calibration_error_of_classes,
)
from noiseflow.trials.plan import Batch, Cell
from noiseflow.trials.rows import BatchRows

MOST_ROWS = 2_000
"""Fresh rows that noise at test time is measured on, at most."""
CURVES = ("train_loss", "train_score", "test_loss", "test_score")
"""Columns of the curves, which the history calls alike: every model carries a metric named `score`."""


OF_TWO: dict[str, Callable[[Array, Array], Array]] = {
    "brier": brier_score,
    "ece": expected_calibration_error,
    "ece_chance": lambda p, _: chance_calibration_error(p),
}
OF_CLASSES: dict[str, Callable[[Array, Array], Array]] = {
    "brier": brier_score_of_classes,
    "ece": expected_calibration_error_of_classes,
    "ece_chance": lambda p, _: chance_calibration_error_of_classes(p),
}


@dataclass(frozen=True)
class Records:
    """Rows of a batch, in the columns of the store: trials, curves and predictions."""

    trials: pd.DataFrame
    curves: pd.DataFrame
    predictions: pd.DataFrame


def train_trials(batch: Batch, *, study: str, device: str = "auto", progress: Callable[[Progress], None]) -> Records:
    """Trains the trials of a batch and measures them; in halves where the memory does not hold the whole.

    Args:
        batch: trials of one cell.
        study: the name that the rows carry.
        device: auto, cpu or gpu.
        progress: called now and then, from any thread, with how far it has come.

    Raises:
        RuntimeError: the device is not there.
        SeedTooLargeError: the memory does not hold a single trial.
    """
    try:
        return _trained(batch, study, device, progress)
    except OUT_OF_MEMORY as error:
        parts = halves(batch.trials, "batch", "this machine", error)
    done = [
        train_trials(replace(batch, trials=tuple(part)), study=study, device=device, progress=progress)
        for part in parts
    ]
    return Records(*(pd.concat(frames, ignore_index=True) for frames in zip(*map(_tables, done), strict=True)))


def _tables(records: Records) -> tuple[pd.DataFrame, ...]:
    return records.trials, records.curves, records.predictions


def _trained(batch: Batch, study: str, device: str, progress: Callable[[Progress], None]) -> Records:
    """Trains all trials of a batch at once."""
    cell = batch.cell
    rows = BatchRows.of(batch)
    batch.check_content()  # once they are read
    began = time.perf_counter()
    device_kind = kind(prepare_device(device))
    with floatx(cell.training.dtype):
        builder = builder_of(cell, rows.first)
        fit = fit_seeds(
            builder,
            *rows.parts["train"],
            seeds=batch.seeds,
            epochs=cell.training.epochs,
            batch_size=cell.training.batch_size,
            noise=cell.injections,
            controls=[c for c in cell.variant.controls if not control_kind(c.kind).changes_network],
            per_seed_data=rows.per_trial,
            record_every=cell.training.record_every,
            evaluations=rows.measured,
            engine=cell.engine,  # type: ignore[arg-type]
            device=device,  # type: ignore[arg-type]
            progress=progress,
        )
        form = builder.form()
        outputs = _predict(batch, fit, rows, form)
        fresh = _fresh_measures(batch, fit, rows, form) | robustness_of(batch, fit, rows, form)
        if cell.inner:
            fresh["inner_score"] = _inner_scores(batch, rows, builder, device)
    seconds = (time.perf_counter() - began) / len(batch.trials)
    names = {**cell.names, "study": study, "device": device_kind, "train_seconds": seconds}
    trials = _trials(batch, fit, rows, outputs["test"]).assign(**names, **fresh)
    outputs["test"] = outputs["test"][:, : len(rows.first.y_test)]  # of noise at test time the first draw
    return Records(trials, _curves(batch, fit, rows), _predictions(batch, outputs))


def _inner_scores(batch: Batch, rows: BatchRows, builder: Builder, device: str) -> Array:
    """The mean score on rows that were held back from the training rows of each trial, by inner splits: (n_trials,).

    By it a strength is chosen, so that the test rows have no part in the choice; NaN where a training diverged.
    """
    cell, parts = batch.cell, rows.inner(batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit itself has said why it falls back
        fit = fit_seeds(
            builder,
            *parts["train"],
            seeds=batch.seeds * cell.inner,
            epochs=cell.training.epochs,
            batch_size=cell.training.batch_size,
            noise=cell.injections,
            controls=[c for c in cell.variant.controls if not control_kind(c.kind).changes_network],
            per_seed_data=True,
            record_every=cell.training.epochs,
            engine=cell.engine,  # type: ignore[arg-type]
            device=device,  # type: ignore[arg-type]
        )
    X, y = parts["held"]
    outputs = _outputs(fit, X, builder.form(), rows.first.n_classes, per_seed=True)
    score = score_of_column(cell.dataset.score_name).measure(outputs, y, np.tile(rows.target_scales, cell.inner))
    score = np.where(fit.diverged | ~np.isfinite(outputs).all(axis=(1, 2)), np.nan, score)
    return np.asarray(score.reshape(cell.inner, len(batch.trials)).mean(axis=0))


def builder_of(cell: Cell, data: Data) -> Builder:
    """What builds the model of a cell for data of this form."""
    normalized = next((c.strength for c in cell.variant.controls if control_kind(c.kind).changes_network), None)
    shape, score = data.X_train.shape[1:], cell.dataset.score_name
    masked = cell.dataset.is_masked
    return Builder(cell.architecture, cell.training, shape, data.n_classes, score, normalized, masked, data.n_targets)


def _predict(batch: Batch, fit: SeedsFit, rows: BatchRows, form: OutputForm) -> dict[str, Array]:
    """The outputs on the test rows, and on the grid where it will be drawn: (n_trials, n_rows, n_outputs) each.

    The grid is the one of the dataset's first data seed for all trials, and a family's members are too many to draw.
    """

    def predicted(X: Array, *, per_seed: bool) -> Array:
        return _outputs(fit, X, form, rows.first.n_classes, per_seed=per_seed)[..., -form.width :]

    outputs = {"test": predicted(rows.measured["test"][0], per_seed=rows.per_trial)}
    dataset = batch.cell.dataset
    if rows.first.grid is None or batch.cell.family != batch.cell.variant.name:
        return outputs
    grid = generate(dataset, dataset.data_seed).grid
    return outputs if grid is None else outputs | {"grid": predicted(grid, per_seed=False)}


def _outputs(fit: SeedsFit, X: Array, form: OutputForm, n_classes: int, *, per_seed: bool) -> Array:
    """The networks' outputs for X: (n_trials, n_rows, n_outputs); classifiers give probabilities.

    A classifier with a single output gets two columns, P(class 0) and P(class 1), where Keras knows the logits.
    In double precision where Keras knows the logits, as in the loss that it minimises; else clipped as it clips.
    """
    outputs, is_exact = fit.predict_exactly(X, per_seed=per_seed)
    if is_exact or not n_classes:
        return outputs
    if form.from_logits:
        columns = [-outputs, outputs] if form.width == 1 else [outputs]
        return np.concatenate([probabilities(values, form) for values in columns], axis=-1)
    return clipped(outputs)


def _fresh_measures(batch: Batch, fit: SeedsFit, rows: BatchRows, form: OutputForm) -> dict[str, Array]:
    """Loss and score on the fresh rows, and the uncertainty of the predictions there if there are such rows."""
    if rows.fresh is None:
        return {}
    outputs = _outputs(fit, rows.fresh[0], form, rows.first.n_classes, per_seed=rows.per_trial)
    return _measures(batch, rows, outputs, rows.truth(rows.fresh), prefix="eval_")


def _measures(batch: Batch, rows: BatchRows, outputs: Array, y: Array, prefix: str) -> dict[str, Array]:
    """Loss and score of each trial's outputs, and its calibration: (n_trials,) each."""
    name, n_classes = batch.cell.dataset.score_name, rows.first.n_classes
    return {
        f"{prefix}loss": loss(outputs, y, n_classes),
        f"{prefix}score": score_of_column(name).measure(outputs, y, rows.target_scales),
        **_calibration(outputs, y, n_classes),
    }


def _calibration(outputs: Array, y: Array, n_classes: int) -> dict[str, Array]:
    """Brier score, calibration error and a perfect model's calibration error: (n_trials,) each; NaN of a regression."""
    if not n_classes:
        return dict.fromkeys(OF_TWO, np.full(len(outputs), np.nan))
    if y.ndim == 3:  # each label of a row counts as a prediction
        outputs, y = outputs.reshape(len(outputs), -1, 1), y.reshape(len(y), -1)
    if n_classes > 2:
        pairs, measures = list(zip(outputs, y, strict=True)), OF_CLASSES
    else:
        pairs, measures = list(zip(outputs[..., -1], y, strict=True)), OF_TWO  # of class 1, from one output or two
    return {name: np.array([measure(p, t) for p, t in pairs]) for name, measure in measures.items()}


def _trials(batch: Batch, fit: SeedsFit, rows: BatchRows, test_outputs: Array) -> pd.DataFrame:
    last = {name: values[:, -1] for name, values in _history(batch, fit, rows).items()}
    y = rows.truth(rows.measured["test"])
    name = batch.cell.dataset.score_name
    if not score_of_column(name).keras_is_exact:
        last["test_score"] = _measures(batch, rows, test_outputs, y, prefix="test_")["test_score"]
    return pd.DataFrame(
        {
            "trial_id": [trial.id for trial in batch.trials],
            "data_seed": [trial.data_seed for trial in batch.trials],
            "seed": batch.seeds,
            "campaign": [campaign_of(seed) for seed in batch.seeds],
            "engine": fit.engine,
            "epochs": batch.cell.training.epochs,
            "epochs_trained": fit.epochs_trained,
            "n_train": len(rows.first.X_train),
            "n_test": len(rows.first.X_test),
            "status": np.where(fit.diverged, "diverged", "completed"),
            "score_name": name,
            "initial_loss": fit.initial["train_loss"],
            "train_mode_loss": fit.history["loss"][:, -1],
            **{column: last[column] for column in CURVES},
            "eval_loss": np.nan,
            "eval_score": np.nan,
            "robustness": None,
            "inner_score": np.nan,
            **_calibration(test_outputs, y, rows.first.n_classes),
            "signal_to_noise": _signal_to_noise(fit),
            "proven": _proven(fit),
            "finished_at": datetime.now(UTC),
        }
    )


def _proven(fit: SeedsFit) -> bool:
    """Whether the fit was compared with Keras, which refuses what differs; Keras' own fit of a bare model needs no proof."""
    return bool(fit.proof.differences) or fit.engine == "reference"


def _signal_to_noise(fit: SeedsFit) -> Array:
    """The least of a trial's injections: (n_trials,); NaN where none adds noise within the model."""
    known = np.where(np.isfinite(fit.signal_to_noise), fit.signal_to_noise, np.inf).min(axis=1, initial=np.inf)
    return np.where(np.isfinite(known), known, np.nan)


def _history(batch: Batch, fit: SeedsFit, rows: BatchRows) -> dict[str, Array]:
    """The measures of inference mode, scores as the study has them (larger is better): (n_trials, n_recorded) each."""
    score = score_of_column(batch.cell.dataset.score_name)
    history = {column: np.asarray(fit.history[column], np.float64) for column in CURVES}
    return {
        column: score.of_keras(values, rows.target_scales[:, None]) if column.endswith("score") else values
        for column, values in history.items()
    }


def _curves(batch: Batch, fit: SeedsFit, rows: BatchRows) -> pd.DataFrame:
    keys = {
        "trial_id": np.repeat([trial.id for trial in batch.trials], len(fit.epochs)),
        "epoch": np.tile(fit.epochs, len(batch.trials)),
    }
    return pd.DataFrame(keys | {name: values.reshape(-1) for name, values in _history(batch, fit, rows).items()})


def _predictions(batch: Batch, outputs: dict[str, Array]) -> pd.DataFrame:
    return pd.concat([_part(batch, part, values) for part, values in outputs.items()], ignore_index=True)


def robustness_of(batch: Batch, fit: SeedsFit, rows: BatchRows, form: OutputForm) -> dict[str, list[str]]:
    """Loss and score of each trial at each strength of noise at test time, as JSON; nothing where none is asked for.

    Measured on the fresh rows, MOST_ROWS of them, where there are such, else on the test rows.
    """
    asked = batch.cell.robustness
    if not asked:
        return {}
    name, n_classes = batch.cell.dataset.score_name, rows.first.n_classes
    found: list[list[dict[str, Any]]] = [[] for _ in batch.trials]
    for number, noise in enumerate(asked):
        for strength in noise.strengths:
            injection = noise.at(strength).resolved(columns_of(batch.cell.dataset))
            measures = []
            for draw in range(noise.n_draws if strength else 1):

                def part(data: Data, rng: np.random.Generator, injection: Injection = injection) -> tuple[Array, Array]:
                    X, y = (data.X_test, data.y_test) if data.X_eval is None else (data.X_eval, data.y_eval)
                    chosen = [injection] if injection.place == "input" and injection.strength else []
                    y = np.asarray(y)[:MOST_ROWS]
                    return noised(X[:MOST_ROWS], chosen, data.X_train, rng, masked=rows.masked), y

                X, y = rows.made(part, number, draw)
                at = fit
                if noise.place == "weights" and strength:
                    rngs = [np.random.default_rng([*t[1:3], number, draw]) for t in batch.trials]
                    at = fit.with_weights(
                        noisy_weights(fit.weights, fit.trainable, strength, rngs, relative=noise.relative)
                    )
                outputs = _outputs(at, X, form, n_classes, per_seed=rows.per_trial)
                truth = rows.truth((X, y))
                score = score_of_column(name).measure(outputs, truth, rows.target_scales)
                measures.append((loss(outputs, truth, n_classes), score))
            means = np.mean(measures, axis=0)
            for trial, (lost, score) in zip(found, means.T, strict=True):
                trial.append({"noise": noise.name, "strength": strength, "loss": float(lost), "score": float(score)})
    return {"robustness": [json.dumps(trial) for trial in found]}


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
