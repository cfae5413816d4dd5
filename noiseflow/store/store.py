"""The results of a study as Parquet: what is there, and the calls that write.

Only `publish…`, `write…`, `prune` and `recover` write or move anything; a store that is read only refuses these.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from threading import RLock
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from noiseflow.store import files
from noiseflow.store.bucket import Bucket
from noiseflow.store.catalogue import Catalogue
from noiseflow.store.disk import Disk
from noiseflow.store.files import DamagedError, Found, decode, encode, marks_of
from noiseflow.store.guard import Guard, logger
from noiseflow.store.objects import Objects, StoreError, each
from noiseflow.store.publishing import Publisher
from noiseflow.store.recovery import PRUNED, Recovery
from noiseflow.store.schemas import (
    FOLLOWERS,
    IDENTITIES,
    SCHEMAS,
    identity,
    number_of,
    numbered,
    table_of,
)
from noiseflow.store.waiting import Clock, own_clock
from noiseflow.study.result_places import is_remote, study_place

MANY = 500
"""Files of trials whose rows are remembered as long as no file changes."""


class File(NamedTuple):
    """A file that has proved itself: its rows, what a look at it finds, and its bytes."""

    rows: pa.Table
    found: Found
    content: bytes


class Batch(NamedTuple):
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


class Store:
    """The results of one study, under a folder or a URL.

    Args:
        results: the folder or URL that all studies' results lie in.
        read_only: whether whatever would write or move something is refused.
        objects: what answers for the files, instead of the disk or object store itself.
        clock: what measures how long a batch waits.
    """

    def __init__(
        self,
        results: str | Path,
        study: str,
        *,
        read_only: bool = False,
        objects: Objects | None = None,
        clock: Clock = own_clock,
    ) -> None:
        place = study_place(results, study)
        self.location = place if is_remote(place) else str(Path(place).resolve())
        """Path or URL of the study's folder."""
        self.read_only = read_only
        self._open(objects or (Bucket(self.location) if is_remote(self.location) else Disk(self.location)), clock)

    def _open(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._catalogue = Catalogue(objects)
        self._guard = Guard(objects, self._catalogue)
        self._publisher = Publisher(objects, self._catalogue, self._guard)
        self._recovery = Recovery(objects, self._catalogue, self._guard, self._publisher, clock)
        self._remembered: tuple[dict[str, str | None], list[pa.Table]] | None = None
        self._lock = RLock()

    def __getstate__(self) -> dict[str, Any]:
        """A store travels as its address: whoever receives it looks for themselves."""
        return {"location": self.location, "read_only": self.read_only, "objects": self._objects}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.location, self.read_only = state["location"], state["read_only"]
        self._open(state["objects"], own_clock)

    def page(self, folder: str = "") -> str:
        """Path or URL of the report's page, of a run with other settings in its folder."""
        path = f"{_within(folder)}report/index.html"
        return f"{self.location}/{path}" if self._objects.is_remote else str(Path(self.location, path))

    # -- reading --------------------------------------------------------------------------------------------------------

    def trial_ids(self) -> set[str]:
        """Identities of all trials that are there."""
        return self.identities("trials")

    def identities(self, table: str) -> set[str]:
        """Identities of all rows of `trials` or `replays`."""
        with self._lock:
            self._sound(table)
            return set(self._catalogue.identities(table))

    def read(
        self, table: str, trial_ids: Iterable[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The rows of a table, those of the given trials only if they are given; then no other file is read.

        Args:
            columns: those that are wanted, trial_id with them; all unless given.
        """
        ids, names = None if trial_ids is None else set(trial_ids), columns or SCHEMAS[table].names
        empty = SCHEMAS[table].empty_table().select(names)
        return pa.concat_tables([empty, *self._tables(table, ids, names)]).to_pandas(
            split_blocks=True, self_destruct=True
        )

    def forget_rows(self) -> None:
        """Frees the memory of rows that were read before."""
        self._remembered = None

    def seeds(self) -> list[int]:
        """The seeds of all trials that are there, each once, ascending."""
        return sorted({seed for rows in self._tables("trials", None, ["seed"]) for seed in rows["seed"].to_pylist()})

    def software(self, table: str, identities: Collection[tuple[str, ...]]) -> dict[str, set[str]]:
        """What these rows of `trials` or `replays` were made with: package or processor, to the versions that there are."""
        wanted, versions = set(map(identity, identities)), defaultdict(set)
        for path in self._sound(table):
            found = self._catalogue.found[path]
            for name, version in json.loads(found.software).items() if not wanted.isdisjoint(found.identities) else ():
                versions[name].add(version)
        return dict(versions)

    def dataset_keys(self) -> set[str]:
        """The keys under which rows were written."""
        return {PurePosixPath(path).stem for path in self._sound("datasets")}

    def stored(self, table: str) -> dict[str, Found]:
        """The sound files of a table, and what is in each; those that only hold a number are left out."""
        found = {path: self._catalogue.found[path] for path in self._sound(table)}
        return {path: one for path, one in found.items() if one.emptied is None}

    def count_damaged(self, table: str) -> int:
        """How many files of a table that noiseflow wrote are damaged."""
        self._sound(table)
        return sum(table_of(path) == table and self._guard.is_ours(path) for path in self._catalogue.damaged)

    def read_batch(self, path: str) -> Batch | None:
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
        return Batch({table: rows, **tables}, marks_of(own.content))

    def _is_pruned_by_hand(self, path: str, beside: str) -> bool:
        """Whether curves or predictions are gone but not their trials: folders of earlier formats were pruned so."""
        return self._objects.tag(beside) is None and self._catalogue.is_as_it_was(path)

    def read_study(self, study_hash: str) -> str | None:
        """The study of this hash; None if it is not there as it was written."""
        with suppress(FileNotFoundError, UnicodeDecodeError):
            content = self._objects.get(f"studies/{study_hash}.json")
            if hashlib.sha256(content).hexdigest()[:16] == study_hash:
                return content.decode()
        return None

    def studies(self) -> list[str]:
        """The studies that were kept, as JSON, in no order."""
        names = (PurePosixPath(path).stem for path in self._objects.listed("studies"))
        return [text for name in names if (text := self.read_study(name)) is not None]

    def read_dataset(self, key: str) -> pd.DataFrame:
        """The rows that `write_dataset` wrote under this key.

        Raises:
            StoreError: they were damaged since the run began.
        """
        path = f"datasets/{key}.parquet"
        rows = self._table(path, SCHEMAS["datasets"])
        if rows is None:
            raise StoreError(f"{self.location}/{path} is not there, or was damaged. Run again: it is generated anew.")
        return rows.to_pandas()

    # -- publishing -----------------------------------------------------------------------------------------------------

    def publish(self, tables: Mapping[str, pd.DataFrame | pa.Table], footer: Mapping[str, str]) -> int:
        """Publishes a batch, less the trials that are there already; the number of trials published.

        When it returns, the batch is on the disk itself and was read back.

        Args:
            tables: trials, curves and predictions of the batch.
            footer: what the Parquet footers carry.
        """
        self._check_writable()
        followers = {table: _rows(tables[table], SCHEMAS[table]) for table in FOLLOWERS}
        trials = _rows(tables["trials"], SCHEMAS["trials"])
        with self._lock:
            return self._publisher.publish(trials, followers, footer)

    def publish_replays(self, trials: pd.DataFrame | pa.Table, footer: Mapping[str, str]) -> int:
        """Publishes trials that a campaign has trained again, less those that it has before; how many."""
        self._check_writable()
        with self._lock:
            return self._publisher.publish_replays(_rows(trials, SCHEMAS["replays"]), footer)

    def recover(self) -> None:
        """Looks at the files, moves what is damaged to quarantine, and completes or drops batches whose process died.

        Raises:
            InvalidInputError: a later noiseflow wrote here; nothing was moved.
            StoreError: the place does not answer, or does not take what is written.
        """
        self._check_writable()
        with self._lock:
            self._recovery.recover()

    def is_whole(self) -> bool:
        """Whether nothing is damaged, and no batch waits to be completed or dropped; nothing is moved.

        Raises:
            InvalidInputError: a later noiseflow wrote here.
            StoreError: the place does not answer.
        """
        with self._lock:
            return self._recovery.is_whole()

    def prune(self, keep: int) -> int:
        """Drops the curves and predictions of all but the last so many batches; how many files became empty.

        Their trials stay, and so does a file without rows in the place of each, which says that nothing was lost.
        """
        self._check_writable()
        with self._lock:
            return self._recovery.prune(keep)

    # -- writing --------------------------------------------------------------------------------------------------------

    def write_study(self, text: str) -> str:
        """Keeps a study, once, as the file that its hash names; the hash, 16 hexadecimal digits.

        Args:
            text: the study as JSON, of which this is the hash.
        """
        self._check_writable()
        content = text.encode()
        study_hash = hashlib.sha256(content).hexdigest()[:16]
        path = f"studies/{study_hash}.json"
        if not self._objects.create(path, content) and self._objects.get(path) != content:
            self._objects.replace(path, content)
        return study_hash

    def write_dataset(self, key: str, rows: pd.DataFrame | pa.Table, footer: Mapping[str, str]) -> None:
        """Writes the rows of a dataset under a key that stands for just these rows."""
        self._check_writable()
        path, table = f"datasets/{key}.parquet", _rows(rows, SCHEMAS["datasets"])
        with self._lock:
            if self._publisher.created(path, table, footer) or self._catalogue.add(path):
                return
            self._guard.move_damaged([path])
            if not self._publisher.created(path, table, footer):
                raise StoreError(f"{self.location}/{path} is no file of noiseflow's. Move it away, then run again.")

    def write_findings(self, frames: Mapping[str, pd.DataFrame], footer: Mapping[str, str], folder: str = "") -> None:
        """Replaces the summary, and the other tables of what was found, of a run with other settings in its folder."""
        self._check_writable()
        for name, frame in frames.items():
            path = f"{_within(folder)}{name}.parquet"
            self._objects.replace(path, encode(_rows(frame, None), path, footer))

    def write_report(self, contents: Mapping[str, bytes], folder: str = "") -> None:
        """Replaces the files of the report; pictures that the earlier one named and this one lacks go."""
        self._check_writable()
        named, report = "", f"{_within(folder)}report"
        with suppress(FileNotFoundError):
            named = self._objects.get(f"{report}/report.md").decode(errors="replace")
        for name, content in contents.items():
            self._objects.replace(f"{report}/{name}", content)
        for path in self._objects.listed(report):
            name = path.removeprefix(f"{report}/")
            if name.endswith(".png") and name in named and name not in contents:
                self._objects.delete(path)

    def read_page(self, name: str, folder: str = "") -> bytes | None:
        """A file of the report, of a run with other settings in its folder; None where it is not there."""
        with suppress(FileNotFoundError):
            return self._objects.get(f"{_within(folder)}report/{name}")
        return None

    def write_look(self, content: Mapping[str, Any]) -> None:
        """Keeps a look at the study, as JSON; what is kept of a look is never changed."""
        self._check_writable()
        text = json.dumps(content, sort_keys=True).encode()
        self._objects.create(f"looks/{hashlib.sha256(text).hexdigest()[:16]}.json", text)

    def looks(self) -> list[dict[str, Any]]:
        """The looks that were kept, in no order; files that do not hold one are left out, after a warning."""
        found = []
        for path in self._objects.listed("looks"):
            try:
                content = json.loads(self._objects.get(path))
            except (FileNotFoundError, ValueError):
                content = None
            if isinstance(content, dict) and {"number", "margin", "comparisons"} <= content.keys():
                found.append(content)
            else:
                logger.warning("%s/%s holds no look at the study: it is left out.", self.location, path)
        return found

    def read_findings(self, name: str, folder: str = "") -> pd.DataFrame | None:
        """The summary, or another table of what was found; None where it is not there or damaged."""
        with suppress(FileNotFoundError, DamagedError):
            return decode(self._objects.get(f"{_within(folder)}{name}.parquet")).to_pandas()
        return None

    def _check_writable(self) -> None:
        if self.read_only:
            raise StoreError(f"{self.location} was opened to be read only. Open it without read_only to write there.")

    # -- files ----------------------------------------------------------------------------------------------------------

    def _sound(self, table: str) -> list[str]:
        """The sound files of a table; a warning names the others, which stay where they are."""
        with self._lock:
            sound = self._catalogue.refresh(table)
            for path in sorted(path for path in self._catalogue.damaged if path.startswith(f"{table}/")):
                if self._guard.is_ours(path):
                    self._warn(path, self._catalogue.damaged[path].why)
                else:
                    self._guard.warn_of_foreign(path)
            return sound

    def _tables(self, table: str, ids: set[str] | None, columns: Sequence[str]) -> list[pa.Table]:
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
            rows = self._table(path, schema)
            if rows is None or wanted is None or self._is_within(path, ids or set()):
                return rows
            return rows.filter(pc.is_in(rows["trial_id"], wanted))

        return [rows for rows in each(self._objects, rows_of, paths) if rows is not None]

    def _whole(self, paths: list[str], schema: pa.Schema) -> pa.Table:
        """All trials of many files. A report asks three times, and reading ten thousand files takes twenty seconds."""
        seen = {path: self._catalogue.tag_of(path) for path in paths}
        if self._remembered is None or self._remembered[0] != seen:
            self._remembered = None
            parts = [self._whole_part(paths[at : at + MANY]) for at in range(0, len(paths), MANY)]
            self._remembered = seen, parts
        return pa.concat_tables([part.select(schema.names).cast(schema) for part in self._remembered[1]])

    def _whole_part(self, paths: list[str]) -> pa.Table:
        """All trials of some files; text other than their identities is a few words, and kept as numbers of these."""
        found = each(self._objects, partial(self._table, schema=SCHEMAS["trials"]), paths)
        rows = pa.concat_tables([SCHEMAS["trials"].empty_table(), *(one for one in found if one is not None)])
        rows = rows.combine_chunks()
        for at, field in enumerate(rows.schema):
            if field.type == pa.string() and field.name != "trial_id":
                rows = rows.set_column(at, field.name, rows[at].dictionary_encode())
        return rows

    def _is_within(self, path: str, ids: set[str]) -> bool:
        """Whether all rows of a file are of these trials."""
        trials = self._catalogue.found.get(numbered("trials", number_of(path) or 0))
        return table_of(path) != "replays" and trials is not None and ids.issuperset(trials.identities)

    def _table(self, path: str, schema: pa.Schema) -> pa.Table | None:
        """The rows of a file, once it has proved itself; None, after a warning, if it is damaged or another batch's."""
        file = self._file(path, schema)
        return None if file is None else file.rows

    def _file(self, path: str, schema: pa.Schema) -> File | None:
        why = ""
        for _ in range(2):  # damage is believed when it is seen twice
            try:
                content = self._objects.get(path)
                found = files.inspect(content, path)
                why = self._foreign_to_its_trials(path, found)
                if not why:
                    return File(decode(content, schema), found, content)
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

    def _warn(self, path: str, why: str) -> None:
        again = "generates" if path.startswith("datasets/") else "trains"
        logger.warning(
            "%s/%s is damaged: %s. Its rows are left out; the next run %s them again.", self.location, path, why, again
        )

    def _holding(self, table: str, trial_ids: set[str] | None) -> list[str]:
        """The files of a table that hold rows of these trials; all unless they are given."""
        decides = self._sound(table if table in IDENTITIES else "trials")
        if table in IDENTITIES:
            paths = decides
        else:  # curves and predictions bear their trials' number
            listed = self._catalogue.listed(table)
            paths = [path for p in decides if (path := numbered(table, number_of(p) or 0)) in listed]
        if trial_ids is None:
            return paths
        found, at = self._catalogue.found, IDENTITIES.get(table, ["trial_id"]).index("trial_id")
        holding = {
            number_of(path)
            for path in decides
            if any(one.split("\x1f")[at] in trial_ids for one in found[path].identities)
        }
        return [path for path in paths if number_of(path) in holding]


def find_store(results: str | Path, study: str) -> Store | None:
    """The store of a study, to be read only; None where there is nothing of it. Nothing is made."""
    store = Store(results, study, read_only=True)
    return store if store._objects.listed("trials") else None  # noqa: SLF001 - of this module


def _within(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _rows(rows: pd.DataFrame | pa.Table, schema: pa.Schema | None) -> pa.Table:
    return rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, schema, preserve_index=False)
