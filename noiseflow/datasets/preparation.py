"""Prepares a table after it was read: gives its columns the types that the study names, and sets rows aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets.columns import column_kind, label_of, texts
from noiseflow.datasets.files import N_ROWS, read_table, stamp
from noiseflow.datasets.guesses import tidied
from noiseflow.datasets.number_text import STYLES, as_numbers, parse
from noiseflow.datasets.text_files import Reading

if TYPE_CHECKING:
    from noiseflow.study import Dataset

TESTING = "the rows that test"
"""Name of the column that marks the rows of `test_path`; no file has it."""
_TEST_WORDS = ("test", "testing", "val", "valid", "validation", "holdout", "hold-out", "eval", "evaluation")
_TEST_MARKS = (*_TEST_WORDS, "1", "1.0", "true", "yes")


@dataclass(frozen=True)
class Prepared:
    """A table of a study.

    Attributes:
        frame: numbers in float64 and texts, as their columns are declared.
        n_read: rows of the file.
        aside: how many rows were set aside, by the reason.
        is_test: of each row, None unless the test rows are given.
    """

    frame: pd.DataFrame
    n_read: int
    aside: dict[str, int] = field(default_factory=dict)
    is_test: np.ndarray | None = None


def prepare_table(dataset: Dataset) -> Prepared:
    """The table of a dataset; not to be changed, as it is kept for the next caller.

    Raises:
        InvalidInputError: a file cannot be read, or lacks a column that is named.
    """
    return _prepare(*as_read(dataset))


def as_read(dataset: Dataset) -> tuple[Dataset, tuple[tuple[int, int], ...]]:
    """The dataset less what says nothing of how its files are read, and when these were changed: a key for what is kept."""
    others = dict.fromkeys(("label", "score", "n_train", "test_fraction", "standardize", "n_splits", "epochs"))
    if not dataset.sample:
        others["data_seed"] = None
    tested = [stamp(dataset.test_path)] if dataset.test_path else []
    return dataset.model_copy(update=others), (stamp(str(dataset.path), is_sampled=bool(dataset.sample)), *tested)


@lru_cache(maxsize=4)
def _prepare(dataset: Dataset, _stamps: tuple[tuple[int, int], ...]) -> Prepared:
    reading = Reading.of(dataset)
    frame = read_table(str(dataset.path), reading)
    n_left = int(frame.attrs.get(N_ROWS, len(frame))) - len(frame)
    if dataset.test_path is not None:
        frame = _train_and_test(frame, _test_rows(dataset, reading), dataset)
    if faults := list(_name_faults(frame, dataset)):
        raise InvalidInputError(faults)
    frame = _declared(frame, dataset, reading)
    n_read = len(frame)
    frame, aside = _set_aside(frame, dataset)
    aside = {"not in the sample": n_left, **aside} if n_left else aside
    is_test = frame.pop(TESTING).to_numpy() if TESTING in frame else None
    if dataset.split == "given" and dataset.split_by is not None:
        is_test = _is_test(frame[dataset.split_by])
    return Prepared(frame, n_read, aside, is_test)


def _test_rows(dataset: Dataset, reading: Reading) -> pd.DataFrame:
    try:
        return read_table(str(dataset.test_path), replace(reading, sample=None, drawn_by=0))
    except InvalidInputError as error:
        raise InvalidInputError([text.replace("path must", "test_path must", 1) for text in error.faults]) from None


def _train_and_test(train: pd.DataFrame, test: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    lacking = [str(name) for name in train.columns if name not in test.columns and name not in (dataset.drop or ())]
    if lacking:
        received = f"{dataset.test_path!r}, which lacks {', '.join(map(repr, lacking[:10]))}"
        raise InvalidInputError([f"test_path must be a table with the columns of path; received {received}. Add them."])
    parts = train.assign(**{TESTING: False}), test.reindex(columns=train.columns).assign(**{TESTING: True})
    return pd.concat(parts, ignore_index=True)


def _name_faults(frame: pd.DataFrame, dataset: Dataset) -> Iterator[str]:
    names = [str(name) for name in frame.columns if name != TESTING]
    for key in ("target", "split_by", "drop", "categorical", "numeric", "ordinal"):
        given = getattr(dataset, key)
        for name in [given] if isinstance(given, str) else given or ():
            if name not in names:
                shown = ", ".join(one[:80] for one in names[:20]) + (f" and {len(names) - 20} more" * (len(names) > 20))
                yield f"{key} must be a column of the table; received {name!r}, the columns are {shown}. Correct the name."


def _declared(frame: pd.DataFrame, dataset: Dataset, reading: Reading) -> pd.DataFrame:
    """The frame with its columns as they are declared; those that nothing is said of stay as they were read."""
    made: dict[str, Any] = {}
    untouched = {TESTING, *(dataset.drop or ())}
    lacking = list(as_numbers(pd.Series(reading.na_values or (), dtype=object), STYLES[0]).dropna())
    lacking += [np.inf, -np.inf] if "inf" in (reading.na_values or ()) else []
    for name in frame.columns:
        column = frame[name]
        if name in untouched or column_kind(column) in ("empty", "other"):
            continue
        is_text = pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)
        if is_text and dataset.tidy:
            column = made[name] = tidy(column)
        if is_text and reading.na_values:
            column = made[name] = column.mask(texts(column).str.strip().isin(reading.na_values))
        elif lacking and (found := column.isin(lacking)).any():
            column = made[name] = column.mask(found)
        if name in (dataset.numeric or ()):
            made[name] = _numeric(column, reading) if is_text else column
        elif name in (dataset.ordinal or {}):
            made[name] = _ordered(column, (dataset.ordinal or {})[name])
        elif name in (dataset.categorical or ()):
            made[name] = column if is_text else column.astype(object).map(label_of, na_action="ignore")
        elif is_text and (reading.style or reading.na_values):
            made[name] = _read_as_numbers(column, reading)
    return frame.assign(**made) if made else frame


def _numeric(column: pd.Series[Any], reading: Reading) -> pd.Series[Any]:
    found = as_numbers(column, reading.style)
    parsed = parse(list(texts(column).dropna().unique()), reading.style)
    if parsed.odd:
        received = f"{str(column.name)!r} with {', '.join(map(repr, parsed.odd[:3]))}"
        must = "numeric must name columns of numbers, in one unit"
        raise InvalidInputError([f"{must}; received {received}. Name what means a missing value in na_values."])
    return found


def _read_as_numbers(column: pd.Series[Any], reading: Reading) -> pd.Series[Any]:
    """A column in which every text is a number, plainly or by the study's style; any other as it is."""
    unique = list(texts(column).dropna().unique())
    for style in (reading.style, STYLES[0]):
        parsed = parse(unique, style) if style and unique else None
        if parsed and not parsed.others and not parsed.unit:
            return as_numbers(column, style)
    return column


def _ordered(column: pd.Series[Any], levels: tuple[str, ...]) -> pd.Series[Any]:
    found = texts(column).str.strip().map({level: float(i) for i, level in enumerate(levels)})
    unknown = texts(column)[found.isna() & column.notna()].unique()
    if len(unknown):
        received = f"{str(column.name)!r} with {', '.join(map(repr, unknown[:3]))}"
        raise InvalidInputError([f"ordinal must list every value, the least first; received {received} too. Add them."])
    return found


def tidy(column: pd.Series[Any]) -> pd.Series[Any]:
    """Texts without blanks at their ends; of those that are nearly equal all become the commonest."""
    counts = Counter(texts(column.dropna()).str.strip())
    commonest: dict[str, str] = {}
    for text, _ in counts.most_common():
        commonest.setdefault(tidied(text), text)
    return texts(column).map(lambda text: commonest[tidied(text)], na_action="ignore")


def _set_aside(frame: pd.DataFrame, dataset: Dataset) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that are kept, and how many are not, by the reason."""
    aside, targets = {}, list(dataset.targets)
    for reason in ("duplicates", "missing_target", "rare_classes"):
        if reason not in (dataset.set_aside or ()):
            continue
        if reason == "duplicates":
            without = frame.drop(columns=TESTING, errors="ignore").duplicated()  # of test rows those that train stay
        elif reason == "missing_target":
            without = frame[targets].isna().any(axis=1)
        else:
            without = frame[targets].apply(lambda column: column.map(column.value_counts()) == 1).any(axis=1)
        aside[reason] = int(without.sum())
        frame = frame[~without].reset_index(drop=True)
    if frame.empty:
        raise InvalidInputError(["set_aside must leave rows; received a table without any then. Drop a reason."])
    return frame, aside


def _is_test(column: pd.Series[Any]) -> np.ndarray:
    """Which rows test, by the words of a column such as train and test."""
    words = texts(column).str.strip().str.lower()
    tests = words.isin(_TEST_MARKS)
    if column.isna().any() or words.nunique() != 2 or tests.all() or not tests.any():
        shown = ", ".join(map(repr, words.dropna().unique()[:5]))
        must = "split_by must hold two values where split is given, such as train and test, or 0 and 1"
        raise InvalidInputError([f"{must}; received {str(column.name)!r} with {shown}. Write one of them as test."])
    return tests.to_numpy()
