"""The content behind a name in a study: a file's bytes, or the version of the package that an entry point comes from."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from noiseflow.base.entry_points import find_entry_point
from noiseflow.base.user_files import open_file

if TYPE_CHECKING:
    from noiseflow.study import Architecture, Dataset


LARGE = 2**28
"""Bytes of a file from which on its digest is kept as long as the file seems unchanged: every cell of a plan asks for it."""


def _digest(path: str, _stamp: tuple[int, ...]) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_known_digest = lru_cache(maxsize=8)(_digest)


def content_digest(part: Dataset | Architecture) -> str | None:
    """A digest of the content behind a part's path or entry point; None where its settings say all.

    Raises:
        OSError: the file cannot be read.
        LookupError: there is no such entry point.
    """
    if part.path is not None:
        digests = []
        for path in (part.path, getattr(part, "test_path", None)):
            if path is not None:
                with open_file(path) as file:
                    stat = os.fstat(file.fileno())
                known = _known_digest if stat.st_size > LARGE else _digest
                digests.append(known(path, (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)))
        return " ".join(digests)
    if part.entry_point is not None:
        found = find_entry_point(part.entry_points, part.entry_point)
        version = found.dist.version if found.dist else "?"
        return f"{found.value} {version}"
    return None
