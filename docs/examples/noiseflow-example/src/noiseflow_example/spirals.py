"""Two spirals that wind around each other: rows to learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def spirals(
    data_seed: int, *, n_train: int = 60, n_test: int = 1000, noise: float = 0.05, turns: float = 1.0
) -> tuple[Array, Array, Array, Array]:
    """X_train (n_train, 2), y_train (n_train,), X_test and y_test; classes are 0 and 1, half the rows each.

    Everything random comes from `data_seed`, so the same seed brings the same rows; another one brings fresh rows.
    """
    rng = np.random.default_rng(data_seed)
    return (*_rows(rng, n_train, noise, turns), *_rows(rng, n_test, noise, turns))


def _rows(rng: np.random.Generator, n: int, noise: float, turns: float) -> tuple[Array, Array]:
    y = rng.permutation(np.arange(n) % 2).astype(float)
    along = np.sqrt(rng.uniform(0.05, 1.0, size=n))
    angle = 2 * np.pi * turns * along + np.pi * y
    X = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return X + noise * rng.normal(size=X.shape), y
