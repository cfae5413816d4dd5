"""What a store of 10,000 batches and 1,000,000 trials takes: to open, to plan, to publish into, to report, to compact.

    python -m benchmarks.stores [--folder DIR] [--batches 10000] [--repeat 3]

Makes the files first (some minutes, 2 GB; a folder that holds them already is taken), then measures each in processes of
their own and prints a table: the least of the repetitions, the processor's seconds, and the peak of memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.reports import EPOCHS, TEST_ROWS, make_study, make_trials
from noiseflow.datasets import to_frame
from noiseflow.store import SCHEMAS, Store, footer
from noiseflow.store.compaction import compact
from noiseflow.store.files import encode
from noiseflow.store.schemas import FOLLOWERS, numbered
from noiseflow.study import Study
from noiseflow.trials.manifest import software
from noiseflow.trials.plan import Plan, dataset_key, make_plan, study_json

ROOT = Path(__file__).resolve().parents[1]
NAME = "many-cells"
TRIALS_A_BATCH, CELLS = 100, 100
BARS = {"plan": "10 s", "publish": "0.100 s", "report": "60 s, 2 GB"}


def study_of(n_batches: int) -> Study:
    """A study of 100 cells with so many batches."""
    return make_study(10, 1, CELLS // 10, n_batches * TRIALS_A_BATCH // CELLS)


def make_store(study: Study, results: Path) -> None:
    """Writes the files as publishing does, but syncs none of them."""
    place, plan = results / NAME, make_plan(study, "vectorized")
    store = Store(results, NAME)
    marks = footer(store.write_study(study_json(study)), software())
    for dataset in study.datasets:
        for seeds in plan.data_seeds(dataset):
            store.write_dataset(dataset_key(dataset, seeds), to_frame(dataset, seeds), marks)
    for table in ("trials", *FOLLOWERS):
        (place / table).mkdir(exist_ok=True)
    for number, tables in enumerate(made_batches(study, plan), start=1):
        batch = {**marks, "batch": uuid4().hex}
        for table, rows in tables.items():
            path = numbered(table, number)
            (place / path).write_bytes(encode(rows, path, batch))


def made_batches(study: Study, plan: Plan) -> Iterator[dict[str, pa.Table]]:
    """Batch after batch of made rows."""
    trials = make_trials(study)
    trials["trial_id"] = plan.trial_ids
    empty = {name: None for name in SCHEMAS["trials"].names if name not in trials}
    trials = trials.assign(**empty).assign(
        study=NAME, engine="vectorized", device="cpu", epochs=4000, n_train=30, n_test=TEST_ROWS,
        finished_at=pd.Timestamp("2026-01-01", tz="UTC"),
    )  # fmt: skip
    whole = pa.Table.from_pandas(trials, SCHEMAS["trials"], preserve_index=False)
    rng = np.random.default_rng(2)
    for first in range(0, whole.num_rows, TRIALS_A_BATCH):
        rows = whole.slice(first, TRIALS_A_BATCH)
        yield {"trials": rows, "curves": _curves(rows), "predictions": _predictions(rows, rng)}


def _curves(trials: pa.Table) -> pa.Table:
    scores = np.repeat(trials["test_score"].to_numpy(), len(EPOCHS))
    risen = np.tile(1 - np.exp(-EPOCHS / 600), trials.num_rows)
    frame = {
        "trial_id": trials["trial_id"].to_numpy().repeat(len(EPOCHS)),
        "epoch": np.tile(EPOCHS, trials.num_rows),
        "train_loss": 1 - risen,
        "train_score": 0.5 + 0.5 * risen,
        "test_loss": 1 - 0.5 * risen,
        "test_score": 0.5 + (scores - 0.5) * risen,
    }
    return pa.table(frame, SCHEMAS["curves"])


def _predictions(trials: pa.Table, rng: np.random.Generator) -> pa.Table:
    n = trials.num_rows * TEST_ROWS
    frame = {
        "trial_id": trials["trial_id"].to_numpy().repeat(TEST_ROWS),
        "part": np.full(n, "test"),
        "row": np.tile(np.arange(TEST_ROWS, dtype=np.int32), trials.num_rows),
        "output": np.zeros(n, np.int32),
        "prediction": rng.random(n),
    }
    return pa.table(frame, SCHEMAS["predictions"])


# -- what is measured, each in a process of its own -------------------------------------------------------------------


def making(results: Path) -> list[float]:
    """The store itself."""
    study = study_of(int(results.name))
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    took = _seconds(lambda: make_store(study, results))
    results.with_suffix(".yaml").write_text(study.model_dump_json(exclude_defaults=True))
    return [took]


def recovering(results: Path) -> list[float]:
    """What each run does first; it also writes the index."""
    return [_seconds(Store(results, NAME).recover)]


def publishing(results: Path) -> list[float]:
    """A batch of new trials, again and again, by a process that has published before."""
    store = Store(results, NAME)
    store.trial_ids()
    (tables, *_) = made_batches(study_of(1), make_plan(study_of(1), "vectorized"))
    taken = []
    for _ in range(21):
        new = renamed(tables)
        taken.append(_seconds(lambda new=new: store.publish(new, footer("0", {}))))  # type: ignore[misc]
    return taken[1:]


def first_publishing(results: Path) -> list[float]:
    """The first batch of a process that has looked at nothing yet."""
    store = Store(results, NAME)
    (tables, *_) = made_batches(study_of(1), make_plan(study_of(1), "vectorized"))
    new = renamed(tables)
    return [_seconds(lambda: store.publish(new, footer("0", {})))]


def renamed(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The same rows as those of other trials."""
    ids = {one: uuid4().hex for one in tables["trials"]["trial_id"].to_pylist()}
    names = {table: [ids[one] for one in rows["trial_id"].to_pylist()] for table, rows in tables.items()}
    return {table: rows.set_column(0, "trial_id", pa.array(names[table])) for table, rows in tables.items()}


def reading(results: Path) -> list[float]:
    """`pandas.read_parquet` of the trials."""
    return [_seconds(lambda: pd.read_parquet(results / NAME / "trials"))]


def compacting(results: Path) -> list[float]:
    """The copy in few files."""
    into = results.with_name("compacted")
    shutil.rmtree(into, ignore_errors=True)
    seconds = _seconds(lambda: compact(Store(results, NAME, read_only=True), Store(into, NAME)))
    shutil.rmtree(into)
    return [seconds]


PARTS: dict[str, Callable[[Path], list[float]]] = {
    one.__name__: one for one in (making, recovering, publishing, first_publishing, reading, compacting)
}


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def part(name: str, results: Path) -> None:
    """Prints the least, the median and the most of what was measured."""
    taken = PARTS[name](results)
    print(min(taken), float(np.median(taken)), max(taken))


# -- the table ----------------------------------------------------------------------------------------------------------


def measure(command: Sequence[str], repeat: int) -> tuple[float, float, float, str]:
    """The least seconds of a command, the processor's, its peak of memory in GB, and what it printed."""
    best: tuple[float, float, float, str] | None = None
    for _ in range(repeat):
        with tempfile.TemporaryFile("w+") as told:
            began = time.perf_counter()
            environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
            process = subprocess.Popen(command, stdout=told, cwd=ROOT, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            told.seek(0)
            text = told.read()
        if os.waitstatus_to_exitcode(status):
            raise SystemExit(f"{' '.join(command)}: failed\n{text}")
        if best is None or seconds < best[0]:
            best = seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20, text
    return best or (0.0, 0.0, 0.0, "")


def row(told: str, command: Sequence[str], repeat: int, bar: str = "") -> None:
    """Measures and prints a row of the table."""
    seconds, processor, peak, text = measure(command, repeat)
    if "benchmarks.stores" in command:
        least, median, most = map(float, text.split())
        shown = f"{least:.3f} s" if least == most else f"{least:.3f} s ({median:.3f}, {most:.3f})"
    else:
        shown = f"{seconds:.1f} s"
    print(f"| {told} | {shown} | {processor:.1f} s | {peak:.2f} GB | {bar} |", flush=True)


def main() -> None:
    """Makes the store where it is not there yet, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "noiseflow-stores")
    parser.add_argument("--batches", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--part", choices=PARTS)
    options = parser.parse_args()
    results = options.folder / f"{options.batches}"
    if options.part:
        part(options.part, results)
        return
    study, file = study_of(options.batches), options.folder / f"{options.batches}.yaml"
    where = ["--folder", str(options.folder), "--batches", str(options.batches)]
    ours = [sys.executable, "-m", "benchmarks.stores", *where]
    if not file.exists():  # in a process of its own: the memory of this one would count as theirs that it starts
        subprocess.run([*ours, "--part", "making"], check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    noiseflow = str(Path(sys.executable).with_name("noiseflow"))
    asked = [str(file), "--results", str(results)]
    load = os.getloadavg()[0]
    print(f"{len(study.parts()):,} cells, {options.batches:,} batches of {TRIALS_A_BATCH} trials; load {load:.1f}\n")
    print("| what | seconds (median, most) | processor, of the process | peak | bar |\n|---|---|---|---|---|")
    (results / NAME / "_index" / "found.parquet").unlink(missing_ok=True)
    row("`noiseflow plan` without an index", [noiseflow, "plan", *asked], 1)
    row("what a run does first, without an index", [*ours, "--part", "recovering"], 1)
    row("the same with an index", [*ours, "--part", "recovering"], options.repeat)
    row("`noiseflow plan`", [noiseflow, "plan", *asked], options.repeat, BARS["plan"])
    row("the first publish of a process", [*ours, "--part", "first_publishing"], options.repeat)
    row("each further publish", [*ours, "--part", "publishing"], options.repeat, BARS["publish"])
    row("`noiseflow report`", [noiseflow, "report", *asked], options.repeat, BARS["report"])
    row("`pandas.read_parquet` of the trials", [*ours, "--part", "reading"], options.repeat)
    row("a copy in few files", [*ours, "--part", "compacting"], 1)


if __name__ == "__main__":
    main()
