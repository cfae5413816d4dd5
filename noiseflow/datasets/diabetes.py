"""Diabetes: the progress of the disease in 442 patients."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from noiseflow.datasets.finite import Finite
from noiseflow.datasets.rows import Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Diabetes(Finite):
    """The progress of the disease in 442 patients, from 10 measures each."""

    name = "diabetes"
    sentence = "the progress of the disease in 442 patients, 10 measures each; ships with scikit-learn"
    task = "regression"

    def rows(self, dataset: Dataset) -> Rows:
        """The rows of scikit-learn's dataset, unscaled."""
        return _rows()


@cache
def _rows() -> Rows:
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True, scaled=False)
    return Rows(X, y)
