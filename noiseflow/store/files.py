"""One Parquet file that proves itself: written with a checksum of all its bytes, and looked at before it is believed.

The footer's key `sha256` holds the digest of the whole file as it is with 64 zeros in the digest's place. `format` is the
version of how a store writes its files, and `file` the path under which the file belongs. All formats to come keep these
keys, so that an older noiseflow tells a newer file from a damaged one. Format 1, before these keys, has checksums of its
pages only.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from noiseflow.store.schemas import ADDED_IN_FORMAT_1, IDENTITIES, SCHEMAS, Identity, table_of

FORMAT = 2
_BLANK = b"0" * 64
_KEY = b"sha256\x18\x40"  # in Thrift's compact protocol: the key, then a string of 64 characters
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
EMPTIED = b"emptied"
"""Footer key of the file without rows that takes the place of one in quarantine, and says why."""


class DamagedError(Exception):
    """A file is not what the store wrote; why."""


class NewerError(Exception):
    """A file was written by a later version of noiseflow; which format it has."""


@dataclass(frozen=True)
class Found:
    """What a look at a sound file brought: the rows' identities where the table has them, and the footer's marks."""

    identities: frozenset[Identity]
    batch: str | None
    software: dict[str, str]
    emptied: bool


def encode(rows: pa.Table, path: str, marks: Mapping[str, str]) -> bytes:
    """The bytes of a file that is to lie under this path; its footer carries the marks."""
    rows = rows.replace_schema_metadata(dict(marks))
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, rows.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({"format": str(FORMAT), "file": path, "sha256": _BLANK.decode()})
    content = sink.getvalue()
    at = content.rindex(_KEY + _BLANK) + len(_KEY)
    return content[:at] + hashlib.sha256(content).hexdigest().encode() + content[at + len(_BLANK) :]


def emptied(path: str, why: str) -> bytes:
    """A file without rows, in the place of one that went to quarantine: its number is never used again."""
    return encode(SCHEMAS[table_of(path)].empty_table(), path, {EMPTIED.decode(): why})


def decode(content: memoryview, schema: pa.Schema | None) -> pa.Table:
    """The rows, of a schema's columns if it is given; those that an older file lacks are null.

    Raises:
        DamagedError: a page of it was damaged since it was looked at.
    """
    try:
        return pq.read_table(pa.BufferReader(pa.py_buffer(content)), schema=schema, page_checksum_verification=True)
    except _UNREADABLE as error:
        raise DamagedError(str(error).partition("\n")[0]) from error


def inspect(content: memoryview, path: str) -> Found:
    """What is in a file that was found under this path.

    Raises:
        DamagedError: it is not, byte for byte, what noiseflow wrote there.
        NewerError: a later noiseflow wrote it.
    """
    sealed = _check_digest(content)
    try:
        return _inspect_parquet(pa.py_buffer(content), path, sealed=sealed)
    except _UNREADABLE as error:
        told = str(error).partition("\n")[0] if content.nbytes else "it is empty"
        raise DamagedError(f"it cannot be read as Parquet ({told[:160]})") from error


def _check_digest(view: memoryview) -> bool:
    """Whether there is a digest; it is right.

    Found by its bytes and not by Parquet's own reader, which may overlook a footer key after a bit flipped in the footer.
    """
    tail = bytes(view[-(1 << 20) :])  # a footer is some kilobytes; a mebibyte holds any study
    at = tail.rfind(_KEY)
    if at < 0:
        return False
    begin = len(view) - len(tail) + at + len(_KEY)
    digest = hashlib.sha256(view[:begin])
    digest.update(_BLANK)
    digest.update(view[begin + len(_BLANK) :])
    if digest.hexdigest().encode() != view[begin : begin + len(_BLANK)]:
        raise DamagedError("its bytes do not match its sha256")
    return True


def _inspect_parquet(buffer: pa.Buffer, path: str, *, sealed: bool) -> Found:
    metadata = pq.read_metadata(pa.BufferReader(buffer))
    marks = metadata.metadata or {}
    version = int(marks.get(b"format", 1))
    if version > FORMAT:
        raise NewerError(str(version))
    if version > 1 and not sealed:
        raise DamagedError("its sha256 is missing")
    if version == 1:
        _check_format_1(buffer, marks)
    elif marks[b"file"].decode() != path:
        raise DamagedError(f"it was written as {marks[b'file'].decode()}")
    table = table_of(path)
    _check_schema(metadata.schema.to_arrow_schema(), table, older=version == 1)
    batch = marks.get(b"batch")
    return Found(
        identities=_identities(buffer, table),
        batch=batch.decode() if batch else None,
        software=json.loads(marks.get(b"software", b"{}")),
        emptied=EMPTIED in marks,
    )


def _check_format_1(buffer: pa.Buffer, marks: Mapping[bytes, bytes]) -> None:
    """All pages are read, for nothing else proves such a file."""
    if bytes(memoryview(buffer)[:4]) != b"PAR1":
        raise DamagedError("it does not begin as Parquet does")
    if not marks.keys() & {b"study", b"batch"}:
        raise DamagedError("noiseflow did not write it")
    pq.ParquetFile(pa.BufferReader(buffer), page_checksum_verification=True).read()


def _check_schema(schema: pa.Schema, table: str, *, older: bool) -> None:
    expected = SCHEMAS[table]
    lacking = set(expected.names) - set(schema.names)
    tolerated = ADDED_IN_FORMAT_1 if older and table in IDENTITIES else frozenset()
    known = pa.schema([field for field in expected if field.name not in lacking])
    if not lacking <= tolerated or not schema.remove_metadata().equals(known):
        raise DamagedError(f"its columns are not those of {table}")


def _identities(buffer: pa.Buffer, table: str) -> frozenset[Identity]:
    if table not in IDENTITIES:
        return frozenset()
    columns = pq.read_table(pa.BufferReader(buffer), columns=IDENTITIES[table]).to_pydict()
    return frozenset(zip(*(columns[name] for name in IDENTITIES[table]), strict=True))
