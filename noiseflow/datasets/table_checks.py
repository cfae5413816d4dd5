"""What is wrong with a table's target, its features and the column that it is split by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from noiseflow.base.faults import some_named
from noiseflow.datasets.columns import column_kind, feature_faults, label_of, numbers, texts, times
from noiseflow.datasets.number_text import parse
from noiseflow.datasets.rows import BY_GROUP, MAX_NUMBER

if TYPE_CHECKING:
    from noiseflow.study import Dataset

MAX_CLASSES = 1_000
_MANY = 20  # distinct values of a target with decimals, from which on it is no class


def features_of(frame: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The columns to learn from: all but the target, what the rows are split by, and what is dropped."""
    named = (*dataset.targets, dataset.split_by, *(dataset.drop or ()))
    return frame.drop(columns=[name for name in named if name is not None])


def table_faults(frame: pd.DataFrame, dataset: Dataset) -> list[str]:
    """Every fault of a table's columns."""
    features = features_of(frame, dataset)
    if features.shape[1] == 0:
        names = ", ".join(str(name)[:80] for name in frame.columns[:20])
        return [f"path must be a table with a feature; received {names} only. Add columns to learn from."]
    if len(dataset.targets) > 1 and (mixed := mixed_faults(frame[list(dataset.targets)])):
        return mixed
    faults = [fault for name in dataset.targets for fault in _target_faults(frame[name], dataset)]
    faults += _by_faults(frame, dataset)
    return [*faults, *feature_faults(features, dataset.categorical or (), imputes=dataset.missing == "impute")]


def mixed_faults(targets: pd.DataFrame) -> list[str]:
    """That several targets are not of one kind: numbers, or labels of two values."""
    texts_ = [str(name) for name in targets if column_kind(targets[name]) == "category"]
    values = [str(name) for name in targets if column_kind(targets[name]) == "number" and targets[name].nunique() > 2]
    many = [name for name in texts_ if targets[name].nunique() > 2]
    if not many and not (texts_ and values):
        return []
    received = (
        f"{some_named(many)} of more classes"
        if many
        else f"{some_named(texts_)} of text and {some_named(values)} of numbers"
    )
    fix = "One network learns one kind: name targets of one kind, and write a study for each."
    return [f"target must be all numbers, or all labels of two values; received {received}. {fix}"]


def _target_faults(column: pd.Series[Any], dataset: Dataset) -> list[str]:
    name, n = repr(column.name), int(column.isna().sum())
    if n:
        fix = "Remove those rows, or set set_aside: [missing_target]."
        return [f"target must have a value in each row; received {name} with {n} missing. {fix}"]
    kind = column_kind(column)
    if kind in ("date", "other"):
        return [f"target must be numbers or classes; received {name} of {column.dtype}. Convert it."]
    if len(column.astype(object).unique()) == 1:
        only = label_of(column.iloc[0])
        return [f"target must differ between rows; received {name}, which is {only!r} throughout. Choose another."]
    return _number_faults(column, kind, dataset) or (
        _class_faults(column, is_label=len(dataset.targets) > 1) if dataset.of_task == "classification" else []
    )


def _number_faults(column: pd.Series[Any], kind: str, dataset: Dataset) -> list[str]:
    name = repr(column.name)
    if kind != "number":
        wrong = dataset.of_task == "regression"
        unique = list(texts(column.dropna()).str.strip().unique())
        is_price = not parse(unique).odd
        fix = (
            f"Name it under numeric, as it looks like numbers written as text ({unique[0]!r})."
            if is_price
            else "Set task: classification."
        )
        text = f"target of a regression must be numbers; received {name} of text. {fix}"
        return [text] if wrong else []
    n_large = int((np.abs(numbers(column)) > MAX_NUMBER).sum())
    must = f"target must be finite, at most {MAX_NUMBER:g}"
    return [f"{must}; received {name} with {n_large} others. Fix them."] if n_large else []


def _class_faults(column: pd.Series[Any], *, is_label: bool) -> list[str]:
    name, n = repr(column.name), column.astype(object).nunique()
    if is_label and n != 2:
        must = "target must have two values in each of several columns of classes"
        return [f"{must}; received {name} with {n:,}. Name one target, or set task: regression."]
    has_decimals = column_kind(column) == "number" and bool((np.trunc(values := numbers(column)) != values).any())
    if has_decimals and n > _MANY:
        received = f"{name}, numbers with decimals of {n} values"
        return [f"target of a classification must be classes; received {received}. Set task: regression."]
    if n > MAX_CLASSES:
        return [f"target must have at most {MAX_CLASSES:,} classes; received {name} with {n:,}. Choose another."]
    return []


def _by_faults(frame: pd.DataFrame, dataset: Dataset) -> list[str]:
    if dataset.split_by is None:
        return []
    column, name = frame[dataset.split_by], repr(dataset.split_by)
    n = int(column.isna().sum())
    if n:
        return [f"split_by must have a value in each row; received {name} with {n} missing. Remove those rows."]
    if dataset.split in (*BY_GROUP, "given"):
        return []
    wrong = column[np.asarray(pd.isna(times(column)))]
    if wrong.empty:
        return []
    fix = "Write dates as 2026-01-31, or times as numbers."
    return [f"split_by must be times; received {name} with {len(wrong)} others such as {wrong.iloc[0]!r}. {fix}"]
