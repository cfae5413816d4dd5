"""The results of a study as Parquet: what is there, and the calls that write.

Only `publish…`, `write…`, `prune` and `recover` write or move anything; a store that is read only refuses these.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePosixPath
from threading import RLock
from typing import Any

import pandas as pd
import pyarrow as pa

from noiseflow.store.bucket import Bucket
from noiseflow.store.catalogue import Catalogue
from noiseflow.store.disk import Disk
from noiseflow.store.files import DamagedError, Found, decode, encode
from noiseflow.store.guard import Guard, logger
from noiseflow.store.objects import Objects, StoreError
from noiseflow.store.publishing import Publisher
from noiseflow.store.reading import Reader, StoredBatch
from noiseflow.store.recovery import Recovery
from noiseflow.store.schemas import (
    FOLLOWERS,
    SCHEMAS,
    identity,
    table_of,
)
from noiseflow.store.waiting import Clock, own_clock
from noiseflow.study.result_places import is_remote, study_place


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
        self._lock = RLock()
        self._reader = Reader(objects, self._catalogue, self._guard, self._lock)

    def __getstate__(self) -> dict[str, Any]:
        """A store is pickled as its address: the receiver looks for itself."""
        return {"location": self.location, "read_only": self.read_only, "objects": self._objects}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.location, self.read_only = state["location"], state["read_only"]
        self._open(state["objects"], own_clock)

    def page(self, folder: str = "") -> str:
        """Path or URL of the report's page, of a run with other settings in its folder."""
        path = f"{_within(folder)}report/index.html"
        return f"{self.location}/{path}" if self._objects.is_remote else str(Path(self.location, path))

    # -- reading --------------------------------------------------------------------------------------------------------

    def as_it_is(self) -> AbstractContextManager[None]:
        """Within it, all reads show the store at the first look: what others publish meanwhile is not seen."""
        return self._catalogue.listed_once()

    def trial_ids(self) -> set[str]:
        """Identities of all trials that are there."""
        return self.identities("trials")

    def identities(self, table: str) -> set[str]:
        """Identities of all rows of `trials` or `replays`."""
        with self._lock:
            self._reader.sound(table)
            return set(self._catalogue.identities(table))

    def read(
        self, table: str, trial_ids: Iterable[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The rows of a table; with trials given, only their rows, and no other file is read.

        Args:
            columns: those that are wanted, trial_id with them; all unless given.
        """
        ids, names = None if trial_ids is None else set(trial_ids), columns or SCHEMAS[table].names
        empty = SCHEMAS[table].empty_table().select(names)
        return pa.concat_tables([empty, *self._reader.tables(table, ids, names)]).to_pandas(
            split_blocks=True, self_destruct=True
        )

    def forget_rows(self) -> None:
        """Frees the memory of rows that were read before."""
        self._reader.forget_rows()

    def seeds(self) -> list[int]:
        """The seeds of all trials that are there, each once, ascending."""
        return sorted(
            {seed for rows in self._reader.tables("trials", None, ["seed"]) for seed in rows["seed"].to_pylist()}
        )

    def software(self, table: str, identities: Collection[tuple[str, ...]]) -> dict[str, set[str]]:
        """What these rows of `trials` or `replays` were made with: package or processor, to the versions that there are."""
        wanted, versions = set(map(identity, identities)), defaultdict(set)
        for path in self._reader.sound(table):
            found = self._catalogue.found[path]
            for name, version in json.loads(found.software).items() if not wanted.isdisjoint(found.identities) else ():
                versions[name].add(version)
        return dict(versions)

    def dataset_keys(self) -> set[str]:
        """The keys under which rows were written."""
        return {PurePosixPath(path).stem for path in self._reader.sound("datasets")}

    def stored(self, table: str) -> dict[str, Found]:
        """The sound files of a table, and what is in each; those that only hold a number are left out."""
        found = {path: self._catalogue.found[path] for path in self._reader.sound(table)}
        return {path: one for path, one in found.items() if one.emptied is None}

    def count_damaged(self, table: str) -> int:
        """How many files of a table that noiseflow wrote are damaged."""
        self._reader.sound(table)
        return sum(table_of(path) == table and self._guard.is_ours(path) for path in self._catalogue.damaged)

    def read_batch(self, path: str) -> StoredBatch | None:
        """A file of trials with its curves and predictions, or one of replays or datasets; None if it is not whole.

        Trials that lack curves or predictions are left out, unless these were pruned.
        """
        return self._reader.batch(path)

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
        rows = self._reader.table(path, SCHEMAS["datasets"])
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
        """Looks at the files, moves what is damaged to quarantine, and completes or drops batches of dead processes.

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
            text: the study as JSON, with this hash.
        """
        self._check_writable()
        content = text.encode()
        study_hash = hashlib.sha256(content).hexdigest()[:16]
        path = f"studies/{study_hash}.json"
        if not self._objects.create(path, content) and self._objects.get(path) != content:
            self._objects.replace(path, content)
        return study_hash

    def write_dataset(self, key: str, rows: pd.DataFrame | pa.Table, footer: Mapping[str, str]) -> None:
        """Writes the rows of a dataset under a key that identifies just these rows."""
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


def find_store(results: str | Path, study: str) -> Store | None:
    """The store of a study, to be read only; None where there is nothing of it. Nothing is made."""
    store = Store(results, study, read_only=True)
    return store if store._objects.listed("trials") else None  # noqa: SLF001 - of this module


def _within(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _rows(rows: pd.DataFrame | pa.Table, schema: pa.Schema | None) -> pa.Table:
    return rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, schema, preserve_index=False)
