"""Arrays of one's own: images, sequences or features in an .npz file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets.finite import FILE_FIELDS, FROM_FILE, Finite
from noiseflow.datasets.rows import MAX_NUMBER, Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Arrays(Finite):
    """X and y in an .npz file, classes of any type as indices in sorted order."""

    name = "arrays"
    sentence = "an .npz file with X and y"
    settings = FROM_FILE
    fields = {**Finite.fields, **FILE_FIELDS}
    is_users_file = True

    def rows(self, dataset: Dataset) -> Rows:
        from noiseflow.datasets.files import read_arrays

        X, y = read_arrays(str(dataset.path))
        faults = [*features_faults(X, len(y) if y.ndim else 0), *_target_faults(y, dataset)]
        if faults:
            raise InvalidInputError([f"path must hold {fault}" for fault in faults])
        X = X.astype(np.float64)
        if dataset.of_task == "regression":
            return Rows(X, y.astype(np.float64))
        classes, index = np.unique(y, return_inverse=True)
        return Rows(X, index.astype(np.float64), tuple(map(str, classes.tolist())))


def features_faults(X: np.ndarray, n_rows: int) -> list[str]:
    """What is wrong with an X of any origin, for that many rows."""
    if X.dtype.kind not in "biuf":
        return [f"an X of numbers; received {X.dtype}. Encode it."]
    if X.ndim not in (2, 3, 4) or 0 in X.shape:
        shapes = "(rows, features), (rows, steps, features) or (rows, height, width, channels)"
        return [f"an X of the shape {shapes}; received {X.shape}. Reshape it; grey images have one channel."]
    if len(X) != n_rows:
        return [f"as many rows in X as in y; received {len(X)} and {n_rows}. Mend the shorter."]
    n_wrong = int((~(np.abs(X.astype(np.float64)) <= MAX_NUMBER)).sum())
    if n_wrong:
        return [f"an X of finite numbers, at most {MAX_NUMBER:g}; received {n_wrong} others. Mend or remove them."]
    return []


def _target_faults(y: np.ndarray, dataset: Dataset) -> list[str]:
    if y.ndim != 1:
        return [f"a y with one axis; received shape {y.shape}. One column of it, or y.argmax(1) of a one-hot code."]
    if y.dtype.kind not in ("biuf" if dataset.of_task == "regression" else "biufU"):
        return [f"a y of numbers{' or text' * (dataset.of_task != 'regression')}; received {y.dtype}. Convert it."]
    if y.dtype.kind == "f" and not (np.abs(y) <= MAX_NUMBER).all():
        return [f"a y of finite numbers; received {int((~(np.abs(y) <= MAX_NUMBER)).sum())} others. Remove those rows."]
    n = len(np.unique(y))
    if n < 2:
        return [f"a y that differs between rows; received {n} value only. Bring other rows."]
    if dataset.of_task == "classification" and y.dtype.kind == "f" and (y % 1 != 0).any() and n > 20:
        return [f"classes in y; received numbers with decimals of {n} values. Set task: regression."]
    return []
