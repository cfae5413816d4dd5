"""Text files that are packed: by the end of their names, unpacked on the way, and no further than asked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from noiseflow.base.faults import InvalidInputError
from noiseflow.base.user_files import check_directory

PLAIN_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data")
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What unpacking a broken file raises; of bz2 an OSError besides."""


def suffix_of(path: str) -> str:
    """`.csv`, or `.csv.gz`."""
    name = Path(path).name.lower()
    return next((one for one in TEXT_SUFFIXES if name.endswith(one)), Path(name).suffix)


def unpacked(path: str, file: BinaryIO, most: int) -> BinaryIO:
    """The bytes of a text file; of a packed one no more than `most` + 1."""
    text = streamed(path, file)
    return file if text is file else io.BytesIO(text.read(most + 1))


def streamed(path: str, file: BinaryIO) -> BinaryIO:
    """The bytes of a text file, to be read once from begin to end; a packed one is unpacked on the way."""
    unpack = next((unpack for end, unpack in PACKED.items() if suffix_of(path).endswith(end)), None)
    return unpack(file) if unpack else file


def _only_member(file: BinaryIO) -> BinaryIO:
    """The one text file of a .zip archive."""
    check_directory(file)
    archive = zipfile.ZipFile(file)
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1 or Path(names[0]).suffix.lower() not in PLAIN_SUFFIXES:
        shown = ", ".join(repr(name[:80]) for name in names[:10]) or "nothing"
        received = f"received an archive with {shown}. Unpack it, and name the file that is meant"
        raise InvalidInputError([f"path must be a .zip file with one text file in it; {received}."])
    return archive.open(names[0])  # type: ignore[return-value]


PACKED: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zip": _only_member,
}
"""How text files are unpacked, by the end of their names."""
TEXT_SUFFIXES = (*(f"{plain}{packed}" for packed in PACKED for plain in PLAIN_SUFFIXES), *PLAIN_SUFFIXES, ".zip")
