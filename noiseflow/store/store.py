"""Results as Parquet: atomic publishing, which trials are there, and what was damaged.

A batch is published whole or not at all, and no trial twice, whoever else is publishing: its rows become the next file of
a numbered sequence, and creating a file that exists is refused, so of two that want one number the second looks again at
what is there, drops from its batch what the first has brought, and takes the next number. The file of the trials is what
decides; the curves and predictions of the batch wait beside it under `_pending` and follow. If the process dies in
between, whoever opens the store next lets them follow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from noiseflow.places import is_remote, study_place
from noiseflow.store.files import DamagedError, NewerError, decode, encode, inspect
from noiseflow.store.guard import AT_ONCE, Guard
from noiseflow.store.objects import Objects, StoreError
from noiseflow.store.schemas import FOLLOWERS, IDENTITIES, SCHEMAS, Identity, number_of, numbered, pending

ABANDONED_AFTER = timedelta(hours=1)


class Store:
    """The results of one study, under a folder or a URL."""

    def __init__(self, results: str | Path, study: str) -> None:
        place = study_place(results, study)
        self.location = place if is_remote(place) else str(Path(place).resolve())
        """Path or URL of the study's folder."""
        self._objects = Objects(self.location)
        self._guard = Guard(self._objects)

    @property
    def page(self) -> str:
        """Path or URL of the report's page."""
        return (
            f"{self.location}/report/index.html"
            if self._objects.is_remote
            else str(Path(self.location, "report", "index.html"))
        )

    # -- reading --------------------------------------------------------------------------------------------------------

    def trial_ids(self) -> set[str]:
        """Identities of all trials that are there."""
        return {row[0] for row in self._identities(self._sound("trials"))}

    def read(self, table: str, trial_ids: Iterable[str] | None = None) -> pd.DataFrame:
        """The rows of a table, those of the given trials only if they are given; then no other file is read."""
        ids = None if trial_ids is None else set(trial_ids)
        rows = pa.concat_tables([SCHEMAS[table].empty_table(), *self._tables(table, ids)])
        if ids is not None:
            rows = rows.filter(pc.is_in(rows["trial_id"], pa.array(ids, pa.string())))
        return rows.to_pandas()

    def seeds(self) -> list[int]:
        """The seeds of all trials that are there, each once, ascending."""
        return sorted({seed for rows in self._tables("trials", None, ["seed"]) for seed in rows["seed"].to_pylist()})

    def software(self, table: str, identities: Collection[Identity]) -> dict[str, set[str]]:
        """What these rows of `trials` or `replays` were made with: package or processor, to the versions that there are."""
        versions: dict[str, set[str]] = defaultdict(set)
        for path in self._sound(table):
            found = self._guard.found[path]
            for name, version in found.software.items() if not found.identities.isdisjoint(identities) else ():
                versions[name].add(version)
        return dict(versions)

    def dataset_keys(self) -> set[str]:
        """The keys under which rows were written."""
        return {PurePosixPath(path).stem for path in self._sound("datasets")}

    def read_dataset(self, key: str) -> pd.DataFrame:
        """The rows that `write_dataset` wrote under this key.

        Raises:
            StoreError: they were damaged since the run began.
        """
        path = f"datasets/{key}.parquet"
        if not self._guard.sound([path]):
            raise StoreError(f"{self.location}/{path} is not there, or was damaged. Run again: it is generated anew.")
        return self._table(path, SCHEMAS["datasets"]).to_pandas()

    # -- writing --------------------------------------------------------------------------------------------------------

    def publish(self, tables: Mapping[str, pd.DataFrame], footer: Mapping[str, str]) -> int:
        """Publishes a batch, less the trials that are there already; the number of trials published.

        Args:
            tables: trials, curves and predictions of the batch.
            footer: what the Parquet footers carry.
        """
        batch = uuid4().hex
        footer = {**footer, "batch": batch}
        for table in FOLLOWERS:
            path = pending(batch, table)
            self._objects.create(path, encode(_rows(tables[table], SCHEMAS[table]), path, footer))
        number, published = self._append("trials", tables["trials"], footer)
        if published:
            self._follow(batch, number)
        else:
            self._delete(batch)
        return published

    def publish_replays(self, trials: pd.DataFrame, footer: Mapping[str, str]) -> int:
        """Publishes trials that a campaign has trained again, less those that it has before; how many."""
        return self._append("replays", trials, {**footer, "batch": uuid4().hex})[1]

    def recover(self) -> None:
        """Looks at every file, moves what is damaged to quarantine, and completes or drops batches whose process died.

        Raises:
            InvalidInputError: a later noiseflow wrote here; nothing was moved.
            StoreError: the place does not answer, or does not take what is written.
        """
        followers = [
            path for table in FOLLOWERS for path in self._objects.paths(table)
        ]  # before the trials that they follow
        others = [path for table in SCHEMAS if table not in FOLLOWERS for path in self._objects.paths(table)]
        self._guard.sound([*others, *followers])
        self._objects.sweep(datetime.now(UTC) - ABANDONED_AFTER)
        waiting = defaultdict(list)
        for meta in self._objects.listed("_pending"):
            waiting[PurePosixPath(meta["path"]).name.partition("-")[0]].append(meta["last_modified"])
        numbers = {self._guard.found[path].batch: number_of(path) for path in self._sound("trials")} if waiting else {}
        for batch, times in waiting.items():
            if number := numbers.get(batch):
                self._follow(batch, number)
            elif max(times) < datetime.now(UTC) - ABANDONED_AFTER:
                self._delete(batch)

    def write_dataset(self, key: str, frame: pd.DataFrame, footer: Mapping[str, str]) -> None:
        """Writes the rows of a dataset under a key that stands for just these rows."""
        path = f"datasets/{key}.parquet"
        self._objects.create(path, encode(_rows(frame, SCHEMAS["datasets"]), path, footer))

    def write_finding(self, name: str, frame: pd.DataFrame, footer: Mapping[str, str]) -> None:
        """Replaces the summary, or another table of what was found."""
        self._objects.replace(f"{name}.parquet", encode(_rows(frame, None), f"{name}.parquet", footer))

    def write_report(self, files: Mapping[str, bytes]) -> None:
        """Replaces the files of the report; pictures of an earlier one that this one lacks go."""
        for name, content in files.items():
            self._objects.replace(f"report/{name}", content)
        for path in [meta["path"] for meta in self._objects.listed("report")]:
            if path.endswith(".png") and path.removeprefix("report/") not in files:
                self._objects.delete(path)

    # -- files ----------------------------------------------------------------------------------------------------------

    def _sound(self, table: str) -> list[str]:
        return self._guard.sound(self._objects.paths(table))

    def _identities(self, paths: Iterable[str]) -> set[Identity]:
        return set().union(*(self._guard.found[path].identities for path in paths))

    def _tables(self, table: str, ids: set[str] | None, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The files of a table that hold rows of these trials, each as a table, with these columns."""
        schema = SCHEMAS[table] if columns is None else pa.schema([SCHEMAS[table].field(name) for name in columns])
        with ThreadPoolExecutor(AT_ONCE if self._objects.is_remote else 1) as pool:
            yield from pool.map(lambda path: self._table(path, schema), self._holding(table, ids))

    def _table(self, path: str, schema: pa.Schema) -> pa.Table:
        try:
            return decode(self._objects.get(path), schema)
        except (DamagedError, FileNotFoundError) as error:
            raise StoreError(f"{self.location}/{path} was damaged since this run began: {error}. Run again.") from error

    def _holding(self, table: str, trial_ids: set[str] | None) -> list[str]:
        """The files of a table that hold rows of these trials; all unless they are given."""
        paths = self._objects.paths(table)
        if trial_ids is None:
            return self._guard.sound(paths)
        decides = self._sound(
            table if table in IDENTITIES else "trials"
        )  # curves and predictions bear their trials' number
        found = self._guard.found
        holding = {number_of(path) for path in decides if any(row[0] in trial_ids for row in found[path].identities)}
        return self._guard.sound(path for path in paths if number_of(path) in holding)

    def _append(self, table: str, rows: pd.DataFrame, footer: Mapping[str, str]) -> tuple[int, int]:
        """Creates the next file of a table, of the rows that are not there yet; its number, and how many rows it has."""
        while True:
            number = self._next_number(table)  # before the look: what bears a lower number is then seen by the look
            there = self._identities(self._sound(table))
            new = rows[[row not in there for row in rows[IDENTITIES[table]].itertuples(index=False, name=None)]]
            if new.empty:
                return 0, 0
            path = numbered(table, number)
            if self._objects.create(path, encode(_rows(new, SCHEMAS[table]), path, footer)):
                return number, len(new)

    def _next_number(self, table: str) -> int:
        """One more than any that was used; of trials that someone took away the curves may still be there."""
        tables = ("trials", *FOLLOWERS) if table == "trials" else (table,)
        return max((number_of(path) or 0 for name in tables for path in self._objects.paths(name)), default=0) + 1

    def _follow(self, batch: str, number: int) -> None:
        """Lets the curves and predictions of a batch follow its trials, those of the trials that were published."""
        ids = pa.array(
            {row[0] for row in self._identities(self._guard.sound([numbered("trials", number)]))}, pa.string()
        )
        for table in FOLLOWERS:
            with suppress(FileNotFoundError):
                waits, path = pending(batch, table), numbered(table, number)
                content = self._objects.get(waits)
                try:
                    inspect(content, waits)
                except (DamagedError, NewerError) as error:
                    self._guard.quarantine(numbered("trials", number), f"its {table} were lost: {error}")
                    break
                rows = decode(content, None)
                kept = rows.filter(pc.is_in(rows["trial_id"], ids))
                marks = {name.decode(): value.decode() for name, value in (rows.schema.metadata or {}).items()}
                self._objects.create(path, encode(kept, path, marks))
        self._delete(batch)

    def _delete(self, batch: str) -> None:
        for meta in self._objects.listed("_pending"):
            if PurePosixPath(meta["path"]).name.startswith(batch):
                self._objects.delete(meta["path"])


def find_store(results: str | Path, study: str) -> Store | None:
    """The store of a study, None where there is nothing of it; nothing is made."""
    place = study_place(results, study)
    if not is_remote(place):
        return Store(results, study) if Path(place).is_dir() else None
    store = Store(results, study)
    return store if store._objects.listed("trials") else None  # noqa: SLF001 - of this module


def _rows(frame: pd.DataFrame, schema: pa.Schema | None) -> pa.Table:
    return pa.Table.from_pandas(frame, schema, preserve_index=False)
