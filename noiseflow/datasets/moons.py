"""Moons: points of two half circles that reach into each other, moved by noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseflow.datasets.generated import FRESH, NOISE, Generated, Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Moons(Generated):
    """Points of two half circles that reach into each other, moved by noise."""

    name = "moons"
    sentence = "scikit-learn's generator: points of two half circles that reach into each other, moved by noise"
    task = "classification"
    settings = {"n_samples": 100, "n_train": 30, "noise": 0.3, **FRESH}
    fields = {**Generated.fields, **NOISE}

    def rows(self, dataset: Dataset, n: int, state: Any) -> Rows:
        from sklearn.datasets import make_moons

        X, y = make_moons(n, noise=dataset.noise, random_state=state)
        return X, y.astype(float)
