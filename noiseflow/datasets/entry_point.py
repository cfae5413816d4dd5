"""Rows from a function of an installed package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseflow.base.entry_points import find_entry_point
from noiseflow.base.faults import InvalidInputError, one_line
from noiseflow.base.values import setting
from noiseflow.datasets.arrays import features_faults
from noiseflow.datasets.data import Data, grid_of
from noiseflow.datasets.kind import ENTRY_POINT, TASK, DatasetKind
from noiseflow.datasets.rows import target_faults

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class EntryPointRows(DatasetKind):
    """Rows of a function of an installed package."""

    name = "entry_point"
    sentence = "a function of an installed package"
    settings = {"entry_point": ..., "task": ..., "settings": {}, "finite": False}
    fields = {
        **ENTRY_POINT,
        **TASK,
        "finite": setting(
            bool, "Whether another data seed splits the same rows again, rather than bring fresh ones", False
        ),
    }

    def is_finite(self, dataset: Dataset) -> bool:
        return bool(dataset.finite)

    def data(self, dataset: Dataset, data_seed: int) -> Data:
        return entry_point_data(dataset, data_seed)

    def faults(self, dataset: Dataset, data_seeds: Sequence[int]) -> list[str]:
        """Rows of one class only, or of another shape for another data seed."""
        shapes: dict[tuple[object, ...], int] = {}
        for data_seed in data_seeds:
            data = entry_point_data(dataset, data_seed)
            shapes.setdefault((data.X_train.shape, data.X_test.shape, data.n_classes), data_seed)
            labels = tuple(str(i) for i in range(data.n_classes))
            found = target_faults(data.y_train, data.y_test, labels, dataset.scored_by)
            if found:
                return [f"entry_point must leave {text} (data seed {data_seed})" for text in found]
        if len(shapes) < 2:
            return []
        (one, seed), (other, another) = list(shapes.items())[:2]
        received = f"{one} for {seed} and {other} for {another}"
        must = "entry_point must return rows of the same number, shape and classes whatever the data seed"
        return [f"{must}; received {received}. Fix the function."]


def entry_point_data(dataset: Dataset, data_seed: int) -> Data:
    """What the entry point returns for this data seed: `function(data_seed, **settings)`.

    It returns X_train, y_train, X_test, y_test, or a `Data`; classes as indices from 0.

    Raises:
        InvalidInputError: there is no such entry point, it fails, or what it returns does not fit.
    """
    found = _call(dataset, data_seed)
    faults = _shape_faults(found, dataset)
    if faults:
        raise InvalidInputError([_sentence(dataset, data_seed, fault) for fault in faults])
    return found if isinstance(found, Data) else _data(found, dataset)


def _call(dataset: Dataset, data_seed: int) -> Any:
    name = str(dataset.entry_point)
    try:
        found = find_entry_point(dataset.entry_points, name)
    except LookupError as error:
        raise InvalidInputError([f"entry_point {error}. Install its package, or correct the name."]) from None
    try:
        return found.load()(data_seed, **(dataset.settings or {}))
    except Exception as error:  # whatever a user's function raises is named
        fault = f"rows; received {type(error).__name__}: {one_line(error)}. Fix the function or its settings."
        raise InvalidInputError([_sentence(dataset, data_seed, fault)]) from error


def _sentence(dataset: Dataset, data_seed: int, fault: str) -> str:
    return f"entry_point {dataset.entry_point!r} must return {fault} (data seed {data_seed})"


def _data(found: Any, dataset: Dataset) -> Data:
    X_train, y_train, X_test, y_test = (np.asarray(part, dtype=np.float64) for part in found)
    n_classes = max(2, 1 + int(max(y_train.max(), y_test.max()))) if dataset.of_task == "classification" else 0
    return Data(X_train, y_train, X_test, y_test, n_classes, grid_of(n_classes, X_train, X_test))


def _shape_faults(found: Any, dataset: Dataset) -> list[str]:
    parts = [*vars(found).values()][:4] if isinstance(found, Data) else found
    if not isinstance(parts, tuple | list) or len(parts) != 4:
        return [f"X_train, y_train, X_test, y_test or a Data; received {type(found).__name__}. Fix the function."]
    try:
        X_train, y_train, X_test, y_test = map(np.asarray, parts)
    except ValueError as error:
        return [f"arrays; received rows of several lengths ({error}). Fix the function."]
    if X_train.ndim and X_test.ndim and X_train.shape[1:] != X_test.shape[1:]:
        return [f"rows of one shape; received {X_train.shape} to train and {X_test.shape} to test. Fix the function."]
    n_classes = found.n_classes if isinstance(found, Data) else None
    faults = [
        text for X, y in ((X_train, y_train), (X_test, y_test)) for text in _part_faults(X, y, dataset, n_classes)
    ]
    return list(dict.fromkeys(faults))


def _part_faults(X: np.ndarray, y: np.ndarray, dataset: Dataset, n_classes: int | None) -> list[str]:
    if y.ndim != 1 or y.dtype.kind not in "biuf" or not np.isfinite(y).all():
        return [f"a y of finite numbers with one axis; received {y.dtype} of shape {y.shape}. Fix the function."]
    is_class = dataset.of_task == "classification"
    if n_classes is not None and (n_classes >= 2) != is_class:
        return [f"n_classes that fits a {dataset.of_task}; received {n_classes}. Fix the function or the task."]
    if is_class and ((y % 1 != 0).any() or (y < 0).any() or (n_classes is not None and (y >= n_classes).any())):
        return [f"class indices from 0 in y; received {np.unique(y)[:5].tolist()} … Fix the function."]
    return features_faults(X, len(y))
