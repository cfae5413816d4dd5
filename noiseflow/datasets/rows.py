"""Finite rows, and which of them train and which test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from noiseflow.datasets.data import Array
from noiseflow.datasets.group_folds import fold_faults, group_fold
from noiseflow.scores import Score, scores_of

if TYPE_CHECKING:
    from noiseflow.study import Dataset

Index = NDArray[np.intp]
MAX_NUMBER = 1e30
"""Largest number of a user's rows; float32 ends at 3e38, and squares are taken."""
MOST_TARGETS = 100


@dataclass(frozen=True)
class Rows:
    """Rows that every data seed splits anew.

    Attributes:
        X: (n_rows, ...).
        y: (n_rows,), or (n_rows, n_targets).
        labels: the labels of the class indices, empty for a regression.
        by: (n_rows,), whole numbers that name the group, or order the time, None where the split asks for neither.
    """

    X: Any
    y: Array
    labels: tuple[str, ...] = ()
    by: NDArray[np.int64] | None = None


def split(rows: Rows, dataset: Dataset, data_seed: int) -> tuple[Index, Index]:
    """Positions of the rows that train and of those that test; as many of each whatever the data seed.

    n_train, if given, keeps the first of the training rows: the test rows stay what they are, and fewer training rows are
    part of more. Of a split by time it keeps the latest.
    """
    how = split_kind(rows.y, dataset)
    if how in FOLDS:
        train, test = FOLDS[how](rows, dataset.n_splits or N_SPLITS, data_seed)
    else:
        train, test = SPLITS[how](rows, float(dataset.test_fraction or 0), data_seed)
    if dataset.n_train is None:
        return train, test
    return (train[-dataset.n_train :] if dataset.is_split_once else train[: dataset.n_train]), test


INNER_FRACTION = 0.3
"""Share of the training rows that an inner split holds back to validate."""
INNER_STREAM = 0x696E6E72
"""Distinguishes the random numbers of inner splits from all others of a seed."""


def inner_split(
    y: Array,
    is_classes: bool,
    seed: Sequence[int],
    by: NDArray[np.int64] | None = None,
    largest: int = 1,
    *,
    ordered: bool = False,
) -> tuple[Index, Index]:
    """Positions of the rows that train and of those that validate, within the training rows; equally many for all seeds.

    Classes keep their shares, groups stay whole, and of rows in the order of time the latest validate.

    Args:
        by: (n_rows,), the rows' groups, if these are to stay whole; largest: rows of the largest one of the whole table.
        ordered: whether the rows are in the order of time.
    """
    n, rng = len(y), np.random.default_rng([*seed, INNER_STREAM])
    n_held = max(1, round(INNER_FRACTION * n))
    if ordered:
        return np.arange(n - n_held), np.arange(n - n_held, n)
    order = rng.permutation(n)
    if by is not None and n - n_held - (largest - 1) > 1:
        rank = rng.permutation(np.unique(by).size)[np.unique(by, return_inverse=True)[1]]
        order = order[np.argsort(rank[order], kind="stable")]
        rest = order[n_held:]
        return rng.permutation(rest[by[rest] != by[order[n_held - 1]]])[: n - n_held - (largest - 1)], order[:n_held]
    if is_classes and y.ndim == 1:
        order = order[np.argsort(y[order], kind="stable")]
    held = np.floor((np.arange(n_held) + rng.random()) * n / n_held).astype(np.intp)
    return np.delete(order, held), order[held]


def split_kind(y: Array, dataset: Dataset) -> str:
    """How rows are split: as the dataset says; at random where it says nothing and rows have several targets."""
    return "random" if y.ndim > 1 and not dataset.split else dataset.split_kind


def _stratified(rows: Rows, test_fraction: float, data_seed: int) -> tuple[Index, Index]:
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(n_splits=1, test_size=test_fraction, random_state=data_seed)
    return next(iter(splitter.split(rows.y, rows.y)))  # type: ignore[no-any-return]


def _random(rows: Rows, test_fraction: float, data_seed: int) -> tuple[Index, Index]:
    from sklearn.model_selection import ShuffleSplit

    splitter = ShuffleSplit(n_splits=1, test_size=test_fraction, random_state=data_seed)
    return next(iter(splitter.split(rows.y)))  # type: ignore[no-any-return]


def _group(rows: Rows, test_fraction: float, data_seed: int) -> tuple[Index, Index]:
    """Whole groups in random order test until the wanted rows are there, the other groups train.

    Groups differ in size, yet data seeds must have equally many rows to be trained together: what the last group of the
    test brings too much is left out, and as many training rows as the largest group could cost.
    """
    rng = np.random.default_rng(data_seed)
    by = _by(rows)
    order = rng.permutation(len(by))  # within a group, rows come in random order
    order = order[np.argsort(rng.permutation(by.max() + 1)[by[order]], kind="stable")]
    n_test, n_train = group_sizes(rows, test_fraction)
    last = by[order[n_test - 1]]
    rest = order[n_test:]
    return rng.permutation(rest[by[rest] != last])[:n_train], order[:n_test]


def group_sizes(rows: Rows, test_fraction: float) -> tuple[int, int]:
    """Rows that test and rows that train when whole groups are kept together; the latter may come out below 1."""
    n = len(rows.y)
    n_test = ceil(test_fraction * n)
    return n_test, n - n_test - (int(np.bincount(_by(rows)).max()) - 1)


def _time(rows: Rows, test_fraction: float, _data_seed: int) -> tuple[Index, Index]:
    """The latest rows test; rows of one time keep the file's order, and may lie on both sides of the cut."""
    order = np.argsort(_by(rows), kind="stable")
    n_test = ceil(test_fraction * len(order))
    return order[:-n_test], order[-n_test:]


def _marked_rows(rows: Rows, _test_fraction: float, _data_seed: int) -> tuple[Index, Index]:
    """The rows that are marked test, the others train."""
    return np.flatnonzero(_by(rows) == 0), np.flatnonzero(_by(rows) == 1)


def _k_fold(rows: Rows, n_splits: int, data_seed: int) -> tuple[Index, Index]:
    from sklearn.model_selection import KFold

    return _fold(KFold, rows, n_splits, data_seed)


def _stratified_k_fold(rows: Rows, n_splits: int, data_seed: int) -> tuple[Index, Index]:
    from sklearn.model_selection import StratifiedKFold

    return _fold(StratifiedKFold, rows, n_splits, data_seed)


def _fold(splitter: Any, rows: Rows, n_splits: int, data_seed: int) -> tuple[Index, Index]:
    """A fold of a repeated k-fold: data seeds go through the folds of one shuffle, then of the next.

    Folds differ by some rows, yet data seeds must have equally many to be trained together: the larger ones lose those.
    """
    repetition, fold = divmod(data_seed, n_splits)
    made = list(splitter(n_splits, shuffle=True, random_state=repetition).split(rows.y, rows.y))
    n_train, n_test = (min(len(part[side]) for part in made) for side in (0, 1))
    rng, (train, test) = np.random.default_rng(data_seed), made[fold]
    return rng.permutation(train)[:n_train], rng.permutation(test)[:n_test]


def _group_k_fold(rows: Rows, n_splits: int, data_seed: int) -> tuple[Index, Index]:
    return group_fold(_by(rows), n_splits, data_seed)


def _stratified_group_k_fold(rows: Rows, n_splits: int, data_seed: int) -> tuple[Index, Index]:
    return group_fold(_by(rows), n_splits, data_seed, rows.y)


def _time_series(rows: Rows, n_splits: int, data_seed: int) -> tuple[Index, Index]:
    """Windows of equal length, each tested on the rows that follow; there are n_splits of them, in turn."""
    from sklearn.model_selection import TimeSeriesSplit

    order = np.argsort(_by(rows), kind="stable")
    length = len(order) // (n_splits + 1)
    made = TimeSeriesSplit(n_splits, max_train_size=length, test_size=length).split(order)
    train, test = list(made)[data_seed % n_splits]
    return order[train], order[test]


def _by(rows: Rows) -> NDArray[np.int64]:
    if rows.by is None:
        raise ValueError("rows of a split by group or time must name the groups or times; received none")
    return rows.by


SPLITS: dict[str, Callable[[Rows, float, int], tuple[Index, Index]]] = {
    "stratified": _stratified,
    "random": _random,
    "group": _group,
    "time": _time,
    "given": _marked_rows,
}
FOLDS: dict[str, Callable[[Rows, int, int], tuple[Index, Index]]] = {
    "k_fold": _k_fold,
    "stratified_k_fold": _stratified_k_fold,
    "group_k_fold": _group_k_fold,
    "stratified_group_k_fold": _stratified_group_k_fold,
    "time_series": _time_series,
}
"""Splits; each data seed takes the next one."""
N_SPLITS = 5
BY_GROUP = ("group", "group_k_fold", "stratified_group_k_fold")
BY_TIME = ("time", "time_series")
"""Splits that go by a column, or an array, of groups or of times."""
GIVEN_BY = {"groups": BY_GROUP, "time": BY_TIME}
"""Arrays of a file and the splits that go by them."""


def split_faults(rows: Rows, dataset: Dataset) -> list[str]:
    """What keeps the rows from being split as the dataset says, whatever the data seed."""
    if rows.y.ndim > 1 and (found := list(_several_faults(rows, dataset))):
        return found
    n, fraction = len(rows.y), float(dataset.test_fraction or 0)
    n_test = ceil(fraction * n)
    n_train = n - n_test
    if dataset.split_kind == "group":
        n_test, n_train = group_sizes(rows, fraction)
    elif dataset.split_kind in FOLDS or dataset.split_kind == "given":
        k = dataset.n_splits or N_SPLITS
        if (found := _fold_faults(rows, dataset, k)) or (dataset.split_kind in FOLDS and n < 2 * k + 2):
            return found or [f"n_splits must leave 2 rows in each fold; received {k} for {n} rows. Lower it."]
        train, test = split(rows, dataset.model_copy(update={"n_train": None}), dataset.data_seed)
        n_train, n_test = len(train), len(test)
    is_stratified = split_kind(rows.y, dataset) == "stratified"
    least = len(rows.labels) if is_stratified else 2
    if dataset.split_kind == "given" and min(n_train, n_test) < 2:
        return [
            f"split must leave at least 2 rows to train and 2 to test; received {n_train} and {n_test}. Bring more."
        ]
    if n_train < least or n_test < least:
        must = f"test_fraction must leave at least {least} rows to train and {least} to test"
        received = f"{fraction:g}, which leaves {max(n_train, 0)} and {n_test} of {n} rows{_why(dataset)}"
        return [f"{must}; received {received}. Change it, or bring more rows."]
    if dataset.n_train is not None and dataset.n_train > n_train:
        why = f"the rows that test_fraction {fraction:g} leaves to train of {n}{_why(dataset)}"
        return [f"n_train must be at most {n_train}, {why}; received {dataset.n_train}. Lower it, or drop it."]
    return _rare_classes(rows) if is_stratified else []


def _several_faults(rows: Rows, dataset: Dataset) -> Iterator[str]:
    """What cannot be done with several targets."""
    score, n = dataset.scored_by, rows.y.shape[1]
    if str(dataset.split).startswith("stratified"):
        other = {"stratified": "random"}.get(dataset.split, str(dataset.split).removeprefix("stratified_"))
        received = f"received {dataset.split} for {n}"
        yield f"split must not be by class where there are several targets; {received}. Set split: {other}."
    if not score.takes_several:
        known = " or ".join(other.name for other in scores_of(score.task) if other.takes_several)
        yield f"score must have a meaning for several targets; received {score.name} for {n}. Take {known}."


def _fold_faults(rows: Rows, dataset: Dataset, k: int) -> list[str]:
    """Groups, or rows of a class, that are too few for that many folds."""
    if dataset.split_kind in BY_GROUP:
        return fold_faults(_by(rows), k)
    if dataset.split_kind != "stratified_k_fold":
        return []
    counts = np.bincount(rows.y.astype(int), minlength=len(rows.labels))
    rare = [label for label, count in zip(rows.labels, counts, strict=True) if count < k]
    must = f"target must have at least {k} rows of each class to be split in {k} folds by class"
    return [f"{must}; received fewer of {_list(rare)}. Lower n_splits, or use split: k_fold."] if rare else []


def _why(dataset: Dataset) -> str:
    return " where whole groups are kept together" if dataset.split_kind in BY_GROUP else ""


def _rare_classes(rows: Rows) -> list[str]:
    counts = np.bincount(rows.y.astype(int), minlength=len(rows.labels))
    rare = [label for label, count in zip(rows.labels, counts, strict=True) if count < 2]
    if not rare:
        return []
    must = "must have at least 2 rows of each class to be split by class"
    fix = "Merge or remove them (of a table by set_aside: [rare_classes]), or use split: random."
    return [f"target {must}; received one of {_list(rare)}. {fix}"]


def seed_faults(rows: Rows, dataset: Dataset, data_seeds: Sequence[int]) -> list[str]:
    """What keeps the rows of some data seed from being learnt or scored, once they are split; one of them is named."""
    for data_seed in data_seeds[:1] if dataset.is_split_once else data_seeds:
        train, test = split(rows, dataset, data_seed)
        found = target_faults(rows.y[train], rows.y[test], rows.labels, dataset.scored_by)
        if found:
            return [f"split must leave {text} (data seed {data_seed})" for text in found]
    return []


def target_faults(y_train: Array, y_test: Array, labels: tuple[str, ...], score: Score) -> list[str]:
    """What the targets of a split lack, as the end of a sentence that begins with `must leave`."""
    fix = "Bring more rows, or change test_fraction, n_train or split."
    if y_train.ndim > 1:
        columns = range(y_train.shape[1] if not labels or score.weighs_classes_alike else 0)
        found = [target_faults(y_train[:, k], y_test[:, k], labels, score) for k in columns]
        return [f"{text} Target number {k + 1} lacks it." for k, texts in enumerate(found) for text in texts[:1]][:1]
    if not labels:
        sides = [("train", y_train), ("test", y_test)]
        return [
            f"targets that differ to {side}; received {len(y)} rows of {y[0]:g}. {fix}"
            for side, y in sides
            if np.ptp(y) == 0
        ]
    if len(np.unique(y_train)) < 2:
        return [f"at least two classes to train; received {labels[int(y_train[0])]!r} only. {fix}"]
    absent = [label for i, label in enumerate(labels) if not (y_test == i).any()]
    if absent and score.weighs_classes_alike:
        return [f"each class to test, as the score {score.name} asks; received none of {_list(absent)}. {fix}"]
    return []


def _list(names: list[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
