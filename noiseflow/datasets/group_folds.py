"""Repeated k-fold that keeps the rows of a group together, in folds of the same size whatever the data seed."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]
Fold = tuple[Index, Index]
SIZED_BY = 5
"""Shuffles that set the number of rows: the folds of all shuffles are as small as the smallest fold of these."""
MOST_SHUFFLES = 100
"""Shuffles that a repetition tries for folds that are large enough; after these it takes the very first shuffle."""
STRIDE = 1_000_003
"""Added to the random state of a shuffle for the next shuffle that a repetition tries."""


def group_fold(by: NDArray[np.int64], n_splits: int, data_seed: int, y: NDArray[np.float64] | None = None) -> Fold:
    """The rows that train and those that test in one fold: data seeds go through the folds of one shuffle, then of the next.

    Groups differ in size, and so do folds, yet data seeds must have equally many rows to be trained together. All have as many
    as the smallest fold of the first shuffles; larger ones lose some rows at random, and a shuffle with a smaller one is
    replaced by another.

    Args:
        by: (n_rows,), the group of each row.
        y: (n_rows,), classes, which get equal shares in all folds as far as groups allow; None ignores them.
    """
    repetition, fold = divmod(data_seed, n_splits)
    labels = b"" if y is None else y.tobytes()
    n_train, n_test = _sizes(by.tobytes(), labels, n_splits)
    for state in (*((repetition + STRIDE * i) % 2**32 for i in range(MOST_SHUFFLES)), 0):
        folds = _folds(by.tobytes(), labels, n_splits, state)
        if all(len(train) >= n_train and len(test) >= n_test for train, test in folds):
            break
    train, test = folds[fold]
    rng = np.random.default_rng(data_seed)
    return rng.permutation(train)[:n_train], rng.permutation(test)[:n_test]


@lru_cache(maxsize=8)
def _sizes(by: bytes, y: bytes, n_splits: int) -> tuple[int, int]:
    folds = [fold for state in range(SIZED_BY) for fold in _folds(by, y, n_splits, state)]
    return min(len(train) for train, _ in folds), min(len(test) for _, test in folds)


@lru_cache(maxsize=4)
def _folds(by: bytes, y: bytes, n_splits: int, state: int) -> list[Fold]:
    """All folds of one shuffle; not to be changed, as the next data seeds take the others of them."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    groups, classes = np.frombuffer(by, np.int64), np.frombuffer(y, np.float64)
    splitter = (StratifiedGroupKFold if y else GroupKFold)(n_splits, shuffle=True, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class has fewer rows than there are folds
        return list(splitter.split(groups, classes if y else None, groups))


def fold_faults(by: NDArray[np.int64], n_splits: int) -> list[str]:
    """Groups that are too few for that many folds."""
    n = len(np.unique(by))
    must = f"split_by must name at least {n_splits} groups to be split in {n_splits} folds by group"
    return [f"{must}; received {n}. Lower n_splits."] if n < n_splits else []
