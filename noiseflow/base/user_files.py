"""How a file that a study names is opened: a regular file, and of a study that came over the network one below its folder."""

from __future__ import annotations

import os
from io import BufferedReader
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

MAX_DIRECTORY = 2**24
"""Largest table of contents of an archive in bytes: some 200,000 members. zipfile reads it whole."""
_END_OF_ARCHIVE = b"PK\5\6"


class NotAFileError(OSError):
    """What lies there is a folder, a pipe or a device."""


class DataFolder:
    """The folder that NOISEFLOW_DATA names: looked up once, and read through its open handle.

    A path is allowed or refused once, by where it leads then. Whoever changes links or folders afterwards changes nothing:
    files are opened from the handle, part by part, and no part may be a link.

    Raises:
        OSError: there is no such folder.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).resolve()
        self._handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def allow(self, path: str) -> bool:
        """Whether the path leads below this folder; if so, `open_file` reads it through the handle from now on."""
        try:
            found = Path(path).resolve()
        except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL in the name
            return False
        if not found.is_relative_to(self.path):
            return False
        _ALLOWED[str(path)] = self, found.relative_to(self.path).parts
        return True

    def open(self, parts: tuple[str, ...]) -> int:
        """A descriptor of the file with these parts of a path below the folder.

        Raises:
            OSError: it is not there, or a part is a link.
        """
        at = os.dup(self._handle)
        for i, part in enumerate(parts):
            kind = os.O_NONBLOCK if i == len(parts) - 1 else os.O_DIRECTORY
            try:
                inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | kind, dir_fd=at)
            finally:
                os.close(at)
            at = inner
        return at


_ALLOWED: dict[str, tuple[DataFolder, tuple[str, ...]]] = {}
"""Paths of studies that came over the network, in this process."""


def changed(path: str | Path) -> tuple[int, int]:
    """When the file was changed, and its size.

    Raises:
        OSError: as `open_file` does.
    """
    with open_file(path) as file:
        stat = os.fstat(file.fileno())
    return stat.st_mtime_ns, stat.st_size


def open_file(path: str | Path) -> BufferedReader:
    """The regular file of this path, to be read; a pipe would keep the reader waiting, and a device never end.

    Raises:
        NotAFileError: it is something else.
        OSError: it cannot be opened.
    """
    folder, parts = _ALLOWED.get(str(path), (None, ()))
    opened = folder.open(parts) if folder else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise NotAFileError(f"{str(path)!r} is no file")
    return os.fdopen(opened, "rb")


def check_directory(file: BinaryIO) -> None:
    """Sees that the table of contents of an archive is of a reasonable size, before zipfile reads it.

    Raises:
        ValueError: it is not.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    at = tail.rfind(_END_OF_ARCHIVE)
    file.seek(0)
    n_bytes = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    if n_bytes > MAX_DIRECTORY:
        raise ValueError(f"its table of contents has {n_bytes:,} bytes, at most {MAX_DIRECTORY:,} are read")


def open_archive(path: str | Path) -> BufferedReader:
    """`open_file` for an archive, which must have a table of contents of a reasonable size.

    Raises:
        OSError, ValueError: as `open_file` and `check_directory` do.
    """
    file = open_file(path)
    try:
        check_directory(file)
    except BaseException:
        file.close()
        raise
    return file
