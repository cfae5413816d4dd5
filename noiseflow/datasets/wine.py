"""Wine: 178 wines of three cultivars, 13 measures each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noiseflow.datasets.finite import Finite, shipped_classes
from noiseflow.datasets.rows import Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Wine(Finite):
    """178 wines of three cultivars, 13 measures each."""

    name = "wine"
    sentence = "178 wines of three cultivars, 13 measures each; ships with scikit-learn"
    task = "classification"

    def rows(self, dataset: Dataset) -> Rows:
        return shipped_classes("load_wine")
