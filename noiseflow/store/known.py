"""A note of a table's rows, so that the next process can publish without looking at all files.

It holds a digest of each row in the files up to a number. A process believes it as long as the last of these files is as it
was. That a row is not in the note is believed; where it is in the note, the files themselves are looked at. A note that is
damaged, old or gone costs time only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from noiseflow.store.objects import Objects

STALE = 32
"""Files that it may lack before a publisher writes it again."""
_DIGEST = "<u8"


class Known(NamedTuple):
    """The number of a file, its tag, and the digests of the rows up to it, ascending."""

    number: int
    tag: str
    digests: NDArray[np.uint64]

    def may_have(self, identities: Iterable[str]) -> bool:
        """Whether one of these rows may be among them; a false alarm has a chance of one in 10^11."""
        wanted = digests_of(identities)
        at = np.searchsorted(self.digests, wanted)
        return bool((self.digests.take(at, mode="clip") == wanted).any()) if len(self.digests) else False

    def extended(self, number: int, tag: str, identities: Iterable[str]) -> Known:
        """The note up to a later file, with the rows of the files in between."""
        new = digests_of(identities)
        return Known(number, tag, np.insert(self.digests, np.searchsorted(self.digests, new), new))


NOTHING = Known(0, "", np.empty(0, _DIGEST))


def digests_of(identities: Iterable[str]) -> NDArray[np.uint64]:
    """Eight bytes of a hash of each, ascending."""
    joined = b"".join(hashlib.blake2b(one.encode(), digest_size=8).digest() for one in identities)
    return np.sort(np.frombuffer(joined, _DIGEST))


def read_known(objects: Objects, table: str) -> Known | None:
    """What was written down last; None if it is not there as it was written."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        digest, head, body = objects.get(_path(table)).split(b"\n", 2)
        if hashlib.sha256(head + body).hexdigest().encode() == digest:
            marks = json.loads(head)
            return Known(int(marks["number"]), str(marks["tag"]), np.frombuffer(body, _DIGEST))
    return None


def write_known(objects: Objects, table: str, known: Known) -> None:
    """Writes it down for the processes to come."""
    head, body = json.dumps({"number": known.number, "tag": known.tag}).encode(), known.digests.tobytes()
    objects.replace(_path(table), b"\n".join([hashlib.sha256(head + body).hexdigest().encode(), head, body]))


def _path(table: str) -> str:
    return f"_index/{table}.known"
