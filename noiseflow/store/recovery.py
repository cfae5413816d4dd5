"""Recovery: the next run repairs what a dead process left, or what somebody damaged.

Damaged files go to quarantine, and batches of dead processes are completed or dropped. After it each trial is there once, and
has its curves and predictions.
"""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import suppress
from pathlib import PurePosixPath
from uuid import uuid4

from noiseflow.store import files
from noiseflow.store.catalogue import Catalogue
from noiseflow.store.files import DamagedError, NewerError, decode, emptied
from noiseflow.store.guard import Guard, logger
from noiseflow.store.objects import Objects
from noiseflow.store.publishing import Publisher
from noiseflow.store.schemas import FOLLOWERS, IDENTITIES, SCHEMAS, number_of, numbered, pending
from noiseflow.store.waiting import Clock, overdue, retention

LOOKED_AT_AGAIN = 2_000
"""Files that a run looks at again although an earlier run did: all of a small store, a random choice of a large one."""
PRUNED = "pruned"


class Recovery:
    """Makes the files of a study whole."""

    def __init__(
        self, objects: Objects, catalogue: Catalogue, guard: Guard, publisher: Publisher, clock: Clock
    ) -> None:
        self._objects = objects
        self._catalogue = catalogue
        self._guard = guard
        self._publisher = publisher
        self._clock = clock

    def recover(self) -> None:
        """Looks at the files, moves what is damaged to quarantine, and completes or drops batches of dead processes.

        Files that an earlier run looked at and that are as they were then are looked at again up to LOOKED_AT_AGAIN, at random.
        """
        self._look()
        self._guard.move_damaged()
        self._complete_waiting()
        for path in self._followers():
            if why := self._misplaced(path):
                self._guard.move(path, why)
        self._take_out_doubled()
        self._catalogue.write_index()
        self._publisher.note_all()

    def is_whole(self) -> bool:
        """Whether `recover` would find nothing to move, to complete or to drop; it looks as that does, and moves nothing."""
        self._look()
        numbers = [{number_of(path) for path in self._catalogue.listed(table)} for table in (*FOLLOWERS, "trials")]
        waiting = any(path.endswith(".parquet") for path in self._objects.listed("_pending"))
        if self._catalogue.damaged or waiting or any(found != numbers[-1] for found in numbers):
            return False
        return not any(map(self._misplaced, self._followers())) and not any(map(self._doubled, IDENTITIES))

    def _look(self) -> None:
        for table in (*FOLLOWERS, *(name for name in SCHEMAS if name not in FOLLOWERS)):
            self._catalogue.refresh(table)  # curves and predictions before the trials that they follow
        only_indexed = sorted(self._catalogue.found.keys() - self._catalogue.seen)
        random.Random(uuid4().hex).shuffle(only_indexed)
        self._catalogue.reread(only_indexed[:LOOKED_AT_AGAIN])

    def _followers(self) -> list[str]:
        return sorted(path for path in self._catalogue.found if path.startswith(FOLLOWERS))

    def _misplaced(self, path: str) -> str:
        """Why sound curves or predictions cannot stay: they do not belong to the trials of their number."""
        found, decides = self._catalogue.found.get(path), numbered("trials", number_of(path) or 0)
        trials = self._catalogue.found.get(decides)
        if found is None:
            return ""
        if trials is None:
            return "" if decides in self._catalogue.damaged else f"{decides} is gone"
        if found.emptied == PRUNED:
            return ""
        if (trials.emptied is None) != (found.emptied is None):
            return "its trials and it were not put into quarantine together"
        return "" if trials.batch == found.batch else f"it is not of the batch of {decides}"

    def _take_out_doubled(self) -> None:
        """Takes doubled trials out of the later batch: somebody deleted files while processes published there."""
        for table in IDENTITIES:
            for path, doubled in self._doubled(table):
                self._guard.take_out(path, doubled)

    def _doubled(self, table: str) -> list[tuple[str, set[str]]]:
        """The files that have rows which an earlier file of the table has too, and these rows' identities."""
        paths = [path for path in sorted(self._catalogue.found) if path.startswith(f"{table}/")]
        identities = {path: self._catalogue.found[path].identities for path in paths}
        if sum(map(len, identities.values())) == len(self._catalogue.identities(table)):
            return []
        there: set[str] = set()
        found = []
        for path in paths:
            if doubled := there.intersection(identities[path]):
                found.append((path, doubled))
            there.update(identities[path])
        return found

    def _complete_waiting(self) -> None:
        """Completes waiting batches, drops those that wait for too long, and finds trials without curves or predictions."""
        numbers = {self._catalogue.found[path].batch: number_of(path) for path in self._catalogue.refresh("trials")}
        waiting = defaultdict(list)
        for path in self._objects.listed("_pending"):
            if not path.endswith((".json", ".lock")):
                waiting[PurePosixPath(path).name.partition("-")[0]].append(path)
        broken = {
            numbers[batch] for batch in waiting if batch in numbers and not self._completed(batch, numbers[batch])
        }
        late = overdue(self._objects, waiting.keys() - numbers.keys(), self._clock, retention())
        for batch in late | (waiting.keys() & numbers.keys()):
            for path in waiting[batch]:
                self._objects.delete(path)
        for number in numbers.values():
            if number is not None and self._needs_followers(number, broken):
                self._move_if_alone(number)

    def _completed(self, batch: str, number: int | None) -> bool:
        """Lets the curves and predictions that wait follow the trials of this number; False if they were damaged."""
        followers, marks = {}, {}
        for table in FOLLOWERS:
            path = pending(batch, table)
            with suppress(FileNotFoundError):
                content = self._objects.get(path)
                try:
                    files.inspect(content, path)
                except (DamagedError, NewerError) as error:
                    logger.warning("%s/%s is damaged: %s. It is dropped.", self._objects.location, path, error)
                    return False
                followers[table] = decode(content)
                marks = {k.decode(): v.decode() for k, v in (followers[table].schema.metadata or {}).items()}
        self._publisher.follow(number or 0, followers, marks)
        return True

    def _needs_followers(self, number: int, broken: set[int | None]) -> bool:
        """Whether trials without curves are damage; folders of earlier formats were pruned by hand."""
        found = self._catalogue.found[numbered("trials", number)]
        return found.emptied is None and (found.version >= 3 or number in broken)

    def _move_if_alone(self, number: int) -> None:
        for table in FOLLOWERS:
            path = numbered(table, number)
            known = path in self._catalogue.found or path in self._catalogue.damaged
            if not known and self._objects.tag(path) is None:
                self._guard.move_lone_trials(number, path)
                return

    def prune(self, keep: int) -> int:
        """Drops the curves and predictions of all but the last so many batches; how many files became empty."""
        self.recover()
        numbers = [number_of(path) or 0 for path in self._catalogue.refresh("trials")]
        old = {numbered(table, number) for number in numbers[: max(len(numbers) - keep, 0)] for table in FOLLOWERS}
        old = {path for path in old if path in self._catalogue.found and self._catalogue.found[path].emptied is None}
        for path in sorted(old):
            self._objects.replace(path, emptied(path, PRUNED))
        return len(old)
