"""Rows to learn from, a file for each kind of dataset.

Importing it imports neither pandas nor scikit-learn.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets.arrays import Arrays
from noiseflow.datasets.breast_cancer import BreastCancer
from noiseflow.datasets.circles import Circles
from noiseflow.datasets.corrupt import with_wrong_labels
from noiseflow.datasets.data import Array, Data, boundary_grid
from noiseflow.datasets.diabetes import Diabetes
from noiseflow.datasets.digits import Digits
from noiseflow.datasets.entry_point import EntryPointRows
from noiseflow.datasets.friedman1 import Friedman1
from noiseflow.datasets.kind import DatasetKind
from noiseflow.datasets.moons import Moons
from noiseflow.datasets.table import Table
from noiseflow.datasets.waves import Waves
from noiseflow.datasets.wine import Wine
from noiseflow.datasets.xor import Xor
from noiseflow.scores import scores_of

if TYPE_CHECKING:
    import pandas as pd

    from noiseflow.study import Dataset

DATASETS: tuple[DatasetKind, ...] = (
    Circles(),
    Moons(),
    Xor(),
    Friedman1(),
    Waves(),
    Digits(),
    Wine(),
    BreastCancer(),
    Diabetes(),
    Table(),
    Arrays(),
    EntryPointRows(),
)
"""All kinds, in the order that they are documented in."""
MAX_SEED = 2**32  # what scikit-learn and Keras take
SKEWED = 0.75
"""Share of the rows from which on a class is pointed out."""
__all__ = [
    "DATASETS",
    "Data",
    "DatasetKind",
    "bayes_accuracy",
    "boundary_grid",
    "ceiling",
    "columns_of",
    "constant_loss",
    "constant_score",
    "dataset_kind",
    "faults",
    "generate",
    "to_frame",
    "warnings",
]


def dataset_kind(name: str) -> DatasetKind:
    """The kind of this name."""
    return next(kind for kind in DATASETS if kind.name == name)


def generate(dataset: Dataset, data_seed: int) -> Data:
    """The rows of a dataset for one data seed; the same rows for the same arguments, as many whatever the data seed.

    Raises:
        InvalidInputError: its file or entry point is faulty; `faults` finds that before.
    """
    data = dataset_kind(dataset.kind).data(dataset, data_seed)
    return with_wrong_labels(data, dataset.corrupt.labels, data_seed) if dataset.corrupt else data


def columns_of(dataset: Dataset) -> tuple[tuple[str, bool], ...] | None:
    """Name of each column of its rows, and whether it is numeric rather than one of a category's; None where it has no names.

    Raises:
        InvalidInputError, OSError: its file is faulty.
    """
    return dataset_kind(dataset.kind).entries(dataset)


def to_frame(dataset: Dataset, data_seeds: Sequence[int]) -> pd.DataFrame:
    """The rows of these data seeds in long form: dataset, data_seed, split, row, X (a list a row), y, targets.

    y is NaN where there are several targets, which `targets` lists; else that is None.
    """
    import pandas as pd

    splits = [
        pd.DataFrame({"data_seed": seed, "split": split, "row": np.arange(len(y)), **_columns(X, y)})
        for seed in data_seeds
        for split, (X, y) in generate(dataset, seed).parts.items()
    ]
    rows = pd.concat(splits, ignore_index=True)
    rows.insert(0, "dataset", dataset.name)
    return rows


def _columns(X: Array, y: Array) -> dict[str, Any]:
    several = y.ndim > 1
    targets = {"y": np.full(len(y), np.nan) if several else y, "targets": list(y) if several else None}
    return {"X": list(X.reshape(len(X), -1)), **targets}


def ceiling(dataset: Dataset, X: Array, y: Array) -> float | None:
    """Accuracy of the best possible rule on these rows, a fraction; None where the rule is not known."""
    kind = dataset_kind(dataset.kind)
    return float(np.mean(kind.rule(dataset, X) == y)) if kind.has_rule(dataset) else None


def constant_score(dataset: Dataset, data: Data) -> float:
    """The compared score of the best constant prediction: each class as often as it comes, or the mean of a regression.

    Args:
        data: its rows; the fresh ones count where there are such, else the test rows.
    """
    y = np.asarray(data.y_test if data.y_eval is None else data.y_eval, np.float64)
    if data.n_targets > 1:
        outputs = np.broadcast_to(y.mean(axis=0), (1, *y.shape))
        return float(dataset.scored_by.measure(outputs, y[None])[0])
    shares = np.bincount(y.astype(int), minlength=data.n_classes) / y.size if data.n_classes > 2 else None
    best = np.array([y.mean()]) if shares is None else shares
    outputs = np.broadcast_to(best, (1, y.size, best.size))
    return float(dataset.scored_by.measure(outputs, y, data.target_scale)[0])


def constant_loss(data: Data) -> float | None:
    """The log loss, in nats, of predicting each class as often as it comes; of one target of classes only.

    Args:
        data: its rows; the fresh ones count where there are such, else the test rows.
    """
    if not data.n_classes or data.n_targets > 1:
        return None
    _, counts = np.unique(data.y_test if data.y_eval is None else data.y_eval, return_counts=True)
    shares = counts / counts.sum()
    return float(-shares @ np.log(shares))


def bayes_accuracy(dataset: Dataset) -> float | None:
    """Accuracy of the best possible rule on endlessly many rows, a fraction; None where the rule is not known."""
    kind = dataset_kind(dataset.kind)
    return kind.rule_accuracy(dataset) if kind.has_rule(dataset) else None


def faults(dataset: Dataset, data_seeds: Sequence[int], where: str) -> list[str]:
    """Every fault of a dataset's file, entry point or content, for these data seeds, as sentences.

    Args:
        where: the dataset's place in the study, such as `datasets[0]`, which each sentence begins with.
    """
    if max(data_seeds) >= MAX_SEED:
        text = f"must leave the last data seed below {MAX_SEED:,}; received {dataset.data_seed}, the last is {max(data_seeds)}"
        return [f"{where}.data_seed {text}. Lower it."]
    try:
        found = dataset_kind(dataset.kind).faults(dataset, list(data_seeds))
    except InvalidInputError as error:
        found = error.faults
    return [f"{where}.{_with_file_name(text, dataset)}" for text in found]


def _with_file_name(text: str, dataset: Dataset) -> str:
    """The sentence with the name of the dataset and of its file, where it lacks them."""
    if not dataset.path or dataset.path in text:
        return text
    of = f"{dataset.name!r}, " if dataset.label else ""
    return f"{text} (dataset {of}file {os.path.basename(dataset.path)!r})"  # noqa: PTH119 - importing pathlib is no gain


def warnings(dataset: Dataset, data: Data) -> list[str]:
    """What a reader of the results should know about these rows."""
    return [*_skew(dataset, data), *dataset_kind(dataset.kind).cautions(dataset)]


def _skew(dataset: Dataset, data: Data) -> list[str]:
    if not data.n_classes:
        return []
    y = np.concatenate([data.y_train, data.y_test]).astype(int).ravel()
    share = np.bincount(y, minlength=data.n_classes) / len(y)
    first = int(share.argmax())
    if share[first] < SKEWED:
        return []
    labels = dataset_kind(dataset.kind).labels(dataset)
    name = labels[first] if labels else str(first)
    of = f"of the rows are class {name!r}" if data.n_targets == 1 else f"of the labels are {name!r}"
    text = f"The classes are skewed: {100 * share[first]:.0f} % {of}."
    score = dataset.scored_by
    if not score.is_share_of_rows:
        return [text]
    others = " or ".join(
        other.name
        for other in scores_of(score.task)
        if other.weighs_classes_alike and (data.n_targets == 1 or other.takes_several)
    )
    return [f"{text} {score.name.capitalize()} rewards guessing it always; consider score: {others}."]
