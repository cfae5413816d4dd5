"""The user's own arrays: images, sequences or features in an .npz file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from noiseflow.base.faults import InvalidInputError, some_named
from noiseflow.base.values import setting
from noiseflow.datasets.finite import FILE_FIELDS, FROM_FILE, Finite
from noiseflow.datasets.rows import GIVEN_BY, MAX_NUMBER, MOST_TARGETS, Rows

if TYPE_CHECKING:
    from noiseflow.datasets.archives import Archive
    from noiseflow.study import Dataset


class Arrays(Finite):
    """X and y in an .npz file, classes of any type as indices in sorted order."""

    name = "arrays"
    sentence = "an .npz file with X and y, or with x_train, y_train, x_test and y_test"
    settings = {**FROM_FILE, "channels": None, "scale": None, "padding": None, "missing": None}
    fields = {
        **Finite.fields,
        **FILE_FIELDS,
        "channels": setting(
            Literal["first", "last", "none"],
            "Where an image or a sequence has its channels: before its height or steps, after them, or nowhere",
            "first",
        ),
        "scale": setting(
            float,
            "What X is divided by before all else, such as 255 for pixels from 0 to 255",
            255,
            gt=0,
            le=MAX_NUMBER,
        ),
        "padding": setting(
            Literal["masked", "marked"],
            "Sequences of several lengths. masked: an lstm skips the steps that are not there. marked: they are zeros to it. "
            "Either way a further feature is 1 where a step is there",
            "masked",
        ),
    }
    is_users_file = True
    splits_by_itself = True

    def rows(self, dataset: Dataset) -> Rows:
        """X with its channels last, y, and what the rows are split by: the arrays `groups`, `time`, or the given test."""
        from noiseflow.datasets.archives import read_archive

        archive = read_archive(str(dataset.path))
        X, y = _channels_last(archive.X, dataset.channels), archive.y
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        y = y.argmax(axis=1) if dataset.of_task == "classification" and is_one_hot(y) else y
        known = np.nan_to_num(X, copy=True, posinf=np.inf, neginf=-np.inf) if dataset.missing == "impute" else X
        faults = [*features_faults(known, len(y) if y.ndim else 0), *_target_faults(y, dataset)]
        if (n_missing := missing_in(X)) and dataset.missing != "impute" and faults:
            received = f"received {n_missing:,} of {X.size:,} numbers that are NaN"
            fix = "Set missing: impute (it takes the training rows' median), or remove those rows."
            faults[0] = f"an X without missing values; {received}. {fix}"
        faults = faults or [*_channel_faults(archive.X, dataset.channels), *_by_faults(archive, dataset)]
        if dataset.is_masked and not archive.is_padded:
            faults.append(
                f"sequences of several lengths to have padding; received an X of {archive.X.shape}. Drop padding."
            )
        if faults:
            raise InvalidInputError([f"path must hold {fault}" for fault in faults])
        X, by = _scaled(X.astype(np.float64), dataset.scale, is_padded=archive.is_padded), _by(archive, dataset)
        if dataset.of_task == "regression":
            return Rows(X, y.astype(np.float64), by=by)
        classes, index = np.unique(y, return_inverse=True)
        return Rows(X, index.reshape(y.shape).astype(np.float64), tuple(map(str, classes.tolist())), by)

    def entries(self, dataset: Dataset) -> tuple[tuple[str, bool], ...] | None:
        """The features of masked sequences, and the one that marks the real steps, which takes no noise."""
        if not dataset.is_masked:
            return None
        from noiseflow.datasets.archives import read_archive

        n_features = read_archive(str(dataset.path)).X.shape[-1] - 1
        return (*((f"feature_{i}", True) for i in range(1, n_features + 1)), ("is_there", False))

    def cautions(self, dataset: Dataset) -> list[str]:
        """Pixels that are not scaled, and rows that have groups but are not split by them."""
        from noiseflow.datasets.archives import read_archive

        archive, found = read_archive(str(dataset.path)), []
        found += filled_remarks(archive.X)
        if archive.X.dtype == np.uint8 and not dataset.standardize and dataset.scale is None:
            found.append(
                "X holds whole numbers from 0 to 255, which are hard to learn from: set standardize: true, or scale: 255."
            )
        if archive.is_padded:
            found.append(PADDED + ("." if dataset.is_masked else UNMASKED))
        unused = [n for n in GIVEN_BY if getattr(archive, n) is not None and dataset.split_kind not in GIVEN_BY[n]]
        found += layout_doubts(archive, dataset.channels)
        found += [f"The file holds {n}, by which rows are not split: split: {GIVEN_BY[n][0]} does so." for n in unused]
        return found


def missing_in(X: np.ndarray) -> int:
    """How many numbers of X are NaN."""
    return int(np.isnan(X).sum()) if X.dtype.kind == "f" else 0


def filled_remarks(X: np.ndarray) -> list[str]:
    """A sentence on the missing numbers of X, where there are such."""
    filled = "They take the training rows' median of their feature or channel."
    return [f"Missing numbers in X: {n:,} of {X.size:,}. {filled}"] if (n := missing_in(X)) else []


def is_one_hot(y: np.ndarray) -> bool:
    """Whether each row of y marks the one of several classes that it has."""
    is_marks = y.ndim == 2 and y.shape[1] > 1 and len(y) > 0 and y.dtype.kind in "biuf" and np.isin(y, (0, 1)).all()
    return bool(is_marks and (y.sum(axis=1) == 1).all())


def layout_doubts(archive: Archive, channels: str | None) -> list[str]:
    """Arrays that are not read, labels that are nearly equal, and an X that may have its axes in another order."""
    import pandas as pd

    from noiseflow.datasets.guesses import nearly_equal

    found, X = [], archive.X
    if archive.unread:
        where = "Groups of rows are read from an array that is called groups, times from time."
        found.append(f"The file also holds {some_named(archive.unread)}, which nothing reads. {where}")
    if is_one_hot(archive.y):
        found.append(f"y marks one of {archive.y.shape[1]} classes in each row: it is read as these classes.")
    if _may_be_codes(X, is_padded=archive.is_padded):
        found.append(
            "X holds large whole numbers. If they are codes, as of words, their order means nothing: encode them."
        )
    if archive.y.dtype.kind == "U" and (alike := nearly_equal(pd.Series(archive.y.ravel()))):
        found.append(f"Labels are nearly equal ({some_named(alike[0])}): make them one in the file.")
    is_wide = X.ndim == 3 and (X.shape[2] >= 4 * X.shape[1] > 4 or channels_of(X) == "first")
    if is_wide and channels is None and not archive.is_padded:
        steps, features = X.shape[1:]
        other = f"channels: first reads {features:,} steps of {steps:,} features"
        found.append(f"Not sure: rows are read as {steps:,} steps of {features:,} features; {other}.")
    if X.ndim == 3 and not archive.is_padded and X.shape[1] > 2:
        ends = (X != 0).any(axis=2)[:, ::-1].argmax(axis=1)
        if len(np.unique(ends)) > 2 and (ends > 0).mean() > 0.5:
            found.append("Most sequences end with zeros, of several lengths: save NaN there if no step is meant.")
    return found


PADDED = "Sequences of several lengths are padded at their begin; the last feature is 1 where a step is there"
UNMASKED = ", and the padding counts as data: padding: masked has an lstm skip it."

_LEAST_STEPS, _MOST_ROWS = 8, 200


def _may_be_codes(X: np.ndarray, *, is_padded: bool) -> bool:
    """Whether rows are whole numbers, many alike and some large, as the codes of a text's words are."""
    values = X[..., 0] if is_padded else X
    if values.ndim != 2 or values.shape[1] < _LEAST_STEPS or not (is_padded or values.dtype.kind in "iu"):
        return False
    is_code = values.min() >= 0 and (values % 1 == 0).all() and X.shape[-1] == 2 if is_padded else values.min() >= 0
    return bool(is_code and values.max() > (20 if is_padded else 255))


def channels_of(X: np.ndarray) -> str | None:
    """Where an X seems to have its channels, if not where Keras has them: `first`, or `none`."""
    if X.ndim == 4 and X.shape[3] > 4 and X.shape[2] > 4:
        return "first" if X.shape[1] <= 4 or (X.shape[2] == X.shape[3] != X.shape[1]) else None
    if X.ndim == 3 and (X.shape[1] == 1 < X.shape[2] or (X.shape[1] < X.shape[2] and _is_smooth(X))):
        return "first"
    is_image = X.ndim == 3 and X.dtype == np.uint8 and min(X.shape[1:]) >= 8
    return "none" if is_image or (X.ndim == 3 and X.shape[1] == X.shape[2] >= 8) else None


def _is_smooth(X: np.ndarray) -> bool:
    """Whether neighbours on the last axis are more alike than those on the one before, as the steps of channels are."""
    if X.shape[1] == X.shape[2] or X.shape[2] < _LEAST_STEPS or X.dtype.kind not in "iuf" or X.dtype == np.uint8:
        return False
    some = X[:_MOST_ROWS].astype(np.float64)
    some = some - some.mean(axis=(0, 2), keepdims=True)

    def alike(a: np.ndarray, b: np.ndarray) -> float:
        size = float(np.sqrt((a**2).sum() * (b**2).sum()))
        return float((a * b).sum()) / size if size > 0 else 0.0

    last = alike(some[..., 1:], some[..., :-1])
    return last > 0.6 and last - alike(some[:, 1:], some[:, :-1]) > 0.2


def _channels_last(X: np.ndarray, channels: str | None) -> np.ndarray:
    if channels == "first" and X.ndim > 2:
        return np.moveaxis(X, 1, -1)
    return X[..., None] if channels == "none" and X.ndim in (2, 3) else X


def _scaled(X: np.ndarray, scale: float | None, *, is_padded: bool) -> np.ndarray:
    """X divided by the scale, except for the feature that marks the real steps."""
    if scale is None:
        return X
    divisors = np.full(X.shape[-1], scale)
    divisors[X.shape[-1] - is_padded :] = 1.0
    return np.asarray(X / divisors)


def _channel_faults(X: np.ndarray, channels: str | None) -> list[str]:
    """A shape that has its channels first, as it seems, while nothing is said of them."""
    if channels is not None or (X.ndim == 3 and X.shape[1] > 1) or channels_of(X) != "first":
        return []
    one = "one step" if X.ndim == 3 else f"a height of {X.shape[1]}"
    text = f"an X with its channels last; received {X.shape}, which would be {one} with {X.shape[-1]} channels"
    return [f"{text}. Set channels: first, or channels: last if that is meant."]


def _by(archive: Archive, dataset: Dataset) -> np.ndarray | None:
    values = archive.is_test if dataset.split_kind == "given" else None
    for name, splits in GIVEN_BY.items():
        values = getattr(archive, name) if dataset.split_kind in splits else values
    return None if values is None else np.unique(values, return_inverse=True)[1]


def _by_faults(archive: Archive, dataset: Dataset) -> list[str]:
    """A split that the file has nothing for, or the other way round."""
    if archive.is_test is not None and dataset.split_kind != "given":
        return ["X and y, or a given test; received x_train and x_test. Set split: given, with design: replicate."]
    if dataset.split_kind == "given" and archive.is_test is None:
        return ["x_train, y_train, x_test and y_test to have split: given; received X and y. Drop split."]
    for name, splits in GIVEN_BY.items():
        values = getattr(archive, name)
        if dataset.split_kind in splits and (values is None or values.shape != archive.y.shape[:1]):
            received = "none" if values is None else f"one of shape {values.shape}"
            return [
                f"an array {name} with a value for each row to be split by {splits[0]}; received {received}. Add it."
            ]
    return []


def features_faults(X: np.ndarray, n_rows: int) -> list[str]:
    """What is wrong with an X of any origin, for that many rows."""
    if X.dtype.kind not in "biuf":
        return [f"an X of numbers; received {X.dtype}. Encode it."]
    if X.ndim not in (2, 3, 4) or 0 in X.shape:
        shapes = "(rows, features), (rows, steps, features) or (rows, height, width, channels)"
        return [f"an X of the shape {shapes}; received {X.shape}. Reshape it, or set channels: none for grey images."]
    if len(X) != n_rows:
        is_last = "Rows seem to be on the last axis: save np.moveaxis(X, -1, 0)." if X.shape[-1] == n_rows else ""
        return [f"as many rows in X as in y; received {len(X)} and {n_rows}. {is_last or 'Correct the shorter.'}"]
    n_wrong = int((~(np.abs(X.astype(np.float64)) <= MAX_NUMBER)).sum())
    if n_wrong:
        return [f"an X of finite numbers, at most {MAX_NUMBER:g}; received {n_wrong} others. Fix or remove them."]
    return []


def _target_faults(y: np.ndarray, dataset: Dataset) -> list[str]:
    if y.ndim == 2 and 1 < y.shape[1] <= MOST_TARGETS and len(y):
        return _faults_of_several(y, dataset)
    if y.ndim != 1:
        return [f"a y with one axis, or with up to {MOST_TARGETS} columns; received shape {y.shape}. Reshape it."]
    return _faults_of_one(y, dataset)


def _faults_of_one(y: np.ndarray, dataset: Dataset) -> list[str]:
    if y.dtype.kind not in ("biuf" if dataset.of_task == "regression" else "biufU"):
        return [f"a y of numbers{' or text' * (dataset.of_task != 'regression')}; received {y.dtype}. Convert it."]
    if y.dtype.kind == "f" and not (np.abs(y) <= MAX_NUMBER).all():
        return [f"a y of finite numbers; received {int((~(np.abs(y) <= MAX_NUMBER)).sum())} others. Remove those rows."]
    n = len(np.unique(y))
    if n < 2:
        return [f"a y that differs between rows; received {n} value only. Bring other rows."]
    if dataset.of_task == "classification" and y.dtype.kind == "f" and (np.trunc(y) != y).any() and n > 20:
        return [f"classes in y; received numbers with decimals of {n} values. Set task: regression."]
    return []


def _faults_of_several(y: np.ndarray, dataset: Dataset) -> list[str]:
    """What is wrong with a y of several columns."""
    if is_one_hot(y):
        return [f"targets of numbers in y; received a one-hot code of {y.shape[1]} classes. Set task: classification."]
    if dataset.of_task == "classification" and len(values := np.unique(y)) != 2:
        return [
            f"labels of two values in a y of several columns; received {len(values)}. Set task: regression, or one column."
        ]
    return [fault for k in range(y.shape[1]) for fault in _faults_of_one(y[:, k], dataset)][:1]
