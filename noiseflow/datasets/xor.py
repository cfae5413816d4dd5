"""Xor: two classes in four normal clouds, as in Zur et al."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noiseflow.base.values import setting
from noiseflow.datasets.data import Array
from noiseflow.datasets.generated import FRESH, Generated, Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Xor(Generated):
    """Normal clouds around (±1, ±1); the class is 1 where the signs of the two differ."""

    name = "xor"
    sentence = "normal clouds around (±1, ±1), of stddev `spread`; the class is 1 where the signs of the two differ"
    task = "classification"
    settings = {"n_samples": 120, "n_train": 50, "spread": 0.7, **FRESH}
    fields = {
        **Generated.fields,
        "spread": setting(float, "Standard deviation of the clouds of xor", 0.7, gt=0, le=100),
    }
    takes_generator = True

    def rows(self, dataset: Dataset, n: int, state: Any) -> Rows:
        y = state.integers(0, 2, n)
        first = state.choice([-1.0, 1.0], n)
        centres = np.stack([first, np.where(y == 1, -first, first)], axis=1)
        return centres + dataset.spread * state.normal(size=(n, 2)), y.astype(float)

    def has_rule(self, dataset: Dataset) -> bool:
        return True

    def rule(self, dataset: Dataset, X: Array) -> Array:
        """The class of the quadrant; `X` in the generator's own units."""
        return (X[:, 0] * X[:, 1] < 0).astype(float)

    def rule_accuracy(self, dataset: Dataset) -> float:
        """Both signs right or both wrong."""
        from scipy.stats import norm

        right = float(norm.cdf(1 / dataset.spread))
        return right**2 + (1 - right) ** 2
