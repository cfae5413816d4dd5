"""Copies a study's many small files into a few large ones, somewhere else.

    noiseflow compact STUDY --results results --into compacted

It does not merge files in place: nothing could do so and keep what readers rely on. Whoever calls
`pandas.read_parquet(folder)` sees the rows of all files that are there, and each trial must be among them exactly once at
every moment. A place changes one file in one step. If each trial is in exactly one file before the step and after it, then
the file that it changes has the same rows before and after. So no series of such steps brings a row from one file into
another. (A disk can exchange whole folders in one step. An object store cannot, and on a disk whoever publishes in between
would find itself in the folder that goes.)

So the copy is another store, which is filled as any store is: by publishing batches, only larger ones. It holds each trial
once at every moment, whoever reads it, publishes there or compacts into it at the same time; and where a compaction is killed,
the next one goes on. The source is only read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from noiseflow.base.faults import InvalidInputError
from noiseflow.store.reading import StoredBatch
from noiseflow.store.schemas import IDENTITIES, identities_of
from noiseflow.store.store import Store, find_store
from noiseflow.study.faults import results_faults
from noiseflow.study.result_places import real_place, study_place

_NAME = re.compile(r"[a-z0-9-]{1,63}")
MOST_ROWS = 10_000
"""Trials that are enough for a file."""
MOST_BYTES = 256 << 20
"""Bytes of rows in memory that are enough for a batch."""


@dataclass
class Compacted:
    """What a compaction came to.

    Attributes:
        copied: trials and replays that it brought.
        left_out: those that are not whole: their curves or predictions are missing, late or damaged.
        damaged: files of trials and replays that cannot be read.
    """

    copied: int = 0
    left_out: int = 0
    damaged: int = 0


@dataclass
class _Group:
    """Batches that become one: trained for the same study by the same software."""

    marks: dict[str, str] = field(default_factory=dict)
    batches: list[StoredBatch] = field(default_factory=list)

    def takes(self, marks: dict[str, str]) -> bool:
        """Whether a batch with these marks may join."""
        rows = sum(batch.n_rows for batch in self.batches)
        size = sum(batch.n_bytes for batch in self.batches)
        return not self.batches or (marks == self.marks and rows < MOST_ROWS and size < MOST_BYTES)

    def joined(self) -> dict[str, pa.Table]:
        """The rows of all of them, by table."""
        tables = self.batches[0].tables
        return {name: pa.concat_tables([batch.tables[name] for batch in self.batches]) for name in tables}


def compact(source: Store, into: Store) -> Compacted:
    """Copies what `into` lacks of `source`, in large batches, and only what is whole.

    Args:
        source: it may be read only, and others may publish there meanwhile: the next compaction copies what they bring.

    Raises:
        InvalidInputError: a later noiseflow wrote one of the two.
        StoreError: one of the two places does not answer, or does not take what is written.
    """
    into.recover()
    done = Compacted()
    for path in source.stored("datasets"):
        key = PurePosixPath(path).stem
        if key not in into.dataset_keys() and (dataset := source.read_batch(path)):
            into.write_dataset(key, dataset.tables["datasets"], _with_study(source, into, dataset.marks))
    for look in source.looks():
        into.write_look(look)
    for table in IDENTITIES:
        for group in _groups(source, into, table, done):
            rows, marks = group.joined(), _with_study(source, into, group.marks)
            done.copied += into.publish(rows, marks) if table == "trials" else into.publish_replays(rows[table], marks)
    return done


def _groups(source: Store, into: Store, table: str, done: Compacted) -> Iterator[_Group]:
    """What is to be published together; `done` counts what is left out."""
    group, there = _Group(), into.identities(table)
    stored = source.stored(table)
    done.damaged += source.count_damaged(table)
    for path, found in stored.items():
        missing = set(found.identities) - there
        if not missing:
            continue
        batch = source.read_batch(path)
        if batch is not None:
            batch = _only(missing, batch)
            missing -= (new := set(identities_of(batch.tables[table].select(IDENTITIES[table]))))
            there |= new
            if not group.takes(batch.marks):
                yield group
                group = _Group()
            group.marks = batch.marks
            group.batches.append(batch)
        done.left_out += len(missing)
    if group.batches:
        yield group


def _only(identities: set[str], batch: StoredBatch) -> StoredBatch:
    """The rows of these trials, or replays, and the marks without the batch's, which changes."""
    table, *followers = batch.tables
    rows = batch.tables[table]
    known = identities_of(rows.select(IDENTITIES[table]))
    rows = rows.filter(pa.array([one in identities for one in known], pa.bool_()))
    tables = {name: batch.tables[name] for name in followers}
    tables = {name: their.filter(pc.is_in(their["trial_id"], rows["trial_id"])) for name, their in tables.items()}
    return StoredBatch({table: rows, **tables}, {name: mark for name, mark in batch.marks.items() if name != "batch"})


def _with_study(source: Store, into: Store, marks: dict[str, str]) -> dict[str, str]:
    """The marks, once the study that they name is in the copy too; footers of earlier formats have the study itself."""
    marks = dict(marks)
    text = marks.pop("study", None) or source.read_study(marks.get("study_hash", ""))
    return marks if text is None else marks | {"study_hash": into.write_study(text)}


def compact_study(study: str, results: str, into: str) -> tuple[str, bool]:
    """Copies a study's files; what to say, and whether all of them were copied.

    Args:
        study: the study's name, as its folder is called.
        results: folder or URL that the study's results lie in.
        into: folder or URL for the copy; what is there already is kept.

    Raises:
        InvalidInputError: it cannot be done with these.
        StoreError: a place does not answer, or cannot be written.
    """
    faults = results_faults(results, writes=False) + results_faults(into)
    if not _NAME.fullmatch(study):
        faults.append(f"the study's name must be of a-z, 0-9 and -; received {study!r}. Change it.")
    if not faults and len({real_place(study_place(place, study)) for place in (results, into)}) == 1:
        faults.append(f"--into must name another place than --results; received {into!r} for both. Choose another.")
    source = None if faults else find_store(results, study)
    if not faults and source is None:
        faults.append(f"--results must hold trials of {study}; {study_place(results, study)} holds none. Change it.")
    if source is None:
        raise InvalidInputError(faults)
    copy = Store(into, study)
    done = compact(source, copy)
    before, after = len(source.stored("trials")), len(copy.stored("trials"))
    text = f"{done.copied:,} trials copied: {before:,} files of {source.location} are {after:,} of {copy.location}."
    if not done.left_out and not done.damaged:
        return text, True
    missing = (
        f"{done.left_out:,} trials that lack curves or predictions and {done.damaged:,} damaged files are left out."
    )
    return f"{text}\n{missing} Run the study on {results}, which trains them again, and compact anew.", False
