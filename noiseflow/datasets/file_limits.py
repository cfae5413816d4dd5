"""The limits of a user's file: on the disk, once it is unpacked, and as values; a few bytes may unpack to a billion rows."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noiseflow.base.faults import InvalidInputError
from noiseflow.base.user_files import NotAFileError, open_file
from noiseflow.datasets.packed import PACKED, PLAIN_SUFFIXES, TEXT_SUFFIXES, suffix_of

MAX_BYTES = 2**30
"""Largest file, and largest content of a Parquet or .npz file, unpacked; rows must fit into memory several times over."""
MAX_SAMPLED = 2**37
"""Largest file of text or Parquet that is sampled."""
MAX_NUMBERS = 200_000_000
"""Most numbers in an .npz file, whatever they take there: they are computed with as 8 bytes each."""
MAX_COLUMNS = 10_000
SAMPLED_SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
"""Kinds of files that are sampled while they are read; any other is read whole first."""
_NUMBER = 8  # bytes
ROWS_AT_ONCE = 2**14


def check_file(path: str, suffixes: tuple[str, ...], most: int | None = None) -> tuple[int, int]:
    """When the file was changed, and its size; raises unless it is a file of that kind and of a reasonable size."""
    wanted = f"be a {' or '.join(suffixes[:2])} file"
    try:
        with open_file(path) as file:
            stat = os.fstat(file.fileno())
    except NotAFileError:
        raise file_fault(path, "name a file", "which is no file", "Name the file itself.") from None
    except (FileNotFoundError, NotADirectoryError):
        raise file_fault(
            path, "name a file", "which does not exist", "Fix the path; it is relative to the study file."
        ) from None
    except (OSError, ValueError) as error:
        raise file_fault(path, wanted, f"which cannot be looked at: {error}", "Fix the path or its rights.") from None
    size = stat.st_size
    if suffix_of(path) not in suffixes:
        known = [one for one in suffixes if one in PLAIN_SUFFIXES or one not in TEXT_SUFFIXES]
        packed = f"; text also as {', '.join(PACKED)}" if ".csv" in suffixes else ""
        others = f" Read are {', '.join(known)}{packed}." if len(suffixes) > 1 else ""
        raise file_fault(path, wanted, f"of the kind {suffix_of(path) or 'none'}", f"Save it as {suffixes[0]}.{others}")
    if size == 0:
        raise file_fault(path, wanted, "which is empty", "Save the rows again.")
    most = most or MAX_BYTES
    if size > most:
        raise file_fault(path, f"have at most {most:,} bytes", f"which has {size:,}", take_sample(path))
    return stat.st_mtime_ns, size


def check_values(path: str, file: BinaryIO, width: int) -> None:
    """Raises where a text holds more values than memory: a few bytes may be packed rows without end."""
    if file.seek(0, 2) * _NUMBER <= MAX_BYTES:  # a value takes a byte of text at least
        return
    file.seek(0)
    n_values = width * sum(part.count(b"\n") for part in iter(partial(file.read, 2**20), b""))
    if n_values * _NUMBER > MAX_BYTES:
        must = f"hold at most {MAX_BYTES // _NUMBER:,} values"
        raise file_fault(path, must, f"which holds some {n_values:,}", take_sample(path))


def check_unpacked(path: str, file: BinaryIO) -> None:
    """Raises where the columns take more memory than allowed once they are unpacked: a few bytes may become a billion rows.

    What the file says of itself is looked at first, then what it really holds, one column after the other and some rows at a
    time; text stays in the form of numbers and a dictionary meanwhile.
    """
    table = pq.ParquetFile(file)
    check_kinds(path, table)
    texts = [
        field.name for field in table.schema_arrow if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    ]
    groups = [table.metadata.row_group(i) for i in range(table.metadata.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(table.metadata.num_columns)]
    said = sum(max(column.total_uncompressed_size, _NUMBER * column.num_values) for column in columns)
    refuse_unpacked(path, max(said, _NUMBER * table.metadata.num_rows * table.metadata.num_columns))
    table, n_bytes = pq.ParquetFile(file, read_dictionary=texts), 0
    for field in table.schema_arrow:
        for rows in table.iter_batches(ROWS_AT_ONCE, columns=[field.name]):
            n_bytes += sum(map(_unpacked, rows.columns))
            refuse_unpacked(path, n_bytes)
    file.seek(0)


def check_kinds(path: str, table: Any) -> None:
    """Raises where a Parquet file has too many columns, or some that are no column of a table."""
    check_width(path, table.metadata.num_columns)
    nested = [f.name for f in table.schema_arrow if pa.types.is_nested(f.type) and not is_list_of_numbers(f.type)]
    if nested:
        raise file_fault(
            path, "have columns of single values", f"where {few(nested)} hold lists", "Make a column of each entry."
        )


def check_width(path: str, n_columns: int) -> None:
    """Raises where a table has too many columns."""
    if n_columns > MAX_COLUMNS:
        raise file_fault(path, f"have at most {MAX_COLUMNS:,} columns", f"which has {n_columns:,}", "Give it fewer.")


def is_list_of_numbers(kind: Any) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(of(kind) for of in lists) and any(of(kind.value_type) for of in number)


def _unpacked(column: Any) -> int:
    """Bytes that a column takes once its text is written out."""
    if not isinstance(column, pa.DictionaryArray):
        return int(max(column.nbytes, _NUMBER * len(column)))
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return int(_NUMBER * len(column) + (pc.sum(lengths.take(column.indices)).as_py() or 0))


def refuse_unpacked(path: str, n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        must = f"hold at most {MAX_BYTES:,} bytes once it is unpacked"
        raise file_fault(path, must, f"which holds {n_bytes:,} or more", take_sample(path))


def file_fault(path: str, must: str, received: str, fix: str) -> InvalidInputError:
    return InvalidInputError([f"path must {must}; received {path!r}, {received}. {fix}"])


def take_sample(path: str) -> str:
    return "Take a sample of the rows" + (": set sample: 50000." if suffix_of(path) in SAMPLED_SUFFIXES else ".")


def few(names: list[str]) -> str:
    return ", ".join(repr(name[:80]) for name in names[:10])
