"""Kills a process that does nothing but publish made rows, at random moments, hundreds of times.

    python -m tests.faults.publishing [--kills 300] [--seed 0]

Training takes most of a run's time and publishing hardly any, so kills of whole runs seldom hit it. Here a process publishes
batch after batch into a store that others were killed in, and is killed within some milliseconds: while it writes the batch
aside, while it creates the trials, before the curves and predictions follow. What any reader sees must be whole after each.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd

from noiseflow.store import Store
from tests.faults.publisher import CURVES_A_TRIAL, PREDICTIONS_A_TRIAL, batch_of, publish_forever

KILLS_A_STORE = 20  # a store of hundreds of files would take most of the time to open
BATCHES = 3
"""A kill comes within the time that so many batches take."""


def see(results: Path) -> set[str]:
    """The trials that a reader sees: whole files only, none twice."""
    folder = results / "made" / "trials"
    if not any(folder.glob("*.parquet")):
        return set()
    ids = pd.read_parquet(folder)["trial_id"]
    assert ids.is_unique, "a trial is there twice"
    return set(ids)


def where_it_stood(results: Path) -> str:
    """What the last kill left, and so what it hit."""
    left = [path.name for path in (results / "made" / "_pending").glob("*") if path.is_file()]
    staged = any("staged" in name for name in left)
    waiting = {table for table in ("curves", "predictions") if any(name.endswith(f"-{table}.parquet") for name in left)}
    if staged:
        return "a file written aside, not yet in its place"
    return {0: "between two batches", 1: "part of a batch waits", 2: "a batch waits"}[len(waiting)]


def kill_in_a_store(results: Path, kills: int, seconds: float, rng: random.Random, stood: Counter[str]) -> int:
    """Kills so many publishers of one store, then lets one go on; how many trials are there in the end."""
    context = get_context("forkserver")
    seen: set[str] = set()
    for _ in range(kills):
        begun = context.Event()
        publisher: BaseProcess = context.Process(target=publish_forever, args=(str(results), len(seen) // 3, begun))
        publisher.start()
        assert begun.wait(60), "the publisher did not begin"
        time.sleep(rng.uniform(0, seconds))
        publisher.kill()
        publisher.join()
        now = see(results)
        assert seen <= now, f"published trials are gone: {seen - now}"
        seen = now
        stood[where_it_stood(results)] += 1
    complete(results, seen)
    return len(seen)


def seconds_of(results: Path) -> float:
    """How long it takes to publish some batches here and now."""
    store, batches = Store(results, "made"), [batch_of(number) for number in range(BATCHES)]
    began = time.monotonic()
    for batch in batches:
        store.publish(batch, {})
    return time.monotonic() - began


def complete(results: Path, seen: set[str]) -> None:
    """Recovers and publishes everything up to what is there, as the next run would; and looks whether all is whole."""
    store = Store(results, "made")
    store.recover()
    last = max((int(one.removeprefix("trial-")) for one in seen), default=-1)
    for number in range(-(-(last + 1) // 3)):
        store.publish(batch_of(number), {})
    ids = see(results)
    assert seen <= ids
    for table, of_each in (("curves", CURVES_A_TRIAL), ("predictions", PREDICTIONS_A_TRIAL)):
        sizes = pd.read_parquet(results / "made" / table).groupby("trial_id").size()
        assert set(sizes.index) == ids, f"{table} of trials are missing"
        assert (sizes == of_each).all(), f"{table} of a trial are there twice, or in part"


def kill_publishers(kills: int, seed: int, folder: Path) -> tuple[Counter[str], int]:
    """Kills so many publishers; what each kill hit, and how many trials were published in all.

    Raises:
        AssertionError: something was lost, or is there twice.
    """
    get_context("forkserver").set_forkserver_preload(["tests.faults.publisher"])
    rng, stood, n_trials = random.Random(seed), Counter[str](), 0
    seconds = seconds_of(folder / "undisturbed")
    for at, first in enumerate(range(0, kills, KILLS_A_STORE)):
        n_trials += kill_in_a_store(folder / str(at), min(KILLS_A_STORE, kills - first), seconds, rng, stood)
    return stood, n_trials


def main() -> None:
    """Kills, checks and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="noiseflow-publishing-") as folder:
        stood, n_trials = kill_publishers(options.kills, options.seed, Path(folder))
    seconds = time.monotonic() - began
    print(
        f"{options.kills} kills of a publisher in {seconds:.0f} s, {n_trials} trials published: none lost, none twice"
    )
    for moment, n in stood.most_common():
        print(f"  {n:>5}  {moment}")


if __name__ == "__main__":
    main()
