"""What is known of a store's files: each is looked at once, and known for as long as its tag stays the same.

Runs keep what was found in `_index/found.parquet`, so that the next process opens a store of ten thousand batches in a
second. The index decides nothing: a file with another tag, or one that the index lacks, is itself looked at. An index that
is damaged, old or gone costs time only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from noiseflow.base.faults import InvalidInputError
from noiseflow.store import files
from noiseflow.store.files import DamagedError, Found, NewerError
from noiseflow.store.objects import Objects, each
from noiseflow.store.schemas import FOLLOWERS, number_of, numbered, table_of

INDEX = "_index/found.parquet"
STALE = 64
"""The index is written again once it lacks so many files and a sixteenth of those that it holds."""
_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("path", "tag"), pa.string()),
        "identities": pa.list_(pa.string()),
        **dict.fromkeys(("batch", "software", "emptied"), pa.string()),
        "version": pa.int64(),
    }
)


@dataclass(frozen=True)
class Damage:
    """What is wrong with a file. ours: its own bytes show that noiseflow wrote it once."""

    why: str
    ours: bool


class Catalogue:
    """What was found in the files of a study.

    found: of the sound ones. damaged: of the others.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.forget()

    def forget(self) -> None:
        """Forgets all of it."""
        self.found: dict[str, Found] = {}
        self.damaged: dict[str, Damage] = {}
        self._identities: dict[str, set[str]] = {}
        self.seen: set[str] = set()
        """Files that this process has read itself."""
        self._tags: dict[str, str] = {}
        self._index: dict[str, tuple[str, Found]] | None = None
        self._as_listed: dict[str, dict[str, str]] | None = None

    def refresh(self, table: str) -> list[str]:
        """The sound files of a table as they are now, ascending; the others are in `damaged`.

        Raises:
            InvalidInputError: a later noiseflow wrote one of them.
            StoreError: the place does not answer.
        """
        listed = self.listed(table)
        gone = [path for path in self._tags if table_of(path) == table and listed.get(path) != self._tags[path]]
        self._drop(gone)
        new = [path for path in listed if path not in self._tags]
        self._look(new, listed)
        return [path for path in listed if path in self.found]

    def listed(self, table: str) -> dict[str, str]:
        """The Parquet files right in a folder, each with its tag; nothing else is ever opened."""
        if self._as_listed is not None and table in self._as_listed:
            return self._as_listed[table]
        found = {path: tag for path, tag in self._objects.listed(table).items() if path.endswith(".parquet")}
        if self._as_listed is not None:
            self._as_listed[table] = found
        return found

    @contextmanager
    def listed_once(self) -> Iterator[None]:
        """Within it each folder is listed once: what others publish meanwhile is not seen."""
        self._as_listed = {}
        try:
            yield
        finally:
            self._as_listed = None

    def add(self, path: str) -> Found | None:
        """Looks at one file as it is now; None if it is gone or damaged."""
        self._drop([path])
        if (tag := self._objects.tag(path)) is not None:
            self._look([path], {path: tag}, believing=False)
        return self.found.get(path)

    def identities(self, table: str) -> set[str]:
        """The identities of the rows in all sound files of a table, as far as they were looked at."""
        if table not in self._identities:
            self._identities[table] = {
                one for path, found in self.found.items() if path.startswith(f"{table}/") for one in found.identities
            }
        return self._identities[table]

    def reread(self, paths: Iterable[str]) -> None:
        """Reads the files that so far were only looked up in the index."""
        paths = [path for path in paths if path in self._tags]
        tags = {path: self._tags[path] for path in paths}
        self._drop(paths)
        self._look(paths, tags, believing=False)

    def tag_of(self, path: str) -> str | None:
        """The tag of a file when it was looked at."""
        return self._tags.get(path)

    def is_as_it_was(self, path: str) -> bool:
        """Whether a file is the one that was looked at."""
        return path in self._tags and self._objects.tag(path) == self._tags[path]

    def is_known_of(self, number: int) -> bool:
        """Whether noiseflow published under this number: one of the batch's files shows it, or the index has it."""
        paths = [numbered(table, number) for table in ("trials", *FOLLOWERS)]
        marked = any(path in self.found or (path in self.damaged and self.damaged[path].ours) for path in paths)
        return marked or any(self.is_in_index(path) for path in paths)

    def is_in_index(self, path: str) -> bool:
        """Whether the index has this path."""
        return path in self._read_index()

    # -- looking --------------------------------------------------------------------------------------------------------

    def _look(self, paths: Iterable[str], tags: dict[str, str], *, believing: bool = True) -> None:
        """Looks at files: in the index where it has them as they are and is to be believed, else at their bytes."""
        index = self._read_index() if believing and paths else {}
        unknown = []
        for path in paths:
            tag, found = index.get(path, ("", None))
            if found is not None and tag == tags[path]:
                self._keep(path, tag, found)
            else:
                unknown.append(path)
        looks = dict(zip(unknown, each(self._objects, self._inspected, unknown), strict=True))
        if newer := [(path, look) for path, look in looks.items() if isinstance(look, NewerError)]:
            raise InvalidInputError([self._refusal(path, str(look)) for path, look in newer[:1]])
        for path, look in looks.items():
            if isinstance(look, Found | Damage):
                self.seen.add(path)
                self._keep(path, tags[path], look)

    def _inspected(self, path: str) -> Found | Damage | NewerError | None:
        """What a look at a file finds; None if it is gone. Damage is believed when it is seen twice."""
        for second in (False, True):
            try:
                found = files.inspect(self._objects.get(path), path)
            except NewerError as error:
                return error
            except FileNotFoundError:
                return None
            except DamagedError as error:
                if second:
                    return Damage(str(error), error.ours)
            else:
                is_named = number_of(path) or table_of(path) == "datasets" or path.startswith("_pending/")
                return found if is_named else Damage("its name is not a number", ours=False)
        raise AssertionError  # the second look returns

    def _keep(self, path: str, tag: str, look: Found | Damage) -> None:
        self._tags[path] = tag
        if isinstance(look, Damage):
            self.damaged[path] = look
            return
        self.found[path] = look
        if (known := self._identities.get(table_of(path))) is not None:
            known.update(look.identities)

    def _drop(self, paths: Iterable[str]) -> None:
        for path in paths:
            if path in self.found and self.found[path].identities:
                self._identities.pop(table_of(path), None)
            for known in (self.found, self.damaged, self._tags):
                known.pop(path, None)
            self.seen.discard(path)

    def _refusal(self, path: str, version: str) -> str:
        return (
            f"{self._objects.location}/{path} must be of format {files.FORMAT} or older; received format {version}, "
            "which a newer noiseflow wrote. Upgrade noiseflow, or choose another place for the results."
        )

    # -- the index ------------------------------------------------------------------------------------------------------

    def _read_index(self) -> dict[str, tuple[str, Found]]:
        if self._index is None:
            self._index = {}
            with suppress(FileNotFoundError, DamagedError, pa.ArrowInvalid, KeyError):
                content = self._objects.get(INDEX)
                if files.is_sealed(content):
                    self._index = _decoded(files.decode(content, _SCHEMA))
        return self._index

    def write_index(self) -> None:
        """Keeps what is known for the processes to come, where the index lacks much of it."""
        index = self._read_index()
        lacking = sum(path not in index or index[path][0] != self._tags[path] for path in self.found)
        if lacking <= STALE + len(index) // 16:
            return
        self._index = {path: (self._tags[path], found) for path, found in self.found.items() if number_of(path)}
        self._objects.replace(INDEX, files.encode(_encoded(self._index), INDEX, {}))


def _encoded(index: dict[str, tuple[str, Found]]) -> pa.Table:
    found = [one for _, one in index.values()]
    columns = {
        "path": list(index),
        "tag": [tag for tag, _ in index.values()],
        **{name: [getattr(one, name) for one in found] for name in ("identities", "batch", "software", "emptied")},
        "version": [one.version for one in found],
    }
    return pa.table(columns, _SCHEMA)


def _decoded(rows: pa.Table) -> dict[str, tuple[str, Found]]:
    columns = {name: rows[name].to_pylist() for name in rows.column_names if name != "identities"}
    sizes, values = (
        pc.list_value_length(rows["identities"]).to_pylist(),
        pc.list_flatten(rows["identities"]).to_pylist(),
    )
    index, at = {}, 0
    for k, size in enumerate(sizes):
        found = Found(
            tuple(values[at : at + size]),
            columns["batch"][k],
            columns["software"][k],
            columns["emptied"][k],
            columns["version"][k],
        )
        index[columns["path"][k]] = (columns["tag"][k], found)
        at += size
    return index
