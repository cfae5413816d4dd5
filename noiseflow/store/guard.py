"""Nothing is read from a store before it was looked at; what is damaged goes to quarantine, and its trials are trained again.

The file in quarantine leaves one without rows in its place, so that its number stays taken: no other trials get it, whatever
companions of it turn up, and no two processes that put the same file into quarantine can do harm. Of trials, curves and
predictions of one number all three go, the trials last: if the process dies before, the next look finds the curves emptied
and goes on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import PurePosixPath

from noiseflow.faults import InvalidInputError
from noiseflow.store.files import FORMAT, DamagedError, Found, NewerError, emptied, inspect
from noiseflow.store.objects import Objects
from noiseflow.store.schemas import FOLLOWERS, IDENTITIES, number_of, numbered, table_of

logger = logging.getLogger("noiseflow.store")
AT_ONCE = 8
"""Files looked at side by side: hashing and the network both leave Python free."""


class Guard:
    """Looks at each file of a study once, and remembers what it found."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.found: dict[str, Found] = {}

    def sound(self, paths: Iterable[str]) -> list[str]:
        """Those of these files that are sound, after the others were moved to quarantine.

        Raises:
            InvalidInputError: a later noiseflow wrote one of them; nothing was moved.
        """
        paths = list(paths)
        companions = {numbered("trials", number) for p in paths if _follows(p) and (number := number_of(p))}
        for path, why in sorted(
            self._look({*paths, *companions}).items(), key=lambda item: (_follows(item[0]), item[0])
        ):
            if path not in self.found:  # it may have gone along with another
                self.quarantine(path, why)
        for path in paths:
            if path in self.found and (why := self._misplaced(path)):
                self.quarantine(path, why)
        return [path for path in paths if path in self.found]

    def quarantine(self, path: str, why: str) -> None:
        """Moves a file away, and of a batch the trials, curves and predictions together; a warning names it."""
        number = number_of(path)
        if number is None or table_of(path) == "datasets":
            kept = self._keep(path)
            self._objects.delete(path)
            self.found.pop(path, None)
        else:
            together = [path] if table_of(path) == "replays" else _batch_of(number)
            kept = {member: self._keep(member) for member in together}[path]
            for member in together:
                self._empty(member, f"{path}: {why}")
        logger.warning("%s/%s is damaged: %s. %s", self._objects.location, path, why, _consequence(path, kept))

    def _look(self, paths: set[str]) -> dict[str, str]:
        """Looks at the files that were not looked at yet; the damaged ones, and why."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            looks = dict(zip(new := sorted(paths - self.found.keys()), pool.map(self._inspected, new), strict=True))
        if newer := [(path, look) for path, look in looks.items() if isinstance(look, NewerError)]:
            raise InvalidInputError([self._refusal(path, str(look)) for path, look in newer[:1]])
        self.found |= {path: look for path, look in looks.items() if isinstance(look, Found)}
        return {path: str(look) for path, look in looks.items() if isinstance(look, DamagedError)}

    def _inspected(self, path: str) -> Found | DamagedError | NewerError | None:
        """What a look at a file brings; None if it is gone."""
        try:
            look = inspect(self._objects.get(path), path)
        except (DamagedError, NewerError) as error:
            return error
        except FileNotFoundError:
            return None
        return look if number_of(path) or table_of(path) == "datasets" else DamagedError("its name is not a number")

    def _misplaced(self, path: str) -> str:
        """Why sound curves or predictions cannot stay: they are not those of the trials of their number."""
        if not _follows(path) or (self.found[path].emptied and self._is_emptied(_trials_of(path))):
            return ""
        trials = self.found.get(_trials_of(path))
        if trials is None:
            return f"{_trials_of(path)} is gone"
        if trials.emptied != self.found[path].emptied:
            return "its trials and it were not put into quarantine together"
        return "" if trials.batch == self.found[path].batch else f"it is not of the batch of {_trials_of(path)}"

    def _is_emptied(self, path: str) -> bool:
        return path in self.found and self.found[path].emptied

    def _keep(self, path: str) -> str | None:
        """Copies a file into quarantine under a name that its bytes decide; None if there is nothing to keep."""
        if self._is_emptied(path):
            return None
        try:
            content = self._objects.get(path)
        except FileNotFoundError:
            return None
        with suppress(DamagedError, NewerError):
            if inspect(content, path).emptied:  # by another process
                return None
        digest = hashlib.sha256(content).hexdigest()[:16]
        kept = f"quarantine/{PurePosixPath(path).with_suffix('')}-{digest}.parquet"
        self._objects.create(kept, bytes(content))
        return kept

    def _empty(self, path: str, why: str) -> None:
        self._objects.replace(path, content := emptied(path, why))
        self.found[path] = inspect(memoryview(content), path)

    def _refusal(self, path: str, version: str) -> str:
        return (
            f"{self._objects.location}/{path} must be of format {FORMAT} or older; received format {version}, "
            "which a newer noiseflow wrote. Upgrade noiseflow, or choose another place for the results."
        )


def _follows(path: str) -> bool:
    return table_of(path) in FOLLOWERS


def _trials_of(path: str) -> str:
    return numbered("trials", number_of(path) or 0)


def _batch_of(number: int) -> list[str]:
    """The files that bear this number, the trials last."""
    return [numbered(table, number) for table in (*FOLLOWERS, "trials")]


def _consequence(path: str, kept: str | None) -> str:
    moved = f"It was moved to {kept}" if kept else "It was moved to quarantine before"
    table = table_of(path)
    if table == "datasets":
        return f"{moved}; its rows are generated again."
    whose = (
        "what it repeated is trained again by the campaign" if table == "replays" else "its trials are trained again"
    )
    return f"{moved}; {whose if table in IDENTITIES or table in FOLLOWERS else 'nothing else depends on it'}."
