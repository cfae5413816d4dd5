"""The reference engine: `Model.fit`, seed after seed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.noise import Injected, inject
from noiseflow.training.device import prepare_device
from noiseflow.training.keras_state import KERAS_LOCK, build_seeded, seeded
from noiseflow.training.meter import Meter
from noiseflow.training.problem import SPREAD_ROWS, Array, Outcome, Problem, Rows

REORDERING = "dependency_optimization"


def train(problem: Problem) -> Outcome:
    """Trains each seed with `Model.fit` and Keras' own noise layers, nothing else of Keras running in this process."""
    meter = Meter(problem)
    with KERAS_LOCK, _updates_in_order(), tf.device(prepare_device(problem.device)):
        outcomes = [_train_one(problem, i, seed, meter) for i, seed in enumerate(problem.seeds)]
    return Outcome(
        history={name: np.stack([o.history[name] for o in outcomes]) for name in outcomes[0].history},
        initial={name: np.stack([o.initial[name] for o in outcomes]) for name in outcomes[0].initial},
        weights=[np.stack(arrays) for arrays in zip(*(o.weights for o in outcomes), strict=True)],
        spread=np.stack([o.spread for o in outcomes]),
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
    injected = _noisy(problem, index, seed)
    recorder = _Recorder(problem, index, meter)
    initial = _evaluate(injected.model, problem.evaluations, index)
    spread = _spread(injected, problem, index)
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(problem.train.of(index))
    with seeded(seed):
        fitted = injected.model.fit(
            x,
            y,
            sample_weight=sample_weight,
            epochs=problem.epochs,
            batch_size=problem.batch_size,
            shuffle=problem.shuffle,
            verbose=0,
            callbacks=[recorder],
        )
    kept = problem.recorded - 1
    history = {name: np.asarray(values)[kept] for name, values in fitted.history.items()}
    history |= {name: np.asarray([row[name] for row in recorder.rows]) for name in recorder.rows[0]}
    return Outcome(history, initial, injected.model.get_weights(), spread)


def _noisy(problem: Problem, index: int, seed: int) -> Injected:
    """The model as its author wrote it, or a copy of it with noise."""
    model = build_seeded(problem.build_model, seed)
    if not problem.noise:
        return Injected(model, ())

    def noise_layer(injection: int, site: str) -> keras.layers.Layer:
        stream = zlib.crc32(f"{seed}/{site}".encode())
        return keras.layers.GaussianNoise(float(problem.strengths[index, injection]), seed=stream, name=site)

    return inject(model, problem.noise, noise_layer)


class _Recorder(keras.callbacks.Callback):
    """Measures the evaluations in inference mode at each recorded epoch, and reports progress."""

    def __init__(self, problem: Problem, index: int, meter: Meter) -> None:
        super().__init__()
        self.problem = problem
        self.index = index
        self.meter = meter
        self.due = set(problem.recorded.tolist())
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del logs
        if epoch + 1 in self.due:
            self.rows.append(_evaluate(self.model, self.problem.evaluations, self.index))
            self.meter.tell(self.index, 1, epoch + 1)


def _evaluate(model: keras.Model, evaluations: Mapping[str, Rows], index: int) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    for name, rows in evaluations.items():
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(rows.of(index))
        values = model.evaluate(
            x, y, sample_weight=sample_weight, verbose=0, return_dict=True, batch_size=min(rows.n_rows, 1024)
        )
        measured |= {f"{name}_{quantity}": value for quantity, value in values.items()}
    return measured


def _spread(injected: Injected, problem: Problem, index: int) -> Array:
    spread = np.full(len(problem.noise), np.inf)
    x = keras.tree.map_structure(lambda values: values[:SPREAD_ROWS], problem.train.of(index)[0])
    for injection, tap in injected.taps:
        signal = keras.Model(injected.model.input, tap)(x, training=False)
        spread[injection] = min(spread[injection], float(np.std(signal)))
    return spread
