"""The reference engine: `Model.fit`, seed after seed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from noiseflow.noise import Injected, inject
from noiseflow.training.keras_state import KERAS_LOCK, build_seeded, seeded
from noiseflow.training.problem import SPREAD_ROWS, Array, Outcome, Problem


def train(problem: Problem) -> Outcome:
    """Trains each seed with `Model.fit` and Keras' own noise layers, nothing else of Keras running in this process."""
    with KERAS_LOCK:
        outcomes = [_train_one(problem, i, seed) for i, seed in enumerate(problem.seeds)]
    return Outcome(
        history={name: np.stack([o.history[name] for o in outcomes]) for name in outcomes[0].history},
        initial={name: np.stack([o.initial[name] for o in outcomes]) for name in outcomes[0].initial},
        weights=[np.stack(arrays) for arrays in zip(*(o.weights for o in outcomes), strict=True)],
        spread=np.stack([o.spread for o in outcomes]),
    )


def _train_one(problem: Problem, index: int, seed: int) -> Outcome:
    injected = _noisy(problem, seed)
    recorder = _Recorder(problem, index)
    initial = _evaluate(injected.model, problem.evaluations)
    spread = _spread(injected, problem)
    with seeded(seed):
        fitted = injected.model.fit(
            problem.x,
            problem.y,
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


def _noisy(problem: Problem, seed: int) -> Injected:
    model = build_seeded(problem.build_model, seed)

    def noise_layer(injection: int, site: str) -> keras.layers.Layer:
        stream = zlib.crc32(f"{seed}/{site}".encode())
        return keras.layers.GaussianNoise(problem.noise[injection].stddev, seed=stream, name=site)

    return inject(model, problem.noise, noise_layer)


class _Recorder(keras.callbacks.Callback):
    """Measures the evaluations in inference mode at each recorded epoch, and reports progress."""

    def __init__(self, problem: Problem, index: int) -> None:
        super().__init__()
        self.problem = problem
        self.index = index
        self.due = set(problem.recorded.tolist())
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del logs
        if epoch + 1 not in self.due:
            return
        self.rows.append(_evaluate(self.model, self.problem.evaluations))
        before = self.index * self.problem.epochs
        self.problem.progress((before + epoch + 1) // len(self.problem.seeds))


def _evaluate(model: keras.Model, evaluations: Mapping[str, tuple[Array, Array]]) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    for name, (x, y) in evaluations.items():
        values = model.evaluate(x, y, verbose=0, return_dict=True, batch_size=len(x))
        measured |= {f"{name}_{quantity}": value for quantity, value in values.items()}
    return measured


def _spread(injected: Injected, problem: Problem) -> Array:
    spread = np.full(len(problem.noise), np.inf)
    for injection, tap in injected.taps:
        signal = keras.Model(injected.model.input, tap)(problem.x[:SPREAD_ROWS], training=False)
        spread[injection] = min(spread[injection], float(np.std(signal)))
    return spread
