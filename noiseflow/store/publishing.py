"""How a batch becomes the next files of a store: whole or not at all, and no trial twice, whoever else is publishing.

The rows of a batch become the next file of a numbered sequence, and creating a file that exists is refused. So of two that
want one number the second looks at what the first has brought, drops it from its batch, and takes the next number. The file
of the trials decides. The curves and predictions of the batch wait beside it under `_pending` and follow; if the
process dies in between, the next run lets them follow. So a publisher reads only files with a higher number
than the last that it has seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from noiseflow.store import files
from noiseflow.store.catalogue import Catalogue
from noiseflow.store.files import DamagedError, encode
from noiseflow.store.guard import Guard
from noiseflow.store.known import NOTHING, STALE, Known, read_known, write_known
from noiseflow.store.objects import Objects, StoreError
from noiseflow.store.schemas import FOLLOWERS, IDENTITIES, identities_of, number_of, numbered, pending

ATTEMPTS = 5
"""Times that a batch is published anew after another process took it for lost."""
MOST_TAKEN = 1_000
"""Times that a number may be taken when a publisher wants it."""


class Publisher:
    """Creates the numbered files of a study."""

    def __init__(self, objects: Objects, catalogue: Catalogue, guard: Guard) -> None:
        self._objects = objects
        self._catalogue = catalogue
        self._guard = guard
        self._last: dict[str, int] = {}
        self._noted: dict[str, Known] = {}
        self._believed: set[str] = set()
        """Tables with notes that it believes, without having looked at the files."""

    def publish(self, trials: pa.Table, followers: Mapping[str, pa.Table], marks: Mapping[str, str]) -> int:
        """Publishes trials with their curves and predictions, less those that are there; how many."""
        for _ in range(ATTEMPTS):
            published = self._publish(trials, followers, {**marks, "batch": uuid4().hex})
            if published is not None:
                self._note("trials")
                return published
        raise StoreError(
            f"{self._objects.location} cannot be written: other processes took a batch for lost {ATTEMPTS} times while it "
            "was published. Look for what deletes or moves its files, then run again: its trials are trained anew."
        )

    def publish_replays(self, rows: pa.Table, marks: Mapping[str, str]) -> int:
        """Publishes trials that a campaign has trained again, less those that it has before; how many."""
        published = self.append("replays", rows, {**marks, "batch": uuid4().hex})[1]
        self._note("replays")
        return published

    def _publish(self, trials: pa.Table, followers: Mapping[str, pa.Table], marks: Mapping[str, str]) -> int | None:
        """The number of trials published; None if another process took the batch for lost before it was complete."""
        for table, rows in followers.items():
            path = pending(marks["batch"], table)
            self._objects.create(path, encode(rows, path, marks))
        number, published = self.append("trials", trials, marks)
        if published and not self.follow(number, followers, marks):
            self._guard.move(numbered("trials", number), "its curves or predictions were taken for lost")
            return None
        self._delete_waiting(marks["batch"])
        return published

    def append(self, table: str, rows: pa.Table, marks: Mapping[str, str]) -> tuple[int, int]:
        """Creates the next file of a table, of the rows that are not there yet; its number, and how many rows it has."""
        keys = identities_of(rows.select(IDENTITIES[table]))
        number = self._next_number(table, keys)
        for _ in range(MOST_TAKEN):
            there = self._catalogue.identities(table)
            new = rows.filter(pa.array([key not in there for key in keys], pa.bool_()))
            if not new.num_rows:
                return 0, 0
            if self._is_free(table, number) and self.created(numbered(table, number), new, marks):
                self._last[table] = number
                return number, new.num_rows
            number = self._learn(table, number)
        raise StoreError(
            f"{self._objects.location}/{numbered(table, number)} cannot be written: the number was taken {MOST_TAKEN:,} times. "
            "Look at what else writes there, then run again: what was published is kept."
        )

    def _next_number(self, table: str, keys: Collection[str]) -> int:
        """The highest number that was published, plus one. A file that is not ours may have it: `append` tries the next.

        All publishers want the same number, so that none overlooks what another has published. What this process knows is
        believed as long as the last file that it knows is as it was: a folder that was deleted is looked at anew. So is what
        an earlier process has noted, unless it may have one of these rows.
        """
        if table not in self._last and self._is_noted(table):
            self._believed.add(table)
            self._last[table] = self._noted[table].number
        last = self._last.get(table)
        if (
            last is None
            or not self._catalogue.is_as_it_was(numbered(table, last))
            or (table in self._believed and self._noted[table].may_have(keys))
        ):
            self._guard.move_damaged(self._damaged(table))
            last = self._looked_at_all(table)
        return last + 1

    def _is_noted(self, table: str) -> bool:
        """Whether an earlier process has noted what is there, and the last of these files is as it was."""
        self._noted[table] = known = read_known(self._objects, table) or NOTHING
        path = numbered(table, known.number)
        is_there = self._catalogue.tag_of(path) is not None or self._catalogue.add(path) is not None
        return is_there and self._catalogue.tag_of(path) == known.tag

    def _looked_at_all(self, table: str) -> int:
        """The highest number, once the catalogue has looked at all files."""
        self._believed.discard(table)
        paths = (path for path in self._catalogue.found if path.startswith(f"{table}/"))
        self._last[table] = last = max((number_of(path) or 0 for path in paths), default=0)
        if not self._is_noted(table):
            self._noted[table] = NOTHING
        return last

    def note_all(self) -> None:
        """Notes what is there for the processes to come, once the catalogue has looked at all files."""
        for table in IDENTITIES:
            self._looked_at_all(table)
            self._note(table)

    def _note(self, table: str) -> None:
        """Notes what is there, where the note lacks much of it; that it cannot be written costs time only."""
        noted, last = self._noted[table], self._last[table]
        if last - noted.number < STALE:
            return
        after, path = numbered(table, noted.number), numbered(table, last)
        new = [
            identity
            for name, found in self._catalogue.found.items()
            if name.startswith(f"{table}/") and (len(name), name) > (len(after), after)
            for identity in found.identities
        ]
        self._noted[table] = noted.extended(last, self._catalogue.tag_of(path) or "", new)
        with suppress(StoreError):
            write_known(self._objects, table, self._noted[table])

    def _damaged(self, table: str) -> list[str]:
        self._catalogue.refresh(table)
        return [path for path in self._catalogue.damaged if path.startswith(f"{table}/")]

    def _is_free(self, table: str, number: int) -> bool:
        """Whether no curves have this number. They may belong to trials that someone took away; creation checks trials."""
        return table != "trials" or all(self._objects.tag(numbered(name, number)) is None for name in FOLLOWERS)

    def _learn(self, table: str, number: int) -> int:
        """Looks at what others have published from this number on; the first number that is free."""
        while True:
            path = numbered(table, number)
            is_free = self._is_free(table, number)  # first: trials are there before their curves are
            known = self._catalogue.add(path) is not None
            if path in self._catalogue.damaged:
                self._guard.move_damaged([path])
            elif not known and is_free:
                return number
            number += 1

    def follow(self, number: int, followers: Mapping[str, pa.Table], marks: Mapping[str, str]) -> bool:
        """Lets curves and predictions follow the trials with this number; False if another process took them for lost."""
        ids = pa.array(self._catalogue.found[numbered("trials", number)].identities, pa.string())
        for table, rows in followers.items():
            path = numbered(table, number)
            if not self.created(path, rows.filter(pc.is_in(rows["trial_id"], ids)), marks):
                found = self._catalogue.add(path)
                if found is None or found.batch != marks["batch"]:
                    return False
        return True

    def created(self, path: str, rows: pa.Table, marks: Mapping[str, str]) -> bool:
        """Creates a file of these rows and reads it back; False if there is one.

        Raises:
            StoreError: it could not be read.
        """
        content = encode(rows, path, marks)
        try:
            files.inspect(content, path)
        except DamagedError as error:
            raise StoreError(
                f"{self._objects.location}/{path} cannot be written so that it can be read: {error}."
            ) from error
        if not self._objects.create(path, content):
            return False
        if self._catalogue.add(path) is None:
            why = self._catalogue.damaged[path].why if path in self._catalogue.damaged else "it is gone"
            raise StoreError(
                f"{self._objects.location}/{path} cannot be read back: {why}. Look at the disk, then run again."
            )
        return True

    def _delete_waiting(self, batch: str) -> None:
        for table in FOLLOWERS:
            self._objects.delete(pending(batch, table))
