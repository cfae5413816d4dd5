"""Datasets of so many rows and no more: another data seed splits them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from noiseflow.base.user_files import changed
from noiseflow.base.values import Fields, FilePath, setting
from noiseflow.datasets.data import Array, Data, grid_of, imputed, standardized
from noiseflow.datasets.kind import N_TRAIN, STANDARDIZE, TASK, DatasetKind
from noiseflow.datasets.rows import BY_GROUP, BY_TIME, FOLDS, Index, Rows, inner_split, seed_faults, split, split_faults

if TYPE_CHECKING:
    from noiseflow.study import Dataset

SPLIT: dict[str, Any] = {"n_train": None, "test_fraction": 0.3, "standardize": True, "split": None, "n_splits": None}
FROM_FILE: dict[str, Any] = {**SPLIT, "path": ..., "task": ...}
FILE_FIELDS: Fields = {
    "path": setting(FilePath, "The file; relative to the study file", "my.csv"),
    "missing": setting(
        Literal["refuse", "impute"],
        "Missing values: refused, or imputed by the training rows' median or commonest value",
        "impute",
    ),
    **TASK,
}


MOST_KEPT = 2**28
"""Bytes of splits that a process keeps."""
_KEPT: dict[tuple[Any, ...], Data] = {}


def _size(data: Data) -> int:
    return sum(values.nbytes for values in vars(data).values() if isinstance(values, np.ndarray))


class Finite(DatasetKind):
    """A finite dataset: it gives all its `rows`."""

    splits_by_itself = False
    """Whether the rows bring the groups and times that they are split by."""
    settings = SPLIT
    fields: Fields = {
        **N_TRAIN,
        "test_fraction": setting(float, "Share of the rows that test", 0.3, gt=0, lt=1),
        "split": setting(
            Literal[
                "stratified",
                "random",
                "group",
                "time",
                "given",
                "k_fold",
                "stratified_k_fold",
                "group_k_fold",
                "stratified_group_k_fold",
                "time_series",
            ],
            "How rows are split; stratified for classification, else random, unless given. With k_fold and its kin "
            "(scikit-learn's) and time_series (equal windows, each tested on what follows) the data seeds count the folds",
            "group",
        ),
        "n_splits": setting(
            int, "Folds of k_fold and its kin, windows of time_series; 5 unless given", 5, ge=2, le=1_000
        ),
        **STANDARDIZE,
    }

    def rows(self, dataset: Dataset) -> Rows:
        """All rows.

        Raises:
            InvalidInputError: the file or its content is faulty.
        """
        raise NotImplementedError

    def is_finite(self, dataset: Dataset) -> bool:
        return True

    def rules(self, dataset: Dataset) -> Iterator[tuple[str, str]]:
        """A split that fits the task, and has what it splits by."""
        if dataset.n_splits and dataset.split not in FOLDS:
            yield "split", f"must be split by {' or '.join(FOLDS)} to have n_splits"
        if str(dataset.split).startswith("stratified") and dataset.of_task == "regression":
            yield "split", "must be a classification to be split stratified"
        if dataset.split in (*BY_GROUP, *BY_TIME) and not (dataset.split_by or self.splits_by_itself):
            yield "split", f"must be a table with split_by to be split by {dataset.split}"
        if dataset.split == "given" and not (dataset.test_path or dataset.split_by or self.splits_by_itself):
            yield "split", "must have a test_path, or a split_by that says which rows test, to be split as given"

    def data(self, dataset: Dataset, data_seed: int) -> Data:
        """One split of the rows, not to be changed: of a user's file it is kept, as each variant trains on the same."""
        try:
            key = (dataset, data_seed, *map(changed, filter(None, (dataset.path, dataset.test_path))))
        except OSError:  # as reading says
            return self.split_data(dataset, data_seed)
        if key in _KEPT:
            return _KEPT[key]
        data = self.split_data(dataset, data_seed)
        if self.is_users_file:
            if any(other[0] != dataset for other in _KEPT):
                _KEPT.clear()
            if sum(map(_size, (data, *_KEPT.values()))) <= MOST_KEPT:
                _KEPT[key] = data
        return data

    def split_data(self, dataset: Dataset, data_seed: int) -> Data:
        """One split of the rows, standardised on the training rows if so asked."""
        rows = self.rows(dataset)
        train, test = ((rows.X[index], rows.y[index]) for index in split(rows, dataset, data_seed))
        if dataset.missing == "impute":
            X = imputed(train[0], test[0], masked=dataset.is_masked)
            train, test = (X[0], train[1]), (X[1], test[1])
        return data_of_parts(train, test, dataset, len(rows.labels))

    def inner_split(self, dataset: Dataset, data_seed: int, data: Data, number: int) -> tuple[Index, Index]:
        by, largest = None, 1
        if dataset.split_kind in BY_GROUP and (groups := self.rows(dataset).by) is not None:
            by, largest = groups[split(self.rows(dataset), dataset, data_seed)[0]], int(np.bincount(groups).max())
        ordered = dataset.split_kind in BY_TIME
        return inner_split(data.y_train, data.n_classes > 0, [data_seed, number], by, largest, ordered=ordered)

    def faults(self, dataset: Dataset, data_seeds: Sequence[int]) -> list[str]:
        """Splits that leave too little to train or to test."""
        rows = self.rows(dataset)
        return split_faults(rows, dataset) or seed_faults(rows, dataset, data_seeds)

    def labels(self, dataset: Dataset) -> tuple[str, ...]:
        return self.rows(dataset).labels


def data_of_parts(train: tuple[Array, Array], test: tuple[Array, Array], dataset: Dataset, n_classes: int) -> Data:
    """X and y of the training and the test rows, standardised if so asked."""
    fields: dict[str, Any] = {"X_train": train[0], "y_train": train[1], "X_test": test[0], "y_test": test[1]}
    if dataset.standardize:
        fields = standardized(n_classes, train, test, masked=dataset.is_masked)
    grid = grid_of(n_classes, fields["X_train"], fields["X_test"]) if train[1].ndim == 1 else None
    return Data(**fields, n_classes=n_classes, grid=grid)


@cache
def shipped_classes(loader: str) -> Rows:
    """All rows of a classification that ships with scikit-learn."""
    from sklearn import datasets

    loaded = getattr(datasets, loader)()
    return Rows(loaded.data, loaded.target.astype(float), tuple(map(str, loaded.target_names)))
