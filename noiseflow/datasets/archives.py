"""Arrays of an .npz file, read with limits in mind: no code in it is run, not even where its arrays are pickled."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np

from noiseflow.base.faults import InvalidInputError, one_line
from noiseflow.base.user_files import open_archive
from noiseflow.datasets.file_limits import MAX_BYTES, MAX_NUMBERS, check_file, few, file_fault

_SETS = ("x_train", "y_train", "x_test", "y_test")
_BESIDE = ("groups", "time")
_ALIASES = {
    "X": ("x", "data", "features", "images", "inputs", "arr_0"),
    "groups": ("group", "subject", "subjects", "patient", "patients"),
    "y": ("y", "target", "targets", "label", "labels", "arr_1"),
    **{
        f"x_{part}": (f"{part}x", f"x{part}", f"{part}images", f"{part}data", f"{part}features")
        for part in ("train", "test")
    },
    **{
        f"y_{part}": (f"{part}y", f"y{part}", f"{part}labels", f"{part}targets", f"{part}target")
        for part in ("train", "test")
    },
}
"""Names that arrays have as well, in lower case; of those that train and test without a line between words."""
_HARMLESS = {(f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")}
_HARMLESS |= {("numpy", "ndarray"), ("numpy", "dtype")}


@dataclass(frozen=True)
class Archive:
    """What an .npz file holds.

    Attributes:
        X: (n_rows, ...).
        y: (n_rows,) or (n_rows, n_targets).
        groups, time: (n_rows,), None where the file has none.
        is_test: of each row, None unless the file has x_train, y_train, x_test and y_test.
        is_padded: whether sequences of several lengths were padded.
        unread: names of other arrays of the file.
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    time: np.ndarray | None = None
    is_test: np.ndarray | None = None
    is_padded: bool = False
    unread: tuple[str, ...] = ()


def read_archive(path: str) -> Archive:
    """The arrays of an .npz file; not to be changed.

    Raises:
        InvalidInputError: it cannot be read, or lacks some.
    """
    return _read_archive(path, *check_file(path, (".npz",)))


@lru_cache(maxsize=2)
def _read_archive(path: str, _modified: int, _size: int) -> Archive:
    try:
        with open_archive(path) as file:
            names, unread = _check_archive(path, file)
            with zipfile.ZipFile(file) as archive:
                arrays = {key: _array(archive, name) for key, name in names.items()}
    except InvalidInputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a bad file makes a parser raise, the file is at fault
        text = one_line(error)
        fix = "Save plain numbers with numpy.savez(path, X=X, y=y)."
        raise file_fault(path, "be an .npz file", f"which cannot be read: {text}", fix) from None
    is_test = None
    if "x_train" in arrays:
        shapes = [arrays[name].shape[1:] for name in _SETS]
        if shapes[0] != shapes[2] or shapes[1] != shapes[3]:
            received = f"whose x_train has rows of {shapes[0]} and x_test of {shapes[2]}"
            raise file_fault(path, "hold rows of one shape to train and to test", received, "Make them alike.")
        is_test = np.repeat([False, True], [len(arrays["y_train"]), len(arrays["y_test"])])
        arrays |= {key: np.concatenate([arrays[f"{key.lower()}_{part}"] for part in ("train", "test")]) for key in "Xy"}
    arrays = {key: _native(values) for key, values in arrays.items()}
    X, is_padded = _padded(path, _unobjected(arrays["X"]))
    y = _labels(arrays["y"])
    y = y.ravel() if y.ndim == 2 and y.size == len(X) else y
    return Archive(X, y, arrays.get("groups"), arrays.get("time"), is_test, is_padded, unread)


def _native(values: np.ndarray) -> np.ndarray:
    """Numbers in the machine's order of bytes, and texts that were saved as bytes."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "backslashreplace")  # other bytes stay other labels
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _unobjected(X: np.ndarray) -> np.ndarray:
    """Numbers that were saved as Python objects; of rows that are lists each as an array, or all as one."""
    if X.dtype != object:
        return X
    if X.ndim > 1:
        return X.astype(np.float64) if all(isinstance(value, int | float) for value in X.flat) else X
    try:
        rows = [row if isinstance(row, np.ndarray) else np.asarray(row, np.float64) for row in X]
    except (TypeError, ValueError):
        return X
    if all(row.ndim and row.shape == rows[0].shape and row.dtype.kind in "biuf" for row in rows):
        return np.stack(rows)
    return _of_rows(rows)


def _of_rows(rows: list[np.ndarray]) -> np.ndarray:
    found = np.empty(len(rows), dtype=object)
    for i, row in enumerate(rows):
        found[i] = row
    return found


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        shape, fortran, dtype = _header(member, version)
        if dtype.hasobject:
            return np.asarray(_HarmlessUnpickler(member).load(), dtype=object).reshape(
                shape, order="F" if fortran else "C"
            )
    with archive.open(name) as member:
        return np.asarray(np.lib.format.read_array(member, allow_pickle=False))


def _header(member: Any, version: tuple[int, int]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(member)


class _HarmlessUnpickler(pickle.Unpickler):
    """Loads arrays of texts and numbers; a pickle that names anything else is refused before it is called."""

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle names, if it is a part of an array."""
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"its pickle asks for {module}.{name}, which is no part of an array")
        return super().find_class(module, name)


def _labels(y: np.ndarray) -> np.ndarray:
    """Classes that are Python objects as texts or numbers; anything else as it is."""
    if y.dtype != object:
        return y
    kinds = {type(value) for value in y.flat}
    if kinds <= {bool} or kinds <= {int, float}:
        return np.array(y.tolist())
    return y.astype(str) if kinds <= {str, np.str_, int, bool} else y


def _padded(path: str, X: np.ndarray) -> tuple[np.ndarray, bool]:
    """Sequences of several lengths as one array: blanks come first, and the last feature says which steps are there.

    Steps that are NaN throughout are none.
    """
    if X.ndim == 3 and X.dtype.kind == "f" and np.isnan(X).any():
        is_none = np.isnan(X).all(axis=2)
        if is_none.any() and not is_none.all(axis=1).any():
            X = _unobjected(_of_rows([row[~none] for row, none in zip(X, is_none, strict=True)]))
    if (
        X.dtype != object
        or X.ndim != 1
        or not all(isinstance(row, np.ndarray) and row.dtype.kind in "biuf" for row in X)
    ):
        return X, False
    rows = [row[:, None] if row.ndim == 1 else row for row in X]
    if not rows or any(row.ndim != 2 or row.shape[1] != rows[0].shape[1] for row in rows):
        return X, False
    steps, features = max(len(row) for row in rows), rows[0].shape[1]
    if len(rows) * steps * (features + 1) > MAX_NUMBERS:
        received = f"whose longest of {len(rows):,} sequences has {steps:,} steps"
        raise file_fault(path, f"hold at most {MAX_NUMBERS:,} numbers once it is padded", received, "Cut it.")
    padded = np.zeros((len(rows), steps, features + 1))
    for i, row in enumerate(rows):
        padded[i, steps - len(row) :] = np.column_stack([row, np.ones(len(row))])
    return padded, True


def _check_archive(path: str, file: BinaryIO) -> tuple[dict[str, str], tuple[str, ...]]:
    """The arrays that are read: key -> name in the archive; and the keys of the others.

    Raises:
        InvalidInputError: they are not there, or would take more memory than allowed once they are unpacked.
    """
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise file_fault(path, f"hold at most {MAX_BYTES:,} bytes", f"which holds {size:,}", "Take a sample.")
        there = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        lower = {key.lower(): name for key, name in there.items()}
        plain = {key.replace("_", ""): name for key, name in lower.items()}
        names = {key: there.get(key) or _first(lower, _ALIASES[key]) for key in ("X", "y")}
        if not all(names.values()):
            names = {key: lower.get(key) or _first(plain, _ALIASES[key]) for key in _SETS}
        if not all(names.values()):
            received = f"which holds {few([*there]) or 'nothing'}"
            fix = "Save both with numpy.savez(path, X=X, y=y)."
            raise file_fault(path, "hold the arrays X and y, or x_train, y_train, x_test and y_test", received, fix)
        names |= {key: name for key in _BESIDE if (name := lower.get(key) or _first(lower, _ALIASES.get(key, ())))}
        found = {key: name for key, name in names.items() if name}
        for name in found.values():
            with archive.open(name) as member:
                _check_header(path, member, archive.getinfo(name).file_size)
    file.seek(0)
    return found, tuple(key for key, name in there.items() if name not in found.values())


def _first(names: dict[str, str], keys: tuple[str, ...]) -> str | None:
    return next((names[key] for key in keys if key in names), None)


def _check_header(path: str, member: Any, size: int) -> None:
    """Raises where an array claims to be larger than its bytes are; numpy would make room for the claim."""
    shape, _, dtype = _header(member, np.lib.format.read_magic(member))
    n_numbers = int(np.prod([int(length) for length in shape], dtype=object))
    if (1 if dtype.hasobject else dtype.itemsize) * n_numbers > size:
        received = f"whose array of shape {shape} has {size:,} bytes only"
        raise file_fault(path, "be an .npz file", received, "Save it again.")
    if n_numbers > MAX_NUMBERS:
        raise file_fault(path, f"hold at most {MAX_NUMBERS:,} numbers", f"which holds {n_numbers:,}", "Take a sample.")
