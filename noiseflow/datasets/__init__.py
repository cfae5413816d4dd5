"""Rows to learn from: one function for each kind of dataset, and the literal dict that names them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from noiseflow.datasets.arrays import arrays_data
from noiseflow.datasets.bundled import bundled_data
from noiseflow.datasets.checks import faults, warnings
from noiseflow.datasets.data import Array, Data, boundary_grid
from noiseflow.datasets.entry import entry_point_data
from noiseflow.datasets.generators import GENERATED
from noiseflow.datasets.rules import BAYES_ACCURACIES, BAYES_RULES, circles_threshold, has_rule
from noiseflow.datasets.table import table_data
from noiseflow.spec import Dataset

__all__ = [
    "BAYES_ACCURACIES",
    "BAYES_RULES",
    "GENERATORS",
    "Data",
    "bayes_accuracy",
    "boundary_grid",
    "ceiling",
    "circles_threshold",
    "faults",
    "generate",
    "to_frame",
    "warnings",
]

GENERATORS: dict[str, Callable[[Dataset, int], Data]] = {
    **GENERATED,
    "digits": bundled_data,
    "wine": bundled_data,
    "breast_cancer": bundled_data,
    "diabetes": bundled_data,
    "table": table_data,
    "arrays": arrays_data,
    "entry_point": entry_point_data,
}
"""What brings the rows of each kind of dataset for a data seed."""


def generate(dataset: Dataset, data_seed: int) -> Data:
    """The rows of a dataset for one data seed; the same rows for the same arguments, as many whatever the data seed.

    Raises:
        InvalidInputError: its file or entry point is faulty; `faults` tells before.
    """
    return GENERATORS[dataset.kind](dataset, data_seed)


def to_frame(dataset: Dataset, data_seed: int, data: Data) -> pd.DataFrame:
    """The rows in long form: dataset, data_seed, split, row, X (a list a row), y."""
    names = {"dataset": dataset.name, "data_seed": data_seed}
    splits = [
        pd.DataFrame({**names, "split": split, "row": np.arange(len(y)), "X": list(X.reshape(len(X), -1)), "y": y})
        for split, (X, y) in data.parts.items()
    ]
    return pd.concat(splits, ignore_index=True)


def ceiling(dataset: Dataset, X: Array, y: Array) -> float | None:
    """Accuracy of the best possible rule on these rows, a fraction; None where the rule is not known."""
    return float(np.mean(BAYES_RULES[dataset.kind](dataset, X) == y)) if has_rule(dataset) else None


def bayes_accuracy(dataset: Dataset) -> float | None:
    """Accuracy of the best possible rule on endlessly many rows, a fraction; None where the rule is not known."""
    return BAYES_ACCURACIES[dataset.kind](dataset) if has_rule(dataset) else None
