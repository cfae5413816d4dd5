"""Reads the rows of tables, file by file: those that have proved themselves. A warning names the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from threading import RLock
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from noiseflow.store import files
from noiseflow.store.catalogue import Catalogue
from noiseflow.store.files import DamagedError, Found, marks_of
from noiseflow.store.guard import Guard, logger
from noiseflow.store.objects import Objects, each
from noiseflow.store.recovery import PRUNED
from noiseflow.store.schemas import FOLLOWERS, IDENTITIES, SCHEMAS, number_of, numbered, table_of

MANY = 500
"""More files of trials than this stay in memory as long as no file changes; they are read so many at a time."""


class StoredFile(NamedTuple):
    """A file that has proved itself: its rows, what a look at it finds, and its bytes."""

    rows: pa.Table
    found: Found
    content: bytes


class StoredBatch(NamedTuple):
    """Rows by table, trials first, and what their footers carry."""

    tables: dict[str, pa.Table]
    marks: dict[str, str]

    @property
    def n_rows(self) -> int:
        """Trials, or whatever the first table has."""
        return int(next(iter(self.tables.values())).num_rows)

    @property
    def n_bytes(self) -> int:
        """What the rows take in memory."""
        return sum(int(table.nbytes) for table in self.tables.values())


class Reader:
    """Reads the tables of a study, and moves and writes nothing.

    Args:
        lock: of the store; its threads share the catalogue.
    """

    def __init__(self, objects: Objects, catalogue: Catalogue, guard: Guard, lock: RLock) -> None:
        self._objects = objects
        self._catalogue = catalogue
        self._guard = guard
        self._lock = lock
        self._remembered: tuple[dict[str, str | None], list[pa.Table]] | None = None

    def forget_rows(self) -> None:
        """Frees the memory of rows that were read before."""
        self._remembered = None

    def sound(self, table: str) -> list[str]:
        """The sound files of a table; a warning names the others, which stay where they are."""
        with self._lock:
            sound = self._catalogue.refresh(table)
            for path in sorted(path for path in self._catalogue.damaged if path.startswith(f"{table}/")):
                if self._guard.is_ours(path):
                    self._warn(path, self._catalogue.damaged[path].why)
                else:
                    self._guard.warn_of_foreign(path)
            return sound

    def tables(self, table: str, ids: set[str] | None, columns: Sequence[str]) -> list[pa.Table]:
        """The rows of these trials, or of all, file by file, with these columns."""
        schema = pa.schema([SCHEMAS[table].field(name) for name in columns])
        paths = self._holding(table, ids)
        if (
            table == "trials"
            and len(paths) > MANY
            and (ids is None or all(self._is_within(path, ids) for path in paths))
        ):
            return [self._whole(paths, schema)]
        wanted = None if ids is None else pa.array(ids, pa.string())

        def rows_of(path: str) -> pa.Table | None:
            rows = self.table(path, schema)
            if rows is None or wanted is None or self._is_within(path, ids or set()):
                return rows
            return rows.filter(pc.is_in(rows["trial_id"], wanted))

        return [rows for rows in each(self._objects, rows_of, paths) if rows is not None]

    def table(self, path: str, schema: pa.Schema) -> pa.Table | None:
        """The rows of a file, once it has proved itself; None, after a warning, if it is damaged or another batch's."""
        file = self._file(path, schema)
        return None if file is None else file.rows

    def batch(self, path: str) -> StoredBatch | None:
        """A file of trials with its curves and predictions, or one of replays or datasets; None if it is not whole.

        Trials that lack curves or predictions are left out, unless these were pruned.
        """
        table = table_of(path)
        own = self._file(path, SCHEMAS[table])
        if own is None or own.found.emptied is not None:
            return None
        rows, tables = own.rows, {}
        for name in FOLLOWERS if table == "trials" else ():
            beside = numbered(name, number_of(path) or 0)
            file = self._file(beside, SCHEMAS[name])
            if file is None and not (own.found.version < 3 and self._is_pruned_by_hand(path, beside)):
                return None
            tables[name] = SCHEMAS[name].empty_table() if file is None else file.rows
            if file is not None and file.found.emptied is None:
                rows = rows.filter(pc.is_in(rows["trial_id"], pc.unique(file.rows["trial_id"])))
            elif file is not None and file.found.emptied != PRUNED:
                return None
        return StoredBatch({table: rows, **tables}, marks_of(own.content))

    def _holding(self, table: str, trial_ids: set[str] | None) -> list[str]:
        """The files of a table that hold rows of these trials; all unless they are given."""
        decides = self.sound(table if table in IDENTITIES else "trials")
        if table in IDENTITIES:
            paths = decides
        else:  # curves and predictions have their trials' number
            listed = self._catalogue.listed(table)
            paths = [path for p in decides if (path := numbered(table, number_of(p) or 0)) in listed]
        if trial_ids is None:
            return paths
        found, names = self._catalogue.found, IDENTITIES.get(table, ["trial_id"])
        holding = {number_of(path) for path in decides if not trial_ids.isdisjoint(_ids(found[path], names))}
        return [path for path in paths if number_of(path) in holding]

    def _is_within(self, path: str, ids: set[str]) -> bool:
        """Whether all rows of a file are of these trials."""
        trials = self._catalogue.found.get(numbered("trials", number_of(path) or 0))
        return table_of(path) != "replays" and trials is not None and ids.issuperset(trials.identities)

    def _whole(self, paths: list[str], schema: pa.Schema) -> pa.Table:
        """All trials of many files. A report asks three times, and reading ten thousand files takes twenty seconds."""
        seen = {path: self._catalogue.tag_of(path) for path in paths}
        if self._remembered is None or self._remembered[0] != seen or not self._has_columns(schema):
            asked = schema.names if self._remembered is None else {*schema.names, *self._remembered[1][0].column_names}
            read = pa.schema([field for field in SCHEMAS["trials"] if field.name in asked])
            self._remembered = None
            parts = [self._whole_part(paths[at : at + MANY], read) for at in range(0, len(paths), MANY)]
            self._remembered = seen, parts
        return pa.concat_tables([part.select(schema.names).cast(schema) for part in self._remembered[1]])

    def _has_columns(self, schema: pa.Schema) -> bool:
        return self._remembered is not None and set(schema.names) <= set(self._remembered[1][0].column_names)

    def _whole_part(self, paths: list[str], schema: pa.Schema) -> pa.Table:
        """All trials of some files; text other than their identities is a few words, and kept as numbers of these."""
        found = each(self._objects, partial(self.table, schema=schema), paths)
        rows = pa.concat_tables([schema.empty_table(), *(one for one in found if one is not None)]).combine_chunks()
        for at, field in enumerate(rows.schema):
            if field.type == pa.string() and field.name != "trial_id":
                rows = rows.set_column(at, field.name, rows[at].dictionary_encode())
        return rows

    def _file(self, path: str, schema: pa.Schema) -> StoredFile | None:
        why = ""
        for _ in range(2):  # damage is believed when it is seen twice
            try:
                content = self._objects.get(path)
                rows, found = files.read(content, path, schema)
                why = self._foreign_to_its_trials(path, found)
                if not why:
                    return StoredFile(rows, found, content)
            except FileNotFoundError:
                return None
            except DamagedError as error:
                why = str(error)
        self._warn(path, why)
        return None

    def _foreign_to_its_trials(self, path: str, found: Found) -> str:
        if not path.startswith(FOLLOWERS) or found.emptied is not None:
            return ""
        trials = self._catalogue.found.get(numbered("trials", number_of(path) or 0))
        return "" if trials is not None and trials.batch == found.batch else "it is not of the batch of its trials"

    def _is_pruned_by_hand(self, path: str, beside: str) -> bool:
        """Whether curves or predictions are gone but not their trials: folders of earlier formats were pruned so."""
        return self._objects.tag(beside) is None and self._catalogue.is_as_it_was(path)

    def _warn(self, path: str, why: str) -> None:
        verb = "generates" if path.startswith("datasets/") else "trains"
        logger.warning(
            "%s/%s is damaged: %s. Its rows are left out; the next run %s them again.",
            self._objects.location,
            path,
            why,
            verb,
        )


def _ids(found: Found, names: Sequence[str]) -> Iterable[str]:
    """The trials that the rows of a file are of."""
    if list(names) == ["trial_id"]:
        return found.identities
    return (one.split("\x1f")[names.index("trial_id")] for one in found.identities)
