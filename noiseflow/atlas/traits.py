"""What makes two datasets alike, as far as it can be said before a network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

import numpy as np

from noiseflow.datasets import generate
from noiseflow.datasets.facts import CONSTANT, MOST_NUMBERS, plain_scores

if TYPE_CHECKING:
    from noiseflow.study import Dataset

SCORE = {"classification": "accuracy", "regression": "r2"}
"""The score of each task in which gains are compared."""


@dataclass(frozen=True)
class Traits:
    """The traits of one dataset, on the split of its first data seed.

    Attributes:
        task: classification or regression.
        n_train: rows that a network trains on.
        width: numbers of a row that it sees.
        n_classes: 0 of a regression.
        constant: score of the best constant guess, in accuracy or R².
        plain: score of the better of scikit-learn's linear model and gradient boosting.
        ratio: rows that test over rows that train, where data seeds split the same rows; else 0.
    """

    task: str
    n_train: int
    width: int
    n_classes: int
    constant: float
    plain: float
    ratio: float = 0.0

    @property
    def coordinates(self) -> tuple[float, ...]:
        """Its coordinates among datasets: a step of 1 is tenfold rows, tenfold features, or half of what there is to gain."""
        to_gain = max(1.0 - self.constant, 1e-9)
        signal = min(max((self.plain - self.constant) / to_gain, 0.0), 1.0)
        return log10(self.n_train), log10(self.width), 2 * signal

    def distance(self, other: Traits) -> float:
        """The distance to another dataset; infinite where the task is another."""
        if self.task != other.task:
            return float("inf")
        return float(np.linalg.norm(np.subtract(self.coordinates, other.coordinates)))


def traits_of(dataset: Dataset) -> Traits:
    """The traits of a dataset without a fault.

    Raises:
        ValueError: it has several targets, or is large; the atlas has no such datasets.
    """
    data = generate(dataset, dataset.data_seed)
    if data.n_targets > 1:
        raise ValueError("the atlas holds datasets of one target; this one has several")
    if data.X_train.size > MOST_NUMBERS:
        raise ValueError(f"the atlas holds small datasets; this one holds over {MOST_NUMBERS:,} numbers")
    task = "classification" if data.n_classes else "regression"
    scored = dataset.model_copy(update={"score": SCORE[task]})
    scores = plain_scores(scored, [data], boosted=data.X_train.ndim == 2)
    plain = max(value for name, value in scores.items() if name != CONSTANT)
    width = int(np.prod(data.X_train.shape[1:]))
    ratio = len(data.y_test) / len(data.y_train) if dataset.is_finite else 0.0
    return Traits(task, len(data.y_train), width, data.n_classes, scores[CONSTANT], plain, ratio)
