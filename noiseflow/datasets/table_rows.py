"""From the columns of a table to rows of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets.columns import column_kind, label_of, numbers, texts, times
from noiseflow.datasets.data import Array, Data, grid_of, standardize_target
from noiseflow.datasets.file_limits import MAX_COLUMNS
from noiseflow.datasets.preparation import as_read, prepare_table
from noiseflow.datasets.rows import Index, Rows, split
from noiseflow.datasets.table_checks import features_of, table_faults

if TYPE_CHECKING:
    from noiseflow.study import Dataset


@dataclass(frozen=True)
class Table:
    """A table's rows, its features by type.

    Attributes:
        rows: X holds the columns of numbers, with NaN where one is missing.
        categories: all that each of the text columns holds.
        codes: of each of those the place of each row's category, -1 where it is missing.
    """

    rows: Rows
    numeric: list[str]
    categories: dict[str, list[str]]
    codes: list[NDArray[np.int64]]


def table_data(dataset: Dataset, data_seed: int) -> Data:
    """One split of the table, encoded and standardised by what the training rows say.

    Raises:
        InvalidInputError: the file or its content is faulty.
    """
    table = read(dataset)
    train, test = split(table.rows, dataset, data_seed)
    X_train, X_test = encode(table, train, test, standardize=bool(dataset.standardize))
    targets: list[Array] = [table.rows.y[train], table.rows.y[test]]
    scale: float | Array = 1.0
    n_classes = len(table.rows.labels)
    if dataset.standardize and not n_classes:
        targets, scale = standardize_target(*targets)
    grid = grid_of(n_classes, X_train, X_test) if targets[0].ndim == 1 else None
    return Data(X_train, targets[0], X_test, targets[1], n_classes, grid, target_scale=scale)


def encode(table: Table, train: Index, test: Index, *, standardize: bool) -> tuple[Array, Array]:
    """Features of the training and the test rows: numbers in mean 0 and stddev 1, then a column of 0 and 1 for each category.

    Missing numbers become the training rows' median, missing categories their commonest. Each category of the whole table
    has a column, so that all data seeds have equally many and train together. A category that the training rows lack is
    0 throughout, in the test rows too, as if it were unknown: the test rows decide nothing but how many columns there are.
    """
    first, widths = len(table.numeric), [len(found) for found in table.categories.values()]
    X_train, X_test = (np.zeros((len(rows), first + sum(widths))) for rows in (train, test))
    if first:
        X_train[:, :first], X_test[:, :first] = _numbers(table.rows.X, train, test, standardize=standardize)
    for codes, width in zip(table.codes, widths, strict=True):
        counts = np.bincount(codes[train] + 1, minlength=width + 1)[1:]
        at = first + np.where(codes < 0, counts.argmax(), codes)
        for X, rows in ((X_train, train), (X_test, test)):
            X[np.arange(len(rows)), at[rows]] = counts[at[rows] - first] > 0
        first += width
    return X_train, X_test


def _numbers(X: Array, train: Index, test: Index, *, standardize: bool) -> tuple[Array, Array]:
    # column by column in memory, as the sums of the standardisation go
    parts = [np.take(X.T, rows, axis=1).T for rows in (train, test)]
    if len(holes := np.flatnonzero(np.isnan(X).any(axis=0))):
        imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(parts[0][:, holes])
        for part in parts:
            part[:, holes] = imputer.transform(part[:, holes])
    if standardize:
        scaler = StandardScaler(copy=False).fit(parts[0])
        parts = [scaler.transform(part) for part in parts]
    return parts[0], parts[1]


def read(dataset: Dataset) -> Table:
    """The table of a dataset; not to be changed, as it is kept for the next caller.

    Raises:
        InvalidInputError: the file or its content is faulty.
    """
    return _read_table(*as_read(dataset))


@lru_cache(maxsize=4)
def _read_table(dataset: Dataset, _stamps: tuple[tuple[int, int], ...]) -> Table:
    prepared = prepare_table(dataset)
    frame = prepared.frame
    faults = table_faults(frame, dataset)
    if faults:
        raise InvalidInputError(faults)
    features = features_of(frame, dataset)
    kinds = {name: column_kind(features[name]) for name in features.columns}
    numeric = [name for name, kind in kinds.items() if kind == "number"]
    X = np.stack([numbers(features[name]) for name in numeric]).T if numeric else np.empty((len(features), 0))
    factors = {name: pd.factorize(texts(features[name]), sort=True) for name in kinds if name not in numeric}
    categories = {name: list(found) for name, (_, found) in factors.items()}
    width = len(numeric) + sum(map(len, categories.values()))
    if width > MAX_COLUMNS:
        must = f"path must be a table of at most {MAX_COLUMNS:,} features, each category being one"
        raise InvalidInputError([f"{must}; received {width:,}. Remove columns, or group rare categories."])
    y, labels = _targets(frame, dataset)
    by = _by(frame, dataset) if prepared.is_test is None else prepared.is_test.astype(np.int64)
    return Table(Rows(X, y, labels, by), numeric, categories, [codes for codes, _ in factors.values()])


def _targets(frame: pd.DataFrame, dataset: Dataset) -> tuple[Array, tuple[str, ...]]:
    """The targets and their labels, as `_target` gives them; of several, (n_rows, n_targets) and the labels that all share."""
    made = [_target(frame[name], dataset) for name in dataset.targets]
    if len(made) == 1:
        return made[0]
    alike = {labels for _, labels in made}
    return np.stack([y for y, _ in made], axis=1), alike.pop() if len(alike) == 1 else ("0", "1")


def _target(column: pd.Series[Any], dataset: Dataset) -> tuple[Array, tuple[str, ...]]:
    """Class indices and their labels, or the values of a regression and no labels."""
    if dataset.of_task == "regression":
        return numbers(column), ()
    classes = _classes(column)
    index = {value: i for i, value in enumerate(classes)}
    return column.astype(object).map(index).to_numpy(dtype=np.float64), tuple(label_of(value) for value in classes)


def _classes(column: pd.Series[Any]) -> list[Any]:
    values = list(column.dropna().astype(object).unique())
    try:
        return sorted(values)
    except TypeError:  # of several types
        return sorted(values, key=str)


def _by(frame: pd.DataFrame, dataset: Dataset) -> Any:
    if dataset.split_by is None:
        return None
    column = frame[dataset.split_by]
    values = times(column) if str(dataset.split).startswith("time") else texts(column)
    return np.unique(np.asarray(values), return_inverse=True)[1]
