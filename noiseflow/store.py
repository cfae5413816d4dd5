"""Results as Parquet: their schema, atomic publishing, and which trials are there.

A batch is published whole or not at all, and no trial twice, whoever else is publishing: its rows become the next file of
a numbered sequence, and creating a file that exists is refused, so of two that want one number the second looks again at
what is there, drops from its batch what the first has brought, and takes the next number. The file of the trials is what
decides; the curves and predictions of the batch wait beside it under `_pending` and follow. If the process dies in
between, whoever opens the store next lets them follow.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import obstore
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

_TRIALS = pa.schema(
    {
        **dict.fromkeys(("trial_id", "study", "dataset", "architecture", "variant", "family"), pa.string()),
        "strength": pa.float64(),
        **dict.fromkeys(("data_seed", "seed"), pa.int64()),
        **dict.fromkeys(("campaign", "engine", "device"), pa.string()),
        **dict.fromkeys(("epochs", "epochs_trained", "n_train", "n_test"), pa.int64()),
        **dict.fromkeys(("status", "score_name"), pa.string()),
        **dict.fromkeys(("initial_loss", "train_loss", "train_mode_loss", "train_score"), pa.float64()),
        **dict.fromkeys(("test_loss", "test_score", "eval_loss", "eval_score"), pa.float64()),
        **dict.fromkeys(("brier", "ece", "signal_to_noise", "train_seconds"), pa.float64()),
        "finished_at": pa.timestamp("us", tz="UTC"),
    }
)
SCHEMAS: dict[str, pa.Schema] = {
    "trials": _TRIALS,
    "replays": _TRIALS,
    "curves": pa.schema(
        {
            "trial_id": pa.string(),
            "epoch": pa.int64(),
            **dict.fromkeys(("train_loss", "train_score", "test_loss", "test_score"), pa.float64()),
        }
    ),
    "predictions": pa.schema(
        {
            **dict.fromkeys(("trial_id", "part"), pa.string()),
            **dict.fromkeys(("row", "output"), pa.int32()),
            "prediction": pa.float64(),
        }
    ),
    "datasets": pa.schema(
        {
            "dataset": pa.string(),
            "data_seed": pa.int64(),
            "split": pa.string(),
            "row": pa.int64(),
            "X": pa.list_(pa.float32()),
            "y": pa.float64(),
        }
    ),
}
Identity = tuple[str, ...]
FOLLOWERS = ("curves", "predictions")
IDENTITIES = {"trials": ["trial_id"], "replays": ["trial_id", "campaign"]}
"""What no two rows of a table share."""
ABANDONED_AFTER = timedelta(hours=1)


class Store:
    """The results of one study."""

    def __init__(self, results: str | Path, study: str) -> None:
        self.folder = Path(results).resolve() / study
        self._objects = LocalStore(self.folder, mkdir=True)
        self._ids: dict[str, frozenset[Identity]] = {}

    # -- reading --------------------------------------------------------------------------------------------------------

    def trial_ids(self) -> set[str]:
        """Identities of all trials that are there."""
        return {row[0] for row in self._ids_in("trials", self._paths("trials"))}

    def read(self, table: str, trial_ids: Iterable[str] | None = None) -> pd.DataFrame:
        """The rows of a table, those of the given trials only if they are given; then no other file is read."""
        ids = None if trial_ids is None else set(trial_ids)
        tables = [pq.read_table(self._open(path), schema=SCHEMAS[table]) for path in self._holding(table, ids)]
        rows = pa.concat_tables(tables or [SCHEMAS[table].empty_table()])
        if ids is not None:
            rows = rows.filter(pa.compute.is_in(rows["trial_id"], pa.array(ids, pa.string())))
        return rows.to_pandas()

    def seeds(self) -> list[int]:
        """The seeds of all trials that are there, each once, ascending."""
        tables = [pq.read_table(self._open(path), columns=["seed"]) for path in self._paths("trials")]
        return sorted(set().union(*(table["seed"].to_pylist() for table in tables)))

    def software(self, table: str, identities: Collection[Identity]) -> dict[str, set[str]]:
        """What these rows of `trials` or `replays` were made with: package or processor, to the versions that there are."""
        found: dict[str, set[str]] = defaultdict(set)
        paths = self._paths(table)
        self._ids_in(table, paths)
        for path in (path for path in paths if not self._ids[path].isdisjoint(identities)):
            for name, version in json.loads(self._footer(path)[b"software"]).items():
                found[name].add(version)
        return dict(found)

    def dataset_keys(self) -> set[str]:
        """The keys under which rows were written."""
        return {Path(path).stem for path in self._paths("datasets")}

    def read_dataset(self, key: str) -> pd.DataFrame:
        """The rows that `write_dataset` wrote under this key."""
        return pq.read_table(self._open(f"datasets/{key}.parquet"), schema=SCHEMAS["datasets"]).to_pandas()

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
            self._put(_pending(batch, table), _parquet(tables[table], SCHEMAS[table], footer))
        number, published = self._append("trials", tables["trials"], footer)
        if published:
            self._follow(batch, number)
        else:
            self._delete(batch)
        return published

    def publish_replays(self, trials: pd.DataFrame, footer: Mapping[str, str]) -> int:
        """Publishes trials that a campaign has trained again, less those that it has before; how many."""
        return self._append("replays", trials, footer)[1]

    def recover(self) -> None:
        """Completes batches whose process died between their trials and their curves; drops what was abandoned."""
        waiting = defaultdict(list)
        for meta in self._list("_pending"):
            waiting[Path(meta["path"]).name.partition("-")[0]].append(meta["last_modified"])
        if not waiting:
            return
        numbers = {self._footer(path)[b"batch"].decode(): _number(path) for path in self._paths("trials")}
        for batch, times in waiting.items():
            if batch in numbers:
                self._follow(batch, numbers[batch])
            elif max(times) < datetime.now(UTC) - ABANDONED_AFTER:
                self._delete(batch)

    def write_dataset(self, key: str, frame: pd.DataFrame, footer: Mapping[str, str]) -> None:
        """Writes the rows of a dataset under a key that stands for just these rows."""
        self._create(f"datasets/{key}.parquet", _parquet(frame, SCHEMAS["datasets"], footer))

    def write_finding(self, name: str, frame: pd.DataFrame, footer: Mapping[str, str]) -> None:
        """Replaces the summary, or another table of what was found."""
        self._put(f"{name}.parquet", _parquet(frame, None, footer))

    def write_report(self, files: Mapping[str, bytes]) -> None:
        """Replaces the files of the report."""
        for name, content in files.items():
            self._put(f"report/{name}", content)

    # -- files ----------------------------------------------------------------------------------------------------------

    def _append(self, table: str, rows: pd.DataFrame, footer: Mapping[str, str]) -> tuple[int, int]:
        """Creates the next file of a table, of the rows that are not there yet; its number, and how many rows it has."""
        while True:
            paths = self._paths(table)  # one look for both: the number must follow what the rows were compared to
            there = self._ids_in(table, paths)
            new = rows[[row not in there for row in rows[IDENTITIES[table]].itertuples(index=False, name=None)]]
            if new.empty:
                return 0, 0
            number = max(map(_number, paths), default=0) + 1
            if self._create(_numbered(table, number), _parquet(new, SCHEMAS[table], footer)):
                return number, len(new)

    def _ids_in(self, table: str, paths: Iterable[str]) -> set[Identity]:
        """Identities of the rows in these files, each of which is read once in the life of the store."""
        for path in set(paths) - self._ids.keys():
            columns = pq.read_table(self._open(path), columns=IDENTITIES[table]).to_pydict()
            self._ids[path] = frozenset(zip(*columns.values(), strict=True))
        return set().union(*(self._ids[path] for path in paths))

    def _holding(self, table: str, trial_ids: set[str] | None) -> list[str]:
        """The files of a table that hold rows of these trials; all unless they are given."""
        paths = self._paths(table)
        if trial_ids is None:
            return paths
        decides = table if table in IDENTITIES else "trials"  # curves and predictions bear the number of their trials
        self._ids_in(decides, there := self._paths(decides))
        holding = {_number(path) for path in there if any(row[0] in trial_ids for row in self._ids[path])}
        return [path for path in paths if _number(path) in holding]

    def _follow(self, batch: str, number: int) -> None:
        """Lets the curves and predictions of a batch follow its trials, those of the trials that were published."""
        ids = pq.read_table(self._open(_numbered("trials", number)), columns=["trial_id"])["trial_id"].to_pylist()
        for table in FOLLOWERS:
            with suppress(FileNotFoundError):
                waiting = pq.read_table(self._open(_pending(batch, table)))
                rows = waiting.filter(pa.compute.is_in(waiting["trial_id"], pa.array(ids)))
                self._create(_numbered(table, number), _bytes(rows))
        self._delete(batch)

    def _create(self, path: str, content: bytes) -> bool:
        """Creates a file whole; False if it exists.

        On a disk the bytes are written elsewhere first: a process that is killed while it writes must not leave a part of a
        file where readers look for files.
        """
        staged = _pending(uuid4().hex, "staged")
        self._put(staged, content)
        try:
            obstore.copy(self._objects, staged, path, overwrite=False)
        except AlreadyExistsError:
            return False
        finally:
            obstore.delete(self._objects, staged)
        return True

    def _put(self, path: str, content: bytes) -> None:
        obstore.put(self._objects, path, content)

    def _open(self, path: str) -> io.BytesIO:
        return io.BytesIO(obstore.get(self._objects, path).bytes())

    def _footer(self, path: str) -> dict[bytes, bytes]:
        return pq.read_schema(self._open(path)).metadata

    def _list(self, folder: str) -> Sequence[obstore.ObjectMeta]:
        return obstore.list(self._objects, folder).collect()

    def _paths(self, table: str) -> list[str]:
        return sorted(meta["path"] for meta in self._list(table) if meta["path"].endswith(".parquet"))

    def _delete(self, batch: str) -> None:
        for meta in self._list("_pending"):
            if Path(meta["path"]).name.startswith(batch):
                with suppress(FileNotFoundError):
                    obstore.delete(self._objects, meta["path"])


def _pending(batch: str, table: str) -> str:
    return f"_pending/{batch}-{table}.parquet"


def _numbered(table: str, number: int) -> str:
    return f"{table}/{number:08d}.parquet"


def _number(path: str) -> int:
    return int(Path(path).stem)


def _parquet(frame: pd.DataFrame, schema: pa.Schema | None, footer: Mapping[str, str]) -> bytes:
    return _bytes(pa.Table.from_pandas(frame, schema, preserve_index=False).replace_schema_metadata(dict(footer)))


def _bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def footer(study_json: str, study_hash: str, software: Mapping[str, str]) -> dict[str, str]:
    """What the Parquet footers carry: the study, its hash, package versions and the git commit."""
    return {"study": study_json, "study_hash": study_hash, "software": json.dumps(dict(software))}
