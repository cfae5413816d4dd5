"""Breast cancer: 569 tumours, benign or malignant, 30 measures each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noiseflow.datasets.finite import Finite, shipped_classes
from noiseflow.datasets.rows import Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class BreastCancer(Finite):
    """569 tumours, benign or malignant, 30 measures each."""

    name = "breast_cancer"
    sentence = "569 tumours, benign or malignant, 30 measures each; ships with scikit-learn"
    task = "classification"

    def rows(self, dataset: Dataset) -> Rows:
        return shipped_classes("load_breast_cancer")
