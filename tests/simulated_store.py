"""One schedule of the store's protocol, simulated: publishers, runs, recoverers and readers on a place that fails in every way.

One seed is one schedule: which place, which processes, what fails, who is killed, when the power goes, and what other hands do
meanwhile. What must hold is looked at while they run and when all are done:

- a trial whose publishing returned is there with all its curves and predictions, unless another hand damaged or took it;
- no trial is there twice, at any moment, and no number is used twice;
- readers see whole batches and right values;
- what a run aggregates has its curves;
- nothing foreign is touched, and reading writes nothing;
- a copy in few files has each trial at most once at any moment, and in the end all of them;
- nothing fails where nothing was made to fail.
"""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noiseflow import stored
from noiseflow.store import (
    SCHEMAS,
    Store,
    StoreError,
    bucket,
    catalogue,
    compaction,
    disk,
    publishing,
    recovery,
)
from noiseflow.store.bucket import Bucket
from noiseflow.store.disk import Disk
from noiseflow.store.schemas import FOLLOWERS, number_of
from tests.simulated_places import Process, SimulatedDisk, SimulatedService, World

POOL = "abcdefgh"
ROOT, COPY = "/simulated", "/copy"
SCORES = {one: float(number) for number, one in enumerate(POOL)}
PLAN = SimpleNamespace(
    study=SimpleNamespace(datasets=[]),
    campaign=None,
    trial_ids=list(POOL),
    folder="",
    named=lambda rows: rows,
    check_content=lambda: None,
)


@lru_cache(maxsize=1000)
def rows_of(ids: str) -> dict[str, pd.DataFrame]:
    """A batch: two curve rows and two predictions a trial, all values told by the trial."""
    trials = pd.DataFrame({name: pd.Series(dtype=object) for name in SCHEMAS["trials"].names})
    trials["trial_id"] = list(ids)
    scores = [SCORES[one] for one in ids]
    trials = trials.assign(seed=0, test_score=scores, finished_at=pd.Timestamp("2026-01-01", tz="UTC"))
    twice = [one for one in ids for _ in range(2)]
    values = [SCORES[one] for one in twice]
    curves = pd.DataFrame({"trial_id": twice, "epoch": [1, 2] * len(ids), "train_loss": values, "train_score": values})
    predictions = pd.DataFrame({"trial_id": twice, "part": "test", "row": [0, 1] * len(ids), "output": 0})
    return {
        "trials": trials,
        "curves": curves.assign(test_loss=values, test_score=values),
        "predictions": predictions.assign(prediction=values),
    }


VALUE = {"trials": "test_score", "curves": "test_score", "predictions": "prediction"}


def as_format_1(table: str, ids: str, number: int) -> bytes:
    """A file as the first noiseflow wrote it: only its pages have checksums."""
    rows = pa.Table.from_pandas(rows_of(ids)[table], SCHEMAS[table], preserve_index=False)
    sink = io.BytesIO()
    marks = {"study": "{}", "study_hash": "0", "batch": f"old-{number}"}
    pq.write_table(rows.replace_schema_metadata(marks), sink, compression="none", write_page_checksum=True)
    return sink.getvalue()


@lru_cache(maxsize=50_000)
def content_of(content: bytes) -> tuple[str | None, tuple[str, ...] | None]:
    """What any reader of Parquet finds: the batch, and the trial_ids; None if it is none."""
    try:
        rows = pq.read_table(pa.BufferReader(content), use_threads=False)
        marks = rows.schema.metadata or {}
        return marks.get(b"batch", b"").decode() or None, tuple(rows["trial_id"].to_pylist())
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None, None


class Violation(AssertionError):  # noqa: N818
    """Something that must hold does not."""


def must(holds: object, what: str) -> None:
    """Raises:
    Violation: it does not hold.
    """
    if not holds:
        raise Violation(what)


class Simulation:
    """One schedule."""

    def __init__(self, seed: int, patch: pytest.MonkeyPatch, *, syncs_files: bool = True, syncs_folders: bool = True):
        self.world = world = World(seed)
        rng = world.rng
        self.kind = rng.choice(["disk", "disk", "disk without links", "bucket", "bucket"])
        world.faults, world.kills = rng.choice([0, 0, 0.01, 0.05]), rng.choice([0, 0.002, 0.01])
        world.sticky = rng.choice([0.0, 0.5, 0.9])
        self.place: Any = (
            SimulatedService(world)
            if self.kind == "bucket"
            else SimulatedDisk(
                world, ROOT, links=self.kind == "disk", syncs_files=syncs_files, syncs_folders=syncs_folders
            )
        )
        self.copy: Any = (
            SimulatedService(world)
            if self.kind == "bucket"
            else SimulatedDisk(
                world, COPY, links=self.kind == "disk", syncs_files=syncs_files, syncs_folders=syncs_folders
            )
        )
        self.copied: dict[str, str] = {}
        self.foreign: dict[str, bytes] = {}
        self.highest = 0
        self.old: set[str] = set()
        self.publishing: list[Process] = []
        self.orphans: dict[str, str] = {}
        """Batches whose trials somebody took, and whose curves are still there: nobody may use their number."""
        self.excused: set[int] = set()
        self.taken = False
        self.acknowledged: dict[str, int] = {}
        self.first_batch: dict[str, str] = {}
        self.marks = {"study_hash": "0", "software": '{"keras": "3"}'}
        if rng.random() < 0.05:
            self.marks["note"] = "x" * 100_000
        if rng.random() < 0.2:
            for table in rows_of("ab"):
                self._by_hand(f"{table}/00000001.parquet", as_format_1(table, "ab", 1))
                self.old.add(f"{table}/00000001.parquet")
        patch.setenv("NOISEFLOW_RETENTION_HOURS", rng.choice(["0", "168"]))
        patch.setattr(publishing, "uuid4", world.token)
        patch.setattr(recovery, "uuid4", world.token)
        patch.setattr(disk, "uuid4", lambda: world.token(aside=True))
        patch.setattr(bucket, "time", self.place)
        patch.setattr(publishing, "STALE", 1 + seed % 2 * 31)
        patch.setattr(catalogue, "STALE", -1 + seed % 3 * 32)
        kinds = [self.publish, self.publish, self.run, self.recover, self.read]
        for k in range(rng.randint(2, 5)):
            kind = self.publish if k == 0 else rng.choice(kinds)
            world.add(kind.__name__, kind)
        if world.seed % 4 == 0:
            world.add("compact", self.compact)
        happenings = [self.rot, self.take_trials, self.drop_waiting, self.put_foreign, self.lose_all]
        world.events = [rng.choice(happenings) for _ in range(rng.choice([0, 0, 1, 3]))]

    # -- processes ------------------------------------------------------------------------------------------------------

    def store(self, process: Process | None, *, copy: bool = False, **options: Any) -> Store:  # noqa: ARG002
        """The store, or the copy of it, as a process of its own host and clock sees it."""
        rng = self.world.rng
        root, there = (COPY, self.copy) if copy else (ROOT, self.place)

        def clock() -> tuple[str, float]:
            return rng.choice("xy"), rng.choice([0.0, rng.uniform(0, 1e6), -rng.uniform(0, 1e6)])

        place = Bucket(f"s3://b{root}", there, at_once=1) if self.kind == "bucket" else Disk(root, there, at_once=1)
        return Store("/", "simulated", objects=place, clock=clock, **options)

    def publish(self, process: Process) -> None:
        """A task of a run on another host: publishes batches that overlap with those of others."""
        opened = self.store(process)
        if self.world.rng.random() < 0.5:
            opened.recover()
        for _ in range(self.world.rng.randint(1, 3)):
            self._publish(opened, "".join(sorted(self.world.rng.sample(POOL, self.world.rng.randint(1, 3)))))

    def _publish(self, opened: Store, ids: str) -> None:
        if self.world.current is not None:
            self.publishing.append(self.world.current)
        published = opened.publish(rows_of(ids), self.marks)
        self.publishing = [process for process in self.publishing if process is not self.world.current]
        if published:
            number = opened._publisher._last["trials"]
            for one in opened._catalogue.found[f"trials/{number:08d}.parquet"].identities:
                self.acknowledged[one] = number
        self._check_own_batches()

    def _check_own_batches(self) -> None:
        """Of what a process has published, the trials have their curves and predictions when `publish` returns."""
        there, process = self.place.files(), self.world.current
        if self.excused or process is None:
            return
        for path in self._ours("trials/"):
            batch, name = content_of(there[path])[0], path.partition("/")[2]
            if batch and batch[:4] != "old-" and int(batch, 16) // 10_000 == process.number:
                beside = {content_of(there.get(f"{table}/{name}", b""))[0] for table in FOLLOWERS}
                must(beside == {batch}, f"{path} was published without what belongs to it")

    def run(self, process: Process) -> None:
        """A whole run: recovers, trains what is missing, and aggregates what is there."""
        opened = self.store(process)
        opened.recover()
        missing = sorted(set(POOL) - opened.trial_ids())
        for first in range(0, len(missing), 3):
            self._publish(opened, "".join(missing[first : first + 3]))
        if self.world.events or self.excused:
            return  # another hand may take away between two looks what this one has seen
        stored.summarize(PLAN, opened, self.marks)
        self._check_rows(opened, all_of=set(opened.read("trials")["trial_id"]))

    def recover(self, process: Process) -> None:
        """The beginning of a run."""
        self.store(process).recover()

    def read(self, process: Process) -> None:
        """`plan` and `report`."""
        opened = self.store(process, read_only=True)
        opened.trial_ids()
        self._check_rows(opened, twice=self.taken)
        must(not process.writes, "reading wrote something")

    def compact(self, process: Process | None) -> None:
        """Copies what is there into a few large files elsewhere, beside everybody else."""
        source, into = self.store(process, read_only=True), self.store(process, copy=True)
        before = {one for one, number in self.acknowledged.items() if number not in self.excused}
        done = compaction.compact(source, into)
        if not self.excused and not self.world.events:
            must(before <= into.trial_ids(), f"not copied: {sorted(before - into.trial_ids())}")
            must(not done.damaged, "what is sound was taken for damaged")
        self._check_rows(into)  # of a batch that another one is copying the trials may be first

    def _check_rows(self, opened: Store, all_of: Collection[str] = (), *, twice: bool = False) -> None:
        for table in rows_of("a"):
            rows = opened.read(table, columns=["trial_id", VALUE[table]])
            must((rows[VALUE[table]] == rows["trial_id"].map(SCORES)).all(), f"{table} read with wrong values")
            counts = Counter(rows["trial_id"])
            each = 1 if table == "trials" else 2
            must(twice or set(counts.values()) <= {each}, f"{table} of a trial are read twice or in part")
            must(set(all_of) <= counts.keys(), f"aggregated without its {table}")

    # -- other hands ----------------------------------------------------------------------------------------------------

    def _by_hand(self, path: str, content: bytes, *, quietly: bool = False) -> None:
        put = self.place.put_by_hand if self.kind == "bucket" else self.place.put
        put(path, content, quietly=quietly)

    def _ours(self, folder: str = "") -> list[str]:
        return sorted(
            path
            for path in self.place.files()
            if number_of(path) and path not in self.foreign and path.startswith(folder)
        )

    def rot(self) -> None:
        """A bit flips, or a part is lost."""
        rng = self.world.rng
        if paths := self._ours():
            path = rng.choice([path for path in paths if path in self.old and rng.random() < 0.5] or paths)
            content = bytearray(self.place.files()[path])
            self.excused.add(number_of(path) or 0)
            if path in self.old and rng.random() < 0.7:  # only a page's checksum tells
                content[content.find(struct.pack("<d", SCORES["b"])) + rng.randrange(8)] ^= 1 << rng.randrange(8)
            elif rng.random() < 0.7:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            else:
                del content[rng.randrange(len(content)) :]
            self._by_hand(path, bytes(content), quietly=rng.random() < 0.5)

    def take_trials(self) -> None:
        """Somebody deletes the last trials."""
        if paths := self._ours("trials/"):
            self.excused.add(number_of(paths[-1]) or 0)
            self.place.remove(paths[-1])
            name = paths[-1].partition("/")[2]
            batch = self.first_batch.pop(name, None)
            busy = any(
                process.alive for process in self.publishing
            )  # who found the number free just before may still take it
            if not busy and batch is not None and content_of(self.place.files().get(f"curves/{name}", b""))[0] == batch:
                self.orphans[name] = batch
            self.taken = True

    def drop_waiting(self) -> None:
        """A host whose clock is ahead deletes what waits."""
        for path in [path for path in self.place.files() if path.startswith("_pending/") and "-staged" not in path]:
            if path.endswith(".parquet"):
                self.place.remove(path)

    def put_foreign(self) -> None:
        """Somebody's own Parquet files, in the middle; not under a number that was published: those are ours to move."""
        rng = self.world.rng
        sink = io.BytesIO()
        pd.DataFrame({"x": [rng.random()]}).to_parquet(sink)
        number = self.highest + rng.randint(1, 3)
        path = rng.choice(
            ["trials/mine.parquet", f"trials/{number:08d}.parquet", "datasets/d.parquet", "curves/x.parquet"]
        )
        if path not in self.place.files():
            self._by_hand(path, sink.getvalue())
            self.foreign[path] = sink.getvalue()

    def lose_all(self) -> None:
        """Somebody deletes the folder under the processes."""
        for path in list(self.place.files()):
            self.place.remove(path)
        self.foreign, self.acknowledged, self.first_batch, self.orphans = {}, {}, {}, {}
        self.excused |= set(range(1, 100))
        self.taken = True

    # -- what must hold -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """At any moment."""
        self._check_copy()
        there = self.place.files()
        self.highest = max([self.highest, *(number_of(path) or 0 for path in self._ours())])
        for path, content in self.foreign.items():
            must(there.get(path) == content, f"the foreign {path} was touched")
        for name, whose in self.orphans.items():
            curves, trials = (content_of(there.get(f"{table}/{name}", b""))[0] for table in ("curves", "trials"))
            must(curves != whose or trials in (None, whose), f"the number of trials/{name} is used again")
        for table in rows_of("a"):
            counts: Counter[str] = Counter()
            for path in self._ours(f"{table}/"):
                batch, ids = content_of(there[path])
                must(ids is not None or number_of(path) in self.excused, f"{path} is half a file")
                counts.update(ids or ())
                if ids and batch and number_of(path) not in self.excused:
                    whose = self.first_batch.setdefault(path.partition("/")[2], batch)
                    must(whose == batch, f"the number of {path} is used twice")
            most = 1 if table == "trials" else 2
            if not self.excused:
                must(all(n <= most for n in counts.values()), f"{table} are there twice: {counts}")
            elif table == "trials" and not self.taken:
                must(all(n <= most for n in counts.values()), f"trials are there twice after damage: {counts}")

    def _check_copy(self) -> None:
        """Other hands leave the copy alone: whatever happens to the source, each trial is there at most once."""
        there = self.copy.files()
        for table in rows_of("a"):
            counts: Counter[str] = Counter()
            for path in sorted(path for path in there if path.startswith(f"{table}/")):
                batch, ids = content_of(there[path])
                must(ids is not None, f"{path} of the copy is half a file")
                counts.update(ids or ())
                if ids and batch:
                    whose = self.copied.setdefault(path.partition("/")[2], batch)
                    must(whose == batch, f"the number of {path} of the copy is used twice")
            most = 1 if table == "trials" else 2
            must(all(n <= most for n in counts.values()), f"{table} are in the copy twice: {counts}")

    def go(self) -> None:
        """Runs the schedule.

        Raises:
            Violation: something that must hold did not.
        """
        world = self.world
        if world.rng.random() < 0.3:
            world.events.insert(0, self.lose_power)
        world.go(self.check)
        for process in world.processes:
            error = process.error
            if isinstance(error, Violation) or (error is not None and not self._may_fail(process, error)):
                raise error
        self._end()

    def lose_power(self) -> None:
        """All processes end, and the disk keeps what it must."""
        for process in [one for one in self.world.processes if one.alive]:
            self.world.kill(process)
        self.place.lose_power()
        self.copy.lose_power()
        self.copied = {}
        self.first_batch = {}  # a number that was lost before anyone heard of it may be given again

    def _may_fail(self, process: Process, error: BaseException) -> bool:
        if process.faults and isinstance(error, OSError | MemoryError):
            return True
        told = str(error)
        return isinstance(error, StoreError) and bool(self.excused) and ("read back" in told or "taken" in told)

    def _end(self) -> None:
        """Without further faults a new run makes everything whole."""
        self.world.faults, self.world.current = 0.0, None
        for place in (self.place, self.copy):
            while self.kind == "bucket" and place.late:
                place.late.pop()()
        self.check()
        before, archive = self.place.files(), self.store(None, read_only=True)
        archive.trial_ids()
        self._check_rows(archive, twice=self.taken)
        must(self.place.files() == before, "reading wrote something")
        opened = self.store(None)
        opened.recover()
        self.taken = False
        self.check()
        kept = {one: number for one, number in self.acknowledged.items() if number not in self.excused}
        must(kept.keys() <= opened.trial_ids(), f"acknowledged and lost: {sorted(kept.keys() - opened.trial_ids())}")
        self._check_rows(opened, all_of=opened.trial_ids())
        opened.publish(rows_of(POOL), self.marks)
        last = self.store(None)
        last.recover()
        must(last.trial_ids() == set(POOL), "a trial cannot be published")
        self._check_rows(last, all_of=set(POOL))
        self.check()
        before = self.place.files()
        self.compact(None)
        self.check()
        must(self.place.files() == before, "compacting wrote into its source")
        self._check_rows(self.store(None, copy=True), all_of=set(POOL))
