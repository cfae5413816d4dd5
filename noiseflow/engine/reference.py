"""The reference engine: `Model.fit`, seed after seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.controls import control_kind
from noiseflow.engine.callbacks import Recorder, Scales, State, evaluate
from noiseflow.engine.device import prepare_device
from noiseflow.engine.host_callbacks import best_epoch, copied
from noiseflow.engine.keras_state import KERAS_LOCK, build_seeded, seeded
from noiseflow.engine.memory import OUT_OF_MEMORY, SeedTooLargeError
from noiseflow.engine.meter import Meter
from noiseflow.engine.problem import EVALUATION_ROWS, Array, Outcome, Problem, Proof
from noiseflow.engine.reference_noise import Noisy
from noiseflow.engine.spread import scales, signal_to_noise

REORDERING = "dependency_optimization"


def train(problem: Problem) -> Outcome:
    """Trains each seed with `Model.fit` and Keras' own noise layers, nothing else of Keras running in this process.

    Raises:
        ValueError: the model has its own `train_step`, and noise is asked for.
        SeedTooLargeError: the memory does not hold the training of a single seed.
    """
    meter = Meter(problem)
    with KERAS_LOCK, _updates_in_order(), tf.device(prepare_device(problem.device)):
        try:
            outcomes = [_train_one(problem, i, seed, meter) for i, seed in enumerate(problem.seeds)]
        except OUT_OF_MEMORY as error:
            raise SeedTooLargeError(prepare_device(problem.device)) from error
    return Outcome(
        history={name: np.stack([o.history[name] for o in outcomes]) for name in outcomes[0].history},
        initial={name: np.stack([o.initial[name] for o in outcomes]) for name in outcomes[0].initial},
        weights=[np.stack(arrays) for arrays in zip(*(o.weights for o in outcomes), strict=True)],
        signal_to_noise=np.stack([o.signal_to_noise for o in outcomes]),
        epochs_trained=np.stack([o.epochs_trained for o in outcomes]),
        best_epoch=np.stack([o.best_epoch for o in outcomes]),
        proof=outcomes[0].proof,
    )


@contextmanager
def _updates_in_order() -> Iterator[None]:
    """Within it, `Model.fit` never updates a layer before the gradient has read its weights.

    TensorFlow 2.21 does so now and then on a CPU, in graphs that are not compiled by XLA: a pass that thins out dependencies
    between operations takes one too many (of 20 fits of three dense layers with batches of one row, 2 to 8 ended wrong;
    without that pass none).
    """
    before = tf.config.optimizer.get_experimental_options().get(REORDERING, True)
    tf.config.optimizer.set_experimental_options({REORDERING: False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({REORDERING: before})


def _train_one(problem: Problem, index: int, seed: int, meter: Meter) -> Outcome:
    """The outcome of one seed, without the axis of seeds."""
    model = build_seeded(problem.build_model, seed)
    built = State(model)
    noisy = Noisy.of(model, problem, seed)
    proof = noisy.proof(build_seeded(problem.build_model, seed)) if index == 0 else Proof()
    batches: dict[str, Any] = {}
    initial = evaluate(model, problem.evaluations, index, noisy.rows_a_batch, batches)
    spreads = noisy.spreads(index)
    carries = bool(built.changed())  # what was called so far has changed a state, which training starts from
    built.restore()
    validation = _validation(problem, index, noisy.rows_a_batch, carries)
    by_fit = "val" if carries and problem.held is None else None
    recorder = Recorder(problem, index, meter, noisy.rows_a_batch, by_fit, batches)
    stopping, averaging = problem.early_stopping, [c for c in problem.controls if control_kind(c.kind).averages]
    stopper = stopping and control_kind(stopping.kind).callback(stopping, problem.epochs)
    callbacks = [
        *(control_kind(control.kind).callback(control, problem.epochs) for control in averaging),
        recorder,
        Scales(problem, noisy.sites, noisy.scales, scales(problem, noisy.sites, spreads, [index])[0]),
    ]
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(problem.train.of(index))
    own = copied(problem.callbacks)
    with noisy.fitting(), seeded(seed):
        fitted = model.fit(
            x,
            y,
            sample_weight=sample_weight,
            epochs=problem.epochs,
            batch_size=problem.batch_size,
            shuffle=problem.shuffle,
            verbose=0,
            callbacks=[*callbacks, *([stopper] if stopper else own)],
            **validation,
        )
    trained = len(fitted.epoch)
    best = best_epoch(own, trained) if stopper is None else stopper.best_epoch + 1
    if stopper is not None:
        recorder.ended(trained)
    recorder.fill()
    meter.add(index, 1, problem.epochs)
    ratios = signal_to_noise(problem, noisy.sites, np.repeat(spreads, len(problem.seeds), axis=0))[index]
    history = _history(problem, fitted.history, trained, best) | recorder.history()
    return Outcome(history, initial, model.get_weights(), ratios, np.asarray(trained), np.asarray(best), proof)


def _validation(problem: Problem, index: int, rows_a_batch: int, carries: bool) -> dict[str, Any]:
    """What early stopping and callbacks look at after each epoch.

    Args:
        carries: whether an evaluation changes a state that the training goes on from.
    """
    if problem.held is None:
        given = problem.evaluations.get("val") if problem.callbacks or carries else None
        if given is None:
            return {}
        return {"validation_data": given.of(index), "validation_batch_size": min(given.n_rows, rows_a_batch)}
    rows = min(problem.held.n_rows, EVALUATION_ROWS)
    return {"validation_data": problem.held.of(index), "validation_batch_size": rows}


def _history(problem: Problem, fitted: dict[str, list[float]], trained: int, best: int) -> dict[str, Array]:
    """Loss and metrics of training mode at the recorded epochs; once it stopped early, those of the best epoch."""
    kept = problem.recorded - 1
    if problem.early_stopping is not None:
        kept = np.where(kept >= trained - 1, best - 1, kept)
    kept = np.minimum(kept, trained - 1)
    measured = {name for name in fitted if name.startswith("val_") or len(fitted[name]) < trained}
    learnt = {name for name in fitted if name == "learning_rate"}
    measured |= learnt
    return {name: np.asarray(values)[kept] for name, values in fitted.items() if name not in measured}
