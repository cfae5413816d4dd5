"""Digits: 1,797 images of handwritten digits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from noiseflow.datasets.finite import Finite, shipped_classes
from noiseflow.datasets.rows import Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Digits(Finite):
    """1,797 images of handwritten digits; X: (n_rows, 8, 8, 1)."""

    name = "digits"
    sentence = "1,797 images of handwritten digits, 8 × 8 pixels; ships with scikit-learn"
    task = "classification"

    def rows(self, dataset: Dataset) -> Rows:
        """The rows of scikit-learn's dataset, as images of one channel."""
        rows = shipped_classes("load_digits")
        return replace(rows, X=rows.X.reshape(-1, 8, 8, 1))
