"""A user's file, read with limits in mind: nothing in it is executed, and what is wrong with it is said in a sentence."""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from noiseflow.faults import InvalidInputError, one_line

MAX_BYTES = 2**30
"""Largest file, and largest content of an .npz file; rows must fit into memory several times over."""
MAX_COLUMNS = 10_000
_MAX_HEADER = 2**22  # bytes of a CSV's first line, or of a Parquet file's footer for each row group


def read_table(path: str) -> pd.DataFrame:
    """The table of a .csv or .parquet file; not to be changed, as it is kept for the next caller.

    Raises:
        InvalidInputError: it cannot be read; the sentence begins with `path must`.
    """
    _check(path, (".csv", ".parquet"))
    return _read_table(path, *_version(path))


def read_arrays(path: str) -> tuple[np.ndarray, np.ndarray]:
    """X and y of an .npz file; not to be changed.

    Raises:
        InvalidInputError: it cannot be read, or lacks one.
    """
    _check(path, (".npz",))
    return _read_arrays(path, *_version(path))


def _version(path: str) -> tuple[int, int]:
    stat = Path(path).stat()
    return stat.st_mtime_ns, stat.st_size


def _fault(path: str, must: str, received: str, mend: str) -> InvalidInputError:
    return InvalidInputError([f"path must {must}; received {path!r}, {received}. {mend}"])


def _check(path: str, suffixes: tuple[str, ...]) -> None:
    """Raises unless this is a file of that kind and of a reasonable size."""
    wanted = f"be a {' or '.join(suffixes)} file"
    try:
        exists, is_file = Path(path).exists(), Path(path).is_file()
        size = Path(path).stat().st_size if is_file else 0
    except (OSError, ValueError) as error:
        raise _fault(path, wanted, f"which cannot be looked at: {error}", "Mend the path or its rights.") from None
    if not exists:
        raise _fault(path, wanted, "which does not exist", "Mend the path; it is relative to the study file.")
    if not is_file:
        raise _fault(path, wanted, "which is no file", "Name the file itself.")
    if Path(path).suffix.lower() not in suffixes:
        raise _fault(path, wanted, f"of the kind {Path(path).suffix or 'none'}", f"Save it as {suffixes[0]}.")
    if size == 0:
        raise _fault(path, wanted, "which is empty", "Save the rows again.")
    if size > MAX_BYTES:
        raise _fault(path, f"have at most {MAX_BYTES:,} bytes", f"which has {size:,}", "Take a sample of the rows.")


@lru_cache(maxsize=4)
def _read_table(path: str, _modified: int, _size: int) -> pd.DataFrame:
    read = _read_csv if path.lower().endswith(".csv") else _read_parquet
    try:
        with Path(path).open("rb") as file:  # an open file: pandas would fetch a path that is an address
            frame = read(path, file)
    except InvalidInputError:
        raise
    except UnicodeDecodeError as error:
        raise _fault(path, "be a table", f"whose text is not UTF-8 ({error})", "Save it as UTF-8.") from None
    except Exception as error:  # noqa: BLE001 - whatever a bad file makes a parser raise, the file is at fault
        text = one_line(error)
        raise _fault(path, "be a table", f"which cannot be read: {text}", "Open and save it again.") from None
    _check_frame(path, frame)
    return frame


def _read_csv(path: str, file: BinaryIO) -> pd.DataFrame:
    head = file.read(_MAX_HEADER)
    if b"\0" in head:
        raise _fault(path, "be a table", "which holds binary data", "Save it as text with commas.")
    if b"\n" not in head and len(head) == _MAX_HEADER:
        raise _fault(path, "be a table", f"whose first line is over {_MAX_HEADER:,} bytes", "Give it fewer columns.")
    file.seek(0)
    header = pd.read_csv(file, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    _check_columns(path, [str(name) for name in header.iloc[0]])
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut
        return pd.read_csv(file, index_col=False, encoding="utf-8-sig", low_memory=False)


def _read_parquet(path: str, file: BinaryIO) -> pd.DataFrame:
    file.seek(-8, 2)
    length, mark = struct.unpack("<I4s", file.read(8))
    if mark != b"PAR1":
        raise _fault(path, "be a table", "which is no Parquet file", "Save it again, or as .csv.")
    if length > _MAX_HEADER * 8:
        raise _fault(path, "be a table", f"whose footer has {length:,} bytes", "Give it fewer columns.")
    frame = pd.read_parquet(file)
    frame = frame.reset_index(drop=list(frame.index.names) == [None])  # a named index is a column that was set aside
    _check_columns(path, [str(name) for name in frame.columns])
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    # text is decoded here, not when it is first looked at: what is no UTF-8 is the file's fault
    return frame.astype({name: object for name in frame.columns if isinstance(frame[name].dtype, pd.StringDtype)})


def _check_columns(path: str, names: list[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise _fault(path, f"have at most {MAX_COLUMNS:,} columns", f"which has {len(names):,}", "Give it fewer.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise _fault(path, "have columns of different names", f"where {_few(twice)} stand twice", "Rename them.")
    if not all(name.isprintable() for name in names):
        raise _fault(path, "have columns with printable names", "whose first line holds others", "Rename them.")


def _check_frame(path: str, frame: pd.DataFrame) -> None:
    if len(frame) == 0:
        raise _fault(path, "have rows", "which has a header only", "Save the rows again.")
    if len(frame.columns) < 2:
        hint = " It looks as if values were separated by semicolons or tabs: save it with commas."
        only = str(frame.columns[0]) if len(frame.columns) else ""
        raise _fault(
            path,
            "have a target and at least one feature",
            f"whose only column is {only[:80]!r}",
            "Add features." + hint * any(mark in only for mark in ";\t|"),
        )


@lru_cache(maxsize=2)
def _read_arrays(path: str, _modified: int, _size: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        _check_archive(path)
        with np.load(path, allow_pickle=False) as archive:
            return archive["X"], archive["y"]
    except InvalidInputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a bad file makes a parser raise, the file is at fault
        text = one_line(error)
        mend = "Save plain numbers with numpy.savez(path, X=X, y=y)."
        raise _fault(path, "be an .npz file", f"which cannot be read: {text}", mend) from None


def _check_archive(path: str) -> None:
    """Raises where the arrays would take more memory than allowed once they are unpacked."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise _fault(path, f"hold at most {MAX_BYTES:,} bytes", f"which holds {size:,}", "Take a sample.")
        if not {"X.npy", "y.npy"} <= set(archive.namelist()):
            names = _few([name.removesuffix(".npy") for name in archive.namelist()]) or "nothing"
            raise _fault(path, "hold the arrays X and y", f"which holds {names}", "numpy.savez(path, X=X, y=y).")
        for name in ("X.npy", "y.npy"):
            with archive.open(name) as member:
                _check_header(path, member, archive.getinfo(name).file_size)


def _check_header(path: str, member: Any, size: int) -> None:
    """Raises where an array claims to be larger than its bytes are; numpy would make room for the claim."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    claimed = dtype.itemsize * int(np.prod([int(length) for length in shape], dtype=object))
    if claimed > size:
        raise _fault(path, "be an .npz file", f"whose array of shape {shape} has {size:,} bytes only", "Save it again.")


def _few(names: list[str]) -> str:
    return ", ".join(repr(name[:80]) for name in names[:10])
