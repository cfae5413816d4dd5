"""Which engine is faster on a model: measured, where it matters."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from noiseflow.engine.keras_state import KERAS_LOCK, build_seeded
from noiseflow.engine.problem import NotVectorizableError, Problem

WORTH_MEASURING = 20.0
"""Seconds of training below which nobody waits long enough for the choice to matter."""
STEPS = 8
"""Optimizer steps that are timed."""


def require_faster(problem: Problem, seconds: Callable[[int], float], rounds: float) -> None:
    """Refuses a program that is slower than `Model.fit` on the same problem.

    Args:
        seconds: from a number of optimizer steps to the time that the program takes for them, for one shard of seeds.
        rounds: shards that each core trains one after the other.

    Raises:
        NotVectorizableError: `Model.fit` is faster; the message gives both times.
    """
    steps_an_epoch = -(-problem.train.n_rows // problem.batch_size)
    timed = min(STEPS, steps_an_epoch)
    seconds(timed)  # the first call may still load what it needs
    ours = min(seconds(timed) for _ in range(2)) / timed * steps_an_epoch * problem.epochs * rounds
    if ours < WORTH_MEASURING:
        return
    once, a_step = _by_keras(problem, timed)
    theirs = len(problem.seeds) * (once + a_step * steps_an_epoch * problem.epochs)
    if theirs < ours:
        raise NotVectorizableError(
            f"Model.fit is faster on this model, about {theirs:,.0f} s against {ours:,.0f} s for all seeds"
        )


def _by_keras(problem: Problem, steps: int) -> tuple[float, float]:
    """Seconds before the first step, and seconds a step, of `Model.fit`."""
    began = time.perf_counter()
    with KERAS_LOCK:
        model = build_seeded(problem.build_model, problem.seeds[0])
        clock = _Clock()
        rows = keras.tree.map_structure(lambda v: v[: steps * problem.batch_size], problem.train.of(0))
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(rows)
        settings = {"batch_size": problem.batch_size, "shuffle": False, "verbose": 0, "callbacks": [clock]}
        model.fit(x, y, sample_weight=sample_weight, epochs=3, **settings)
    first, *others = clock.ends
    an_epoch = min(after - before for before, after in zip([first, *others], others, strict=False))
    return max(0.0, first - began - an_epoch), an_epoch / steps


class _Clock(keras.callbacks.Callback):
    """When each epoch ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self.ends.append(time.perf_counter())
