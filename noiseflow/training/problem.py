"""What an engine is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from noiseflow.spec import Injection

Array = NDArray[Any]
SPREAD_ROWS = 1024
"""Training rows that the spread of a signal is measured on, at most."""


@dataclass(frozen=True)
class Problem:
    """Replicas of one model to be trained, one for each seed.

    x: (n_rows, ...), y: (n_rows, ...), floats in Keras' floatx; evaluations: name to (x, y), measured in inference mode at
    each recorded epoch; recorded: the epochs recorded, ascending, the last one among them; progress: called with the
    number of epochs done.
    """

    build_model: Callable[[], keras.Model]
    x: Array
    y: Array
    seeds: tuple[int, ...]
    epochs: int
    batch_size: int
    shuffle: bool
    noise: tuple[Injection, ...]
    evaluations: Mapping[str, tuple[Array, Array]]
    recorded: NDArray[np.int64]
    progress: Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """What training gave.

    history: quantity to (n_seeds, n_recorded); initial: evaluated quantity to (n_seeds,), before the first step; weights:
    arrays (n_seeds, ...) in the model's order; spread: (n_seeds, n_injections), standard deviation of the signal that
    each injection is added to, at the initial weights (the least over its sites).
    """

    history: dict[str, Array]
    initial: dict[str, Array]
    weights: list[Array]
    spread: Array


def recorded_epochs(epochs: int, every: int) -> NDArray[np.int64]:
    """Epoch 1, every k-th, and the last."""
    return np.unique(np.concatenate([[1], np.arange(every, epochs + 1, every), [epochs]])).astype(np.int64)
