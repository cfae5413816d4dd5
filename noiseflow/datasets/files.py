"""A user's file, read with limits in mind: nothing in it is executed, and what is wrong with it is said in a sentence."""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noiseflow.base.faults import InvalidInputError, one_line
from noiseflow.base.user_files import NotAFileError, open_archive, open_file

MAX_BYTES = 2**30
"""Largest file, and largest content of a Parquet or .npz file, unpacked; rows must fit into memory several times over."""
MAX_NUMBERS = 200_000_000
"""Most numbers in an .npz file, whatever they take there: they are computed with as 8 bytes each."""
MAX_COLUMNS = 10_000
_NUMBER = 8  # bytes
_ROWS_AT_ONCE = 2**14
_MAX_HEADER = 2**22  # bytes of a CSV's first line, or of a Parquet file's footer for each row group


def read_table(path: str) -> pd.DataFrame:
    """The table of a .csv or .parquet file; not to be changed, as it is kept for the next caller.

    Raises:
        InvalidInputError: it cannot be read; the sentence begins with `path must`.
    """
    return _read_table(path, *_check(path, (".csv", ".parquet")))


def read_arrays(path: str) -> tuple[np.ndarray, np.ndarray]:
    """X and y of an .npz file; not to be changed.

    Raises:
        InvalidInputError: it cannot be read, or lacks one.
    """
    return _read_arrays(path, *_check(path, (".npz",)))


def _fault(path: str, must: str, received: str, mend: str) -> InvalidInputError:
    return InvalidInputError([f"path must {must}; received {path!r}, {received}. {mend}"])


def _check(path: str, suffixes: tuple[str, ...]) -> tuple[int, int]:
    """When the file was changed, and its size; raises unless it is a file of that kind and of a reasonable size."""
    wanted = f"be a {' or '.join(suffixes)} file"
    try:
        with open_file(path) as file:
            stat = os.fstat(file.fileno())
    except NotAFileError:
        raise _fault(path, wanted, "which is no file", "Name the file itself.") from None
    except (FileNotFoundError, NotADirectoryError):
        raise _fault(path, wanted, "which does not exist", "Mend the path; it is relative to the study file.") from None
    except (OSError, ValueError) as error:
        raise _fault(path, wanted, f"which cannot be looked at: {error}", "Mend the path or its rights.") from None
    size = stat.st_size
    if Path(path).suffix.lower() not in suffixes:
        raise _fault(path, wanted, f"of the kind {Path(path).suffix or 'none'}", f"Save it as {suffixes[0]}.")
    if size == 0:
        raise _fault(path, wanted, "which is empty", "Save the rows again.")
    if size > MAX_BYTES:
        raise _fault(path, f"have at most {MAX_BYTES:,} bytes", f"which has {size:,}", "Take a sample of the rows.")
    return stat.st_mtime_ns, size


@lru_cache(maxsize=4)
def _read_table(path: str, _modified: int, _size: int) -> pd.DataFrame:
    read = _read_csv if path.lower().endswith(".csv") else _read_parquet
    try:
        with open_file(path) as file:  # an open file: pandas would fetch a path that is an address
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
    _check_unpacked(path, file)
    frame = pd.read_parquet(file)
    frame = frame.reset_index(drop=list(frame.index.names) == [None])  # a named index is a column that was set aside
    _check_columns(path, [str(name) for name in frame.columns])
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    # text is decoded here, not when it is first looked at: what is no UTF-8 is the file's fault
    return frame.astype({name: object for name in frame.columns if isinstance(frame[name].dtype, pd.StringDtype)})


def _check_unpacked(path: str, file: BinaryIO) -> None:
    """Raises where the columns take more memory than allowed once they are unpacked: a few bytes may stand for a billion rows.

    What the file says of itself is looked at first, then what it really holds, one column after the other and some rows at a
    time; text stays in the form of numbers and a dictionary meanwhile.
    """
    table = pq.ParquetFile(file)
    if table.metadata.num_columns > MAX_COLUMNS:
        _check_columns(path, [str(i) for i in range(table.metadata.num_columns)])
    texts = [
        field.name for field in table.schema_arrow if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    ]
    nested = [field.name for field in table.schema_arrow if pa.types.is_nested(field.type)]
    if nested:
        raise _fault(
            path, "have columns of single values", f"where {_few(nested)} hold lists", "Make a column of each entry."
        )
    groups = [table.metadata.row_group(i) for i in range(table.metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(table.metadata.num_columns)]
    said = sum(max(column.total_uncompressed_size, _NUMBER * column.num_values) for column in columns)
    _refuse_unpacked(path, max(said, _NUMBER * table.metadata.num_rows * table.metadata.num_columns))
    table, n_bytes = pq.ParquetFile(file, read_dictionary=texts), 0
    for field in table.schema_arrow:
        for rows in table.iter_batches(_ROWS_AT_ONCE, columns=[field.name]):
            n_bytes += sum(map(_unpacked, rows.columns))
            _refuse_unpacked(path, n_bytes)
    file.seek(0)


def _unpacked(column: Any) -> int:
    """Bytes that a column takes once its text is written out."""
    if not isinstance(column, pa.DictionaryArray):
        return int(max(column.nbytes, _NUMBER * len(column)))
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return int(_NUMBER * len(column) + (pc.sum(lengths.take(column.indices)).as_py() or 0))


def _refuse_unpacked(path: str, n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        must = f"hold at most {MAX_BYTES:,} bytes once it is unpacked"
        raise _fault(path, must, f"which holds {n_bytes:,} or more", "Take a sample of the rows.")


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
        with open_archive(path) as file:
            _check_archive(path, file)
            with np.load(file, allow_pickle=False) as archive:
                return archive["X"], archive["y"]
    except InvalidInputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a bad file makes a parser raise, the file is at fault
        text = one_line(error)
        mend = "Save plain numbers with numpy.savez(path, X=X, y=y)."
        raise _fault(path, "be an .npz file", f"which cannot be read: {text}", mend) from None


def _check_archive(path: str, file: BinaryIO) -> None:
    """Raises where the arrays would take more memory than allowed once they are unpacked."""
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise _fault(path, f"hold at most {MAX_BYTES:,} bytes", f"which holds {size:,}", "Take a sample.")
        if not {"X.npy", "y.npy"} <= set(archive.namelist()):
            names = _few([name.removesuffix(".npy") for name in archive.namelist()]) or "nothing"
            raise _fault(path, "hold the arrays X and y", f"which holds {names}", "numpy.savez(path, X=X, y=y).")
        for name in ("X.npy", "y.npy"):
            with archive.open(name) as member:
                _check_header(path, member, archive.getinfo(name).file_size)
    file.seek(0)


def _check_header(path: str, member: Any, size: int) -> None:
    """Raises where an array claims to be larger than its bytes are; numpy would make room for the claim."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    n_numbers = int(np.prod([int(length) for length in shape], dtype=object))
    if dtype.itemsize * n_numbers > size:
        raise _fault(path, "be an .npz file", f"whose array of shape {shape} has {size:,} bytes only", "Save it again.")
    if n_numbers > MAX_NUMBERS:
        raise _fault(path, f"hold at most {MAX_NUMBERS:,} numbers", f"which holds {n_numbers:,}", "Take a sample.")


def _few(names: list[str]) -> str:
    return ", ".join(repr(name[:80]) for name in names[:10])
