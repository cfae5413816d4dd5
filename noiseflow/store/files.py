"""One Parquet file that proves itself: written with a checksum of all its bytes, and looked at before it is believed.

The footer's key `sha256` holds the digest of the whole file as it is with 64 zeros in the digest's place. `format` is the
version of how a store writes its files, and `file` the path under which the file belongs. All formats to come keep these
keys, so that an older noiseflow can distinguish a newer file from a damaged one.

Format 3 keeps the study out of the footers; `studies/<hash>.json` has it once. Format 2 has it in each footer. Format 1, before
these keys, has checksums of its pages only.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from noiseflow.store.schemas import (
    ADDED,
    IDENTITIES,
    SCHEMAS,
    identities_of,
    table_of,
)

FORMAT = max(ADDED)
SMALL = 100_000
"""Bytes of rows below which a file is compressed fast, not well: ten thousand of 100 trials each are read in half the time."""
_BLANK = b"0" * 64
_KEY = b"sha256\x18\x40"  # in Thrift's compact protocol: the key, then a string of 64 characters
_MALFORMED = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError)
"""What pyarrow raises for bytes in memory that are no Parquet; its OSError comes from no disk here."""
EMPTIED = b"emptied"
"""Footer key of the file without rows that takes the place of one in quarantine or of a pruned one, and says why."""


class DamagedError(Exception):
    """A file is not what the store wrote; why. `ours`: its bytes show that noiseflow wrote it once."""

    ours = False


class NewerError(Exception):
    """A file was written by a later version of noiseflow; which format it has."""


@dataclass(frozen=True)
class Found:
    """What a look at a sound file found.

    Attributes:
        identities: of its rows, where the table has them.
        batch: the mark of its batch.
        software: what made it.
        emptied: why it has no rows, where it took the place of another file.
        version: its format.
    """

    identities: tuple[str, ...]
    batch: str | None
    software: str
    emptied: str | None
    version: int


def encode(rows: pa.Table, path: str, marks: Mapping[str, str]) -> bytes:
    """The bytes of a file that is to lie under this path; its footer carries the marks."""
    rows = rows.replace_schema_metadata(dict(marks))
    sink = io.BytesIO()
    compression = "snappy" if rows.nbytes < SMALL else "zstd"
    with pq.ParquetWriter(sink, rows.schema, compression=compression, write_page_checksum=True) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({"format": str(FORMAT), "file": path, "sha256": _BLANK.decode()})
    content = sink.getvalue()
    at = content.rindex(_KEY + _BLANK) + len(_KEY)
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at + len(_BLANK) :]


def emptied(path: str, why: str) -> bytes:
    """A file without rows, in the place of one that went to quarantine: its number is never used again."""
    return encode(SCHEMAS[table_of(path)].empty_table(), path, {EMPTIED.decode(): why})


def decode(content: bytes, schema: pa.Schema | None = None) -> pa.Table:
    """The rows, of a schema's columns if it is given; those that an older file lacks are null.

    Raises:
        DamagedError: it is not Parquet, or a page does not match its checksum.
    """
    try:
        return _rows(_opened(content), schema)
    except MemoryError:  # pyarrow's is an ArrowException too
        raise
    except _MALFORMED as error:
        raise DamagedError(str(error).partition("\n")[0]) from error


def _opened(content: bytes) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)


def _rows(file: pq.ParquetFile, schema: pa.Schema | None) -> pa.Table:
    if schema is None:
        return file.read(use_threads=False)
    there = set(file.schema_arrow.names)
    return _of_schema(file.read(columns=[name for name in schema.names if name in there], use_threads=False), schema)


def _of_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with a schema's columns; those that are not there are null."""
    if rows.schema.equals(schema):
        return rows.replace_schema_metadata(None)
    there = dict(zip(rows.column_names, rows.columns, strict=True))
    columns = [there[field.name] if field.name in there else pa.nulls(rows.num_rows, field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def marks_of(content: bytes) -> dict[str, str]:
    """The footer's keys of a sound file, without those that differ from file to file."""
    marks = pq.read_schema(pa.BufferReader(content)).metadata or {}
    own = {b"format", b"file", b"sha256", b"ARROW:schema"}
    return {name.decode(): value.decode() for name, value in marks.items() if name not in own}


def inspect(content: bytes, path: str) -> Found:
    """What is in a file that was found under this path.

    Raises:
        DamagedError: it is not, byte for byte, what noiseflow wrote there.
        NewerError: a later noiseflow wrote it.
        MemoryError: the machine has too little memory to say.
    """
    names = IDENTITIES.get(table_of(path))
    with _judged(content):
        file, found = _proved(content, path)
        return replace(found, identities=identities_of(file.read(columns=names, use_threads=False))) if names else found


def read(content: bytes, path: str, schema: pa.Schema) -> tuple[pa.Table, Found]:
    """The rows, in a schema's columns, of the file under this path, and what is in it, without identities.

    Raises:
        DamagedError, NewerError, MemoryError: as `inspect` does.
    """
    with _judged(content):
        file, found = _proved(content, path)
        return _rows(file, schema), found


@contextmanager
def _judged(content: bytes) -> Iterator[None]:
    """Within it, what pyarrow raises is damage, and damage says whether noiseflow wrote the file."""
    try:
        yield
    except MemoryError:
        raise
    except DamagedError as error:
        error.ours = bears_marks(content)
        raise
    except _MALFORMED as error:
        reason = str(error).partition("\n")[0] if content else "it is empty"
        damaged = DamagedError(f"it cannot be read as Parquet ({reason[:160]})")
        damaged.ours = bears_marks(content)
        raise damaged from error


def is_sealed(content: bytes) -> bool:
    """Whether a file carries a digest, which was then found to be right.

    Found by its bytes and not by Parquet's own reader, which may overlook a footer key after a bit flipped in the footer;
    and from the end, however long the footer is.

    Raises:
        DamagedError: the digest is wrong.
    """
    at = content.rfind(_KEY)
    if at < 0:
        return False
    begin = at + len(_KEY)
    view = memoryview(content)
    digest = hashlib.sha256(view[:begin])
    digest.update(_BLANK)
    digest.update(view[begin + len(_BLANK) :])
    if digest.hexdigest().encode() != view[begin : begin + len(_BLANK)]:
        raise DamagedError("its bytes do not match its sha256")
    return True


def bears_marks(content: bytes) -> bool:
    """Whether noiseflow wrote this once, whatever became of it: the keys of its footers are still there."""
    return _KEY in content or (b"study_hash" in content and b"batch" in content)


def is_foreign(content: bytes) -> bool:
    """Whether it is a whole Parquet file that noiseflow did not write."""
    if bears_marks(content):
        return False
    try:
        pq.ParquetFile(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        return False
    return True


def _proved(content: bytes, path: str) -> tuple[pq.ParquetFile, Found]:
    """A file as noiseflow wrote it, and what is in it, without identities."""
    sealed = is_sealed(content)
    file = _opened(content)
    marks = file.metadata.metadata or {}
    version = int(marks.get(b"format", 1))
    if version > FORMAT:
        raise NewerError(str(version))
    if version > 1 and not sealed:
        raise DamagedError("its sha256 is missing")
    if version == 1:
        _check_format_1(file, content, marks)
    elif marks[b"file"].decode() != path:
        raise DamagedError(f"it was written as {marks[b'file'].decode()}")
    _check_schema(file.schema_arrow, table_of(path), version)
    batch, why = marks.get(b"batch"), marks.get(EMPTIED)
    software = marks.get(b"software", b"{}").decode()
    json.loads(software)
    found = Found(
        identities=(),
        batch=batch.decode() if batch else None,
        software=software,
        emptied=None if why is None else why.decode(),
        version=version,
    )
    return file, found


def _check_format_1(file: pq.ParquetFile, content: bytes, marks: Mapping[bytes, bytes]) -> None:
    """All pages are read, for nothing else proves such a file."""
    if not content.startswith(b"PAR1"):
        raise DamagedError("it does not begin as Parquet does")
    if not marks.keys() & {b"study", b"batch"}:
        raise DamagedError("noiseflow did not write it")
    file.read()


def _check_schema(schema: pa.Schema, table: str, version: int) -> None:
    expected = SCHEMAS[table]
    if schema.equals(expected):
        return
    lacking = set(expected.names) - set(schema.names)
    like = "trials" if table in IDENTITIES else table
    tolerated = {name for added, columns in ADDED.items() if version < added for name in columns.get(like, ())}
    known = pa.schema([field for field in expected if field.name not in lacking])
    if not lacking <= tolerated or not schema.remove_metadata().equals(known):
        raise DamagedError(f"its columns are not the columns of {table}")
