"""Moves damaged files to quarantine; their trials are trained again. Only files that noiseflow published are moved.

The file in quarantine leaves one without rows in its place, so that its number stays taken: no other trials get it, whatever
companions of it turn up, and no two processes that put the same file into quarantine can do harm. Of trials, curves and
predictions of one number all three go, the trials last: if the process dies before, the next look finds the curves emptied
and goes on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import PurePosixPath

import pyarrow as pa

from noiseflow.store.catalogue import Catalogue
from noiseflow.store.files import DamagedError, NewerError, decode, emptied, encode, inspect, is_foreign, marks_of
from noiseflow.store.objects import Objects
from noiseflow.store.schemas import (
    FOLLOWERS,
    IDENTITIES,
    SCHEMAS,
    identities_of,
    is_hashed,
    number_of,
    numbered,
    table_of,
)

logger = logging.getLogger("noiseflow.store")


class Guard:
    """Moves files of a study to quarantine."""

    def __init__(self, objects: Objects, catalogue: Catalogue) -> None:
        self._objects = objects
        self._catalogue = catalogue
        self._warned: set[str] = set()

    def move_damaged(self, paths: Iterable[str] | None = None) -> None:
        """Moves what is damaged, of these files or of all that were looked at; a warning names each."""
        damaged = self._catalogue.damaged
        for path in sorted(damaged if paths is None else damaged.keys() & set(paths), key=_followers_first):
            if path not in damaged:  # it went along with another
                continue
            if self.is_ours(path):
                self.move(path, damaged[path].why)
            else:
                self.warn_of_foreign(path)

    def is_ours(self, path: str) -> bool:
        """Whether noiseflow published what lies, or lay, under this path.

        Its own bytes may show it, or its name if that has a hash, or the index, or the files beside it with its number.
        """
        damage = self._catalogue.damaged.get(path)
        if damage is None or damage.ours or is_hashed(path) or self._catalogue.is_in_index(path):
            return True
        number = number_of(path)
        return number is not None and table_of(path) != "replays" and self._catalogue.is_known_of(number)

    def warn_of_foreign(self, path: str) -> None:
        """Says once that a file is left alone."""
        if path not in self._warned:
            self._warned.add(path)
            why = self._catalogue.damaged[path].why
            logger.warning(
                "%s/%s is no file of noiseflow's: %s. It is left where it is, and its rows do not count. Move it away.",
                self._objects.location,
                path,
                why,
            )

    def move(self, path: str, why: str) -> None:
        """Moves a file away, and of a batch the trials, curves and predictions together; a warning names it."""
        number = number_of(path)
        if number is None or table_of(path) == "datasets":
            kept = self._keep(path)
            self._objects.delete(path)
            self._catalogue.add(path)
        else:
            together = [path] if table_of(path) == "replays" else _batch_of(number)
            kept = {member: self._keep(member) for member in together}[path]
            for member in together:
                self._empty(member, f"{path}: {why}", itself=member == path)
        logger.warning("%s/%s is damaged: %s. %s", self._objects.location, path, why, _consequence(path, kept))

    def take_out(self, path: str, doubled: set[str]) -> None:
        """Takes rows that an earlier file has too out of a file, and out of the curves and predictions of its batch.

        The files as they were are kept in quarantine. The other rows stay: somebody may know that they are published. Of a
        batch the trials are written last: a process that dies half way leaves them doubled, and the next look completes it.
        """
        found = self._catalogue.found[path]
        if doubled >= set(found.identities):
            self.move(path, "all of its trials are in earlier files too")
            return
        number = number_of(path) or 0
        together = [path] if table_of(path) == "replays" else _batch_of(number)
        try:
            left = {member: reduced for member in together if (reduced := self._less(member, doubled, found.batch))}
        except (FileNotFoundError, DamagedError):  # what moves it finds it at the next look
            return
        for member, content in left.items():
            self._keep(member)
            self._objects.replace(member, content)
            self._catalogue.add(member)
        logger.warning(
            "%s/%s has %d trials that an earlier file has too. They were taken out of it, and are kept in quarantine.",
            self._objects.location,
            path,
            len(doubled),
        )

    def _less(self, path: str, doubled: Collection[str], batch: str | None) -> bytes | None:
        """The bytes of a file less these rows; None where it has no rows to lose."""
        content, table = self._objects.get(path), table_of(path)
        found = inspect(content, path)
        if found.emptied is not None:
            return None
        if found.batch != batch:
            raise DamagedError("it is another batch's")
        rows = decode(content, SCHEMAS[table])
        identities = identities_of(rows.select(IDENTITIES.get(table, ["trial_id"])))
        return encode(rows.filter(pa.array([one not in doubled for one in identities])), path, marks_of(content))

    def move_lone_trials(self, number: int, missing: str) -> None:
        """Moves the trials of a batch without curves or predictions, unless these arrive in this moment.

        The missing file is created, without rows. If that succeeds, the batch is lost, and its publisher will notice when it
        comes to create the same file; if the file is there by now, the publisher was only slow.
        """
        why = f"{missing} is missing"
        if self._objects.create(missing, emptied(missing, why)):
            self.move(numbered("trials", number), why)

    def _keep(self, path: str) -> str | None:
        """Copies a file into quarantine under a name that its bytes decide; None if there is nothing to keep."""
        try:
            content = self._objects.get(path)
        except FileNotFoundError:
            return None
        with suppress(DamagedError, NewerError):
            if inspect(content, path).emptied is not None:  # by another process
                return None
        digest = hashlib.sha256(content).hexdigest()[:16]
        kept = f"quarantine/{PurePosixPath(path).with_suffix('')}-{digest}.parquet"
        self._objects.create(kept, content)
        return kept

    def _empty(self, path: str, why: str, *, itself: bool) -> None:
        """Leaves a file without rows.

        Args:
            itself: whether the file was found to be damaged itself. One that only goes along with another is left alone where
                it is somebody else's: the folder may have been deleted and filled anew meanwhile.
        """
        content = emptied(path, why)
        try:
            if itself or not is_foreign(self._objects.get(path)):
                self._objects.replace(path, content)
        except FileNotFoundError:
            self._objects.create(path, content)
        self._catalogue.add(path)


def _followers_first(path: str) -> tuple[bool, str]:
    return table_of(path) not in FOLLOWERS, path


def _batch_of(number: int) -> list[str]:
    """The files with this number, the trials last."""
    return [numbered(table, number) for table in (*FOLLOWERS, "trials")]


def _consequence(path: str, kept: str | None) -> str:
    moved = f"It was moved to {kept}" if kept else "It was moved to quarantine before"
    table = table_of(path)
    if table == "datasets":
        return f"{moved}; its rows are generated again."
    consequence = (
        "what it repeated is trained again by the campaign" if table == "replays" else "its trials are trained again"
    )
    return f"{moved}; {consequence if table in IDENTITIES or table in FOLLOWERS else 'nothing else depends on it'}."
