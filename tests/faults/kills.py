"""Kills runs of a small study again and again, in each phase, and compares what comes out with an undisturbed run.

    python -m tests.faults.kills [--kills 50] [--seed 0] [--by command|deployment|both] [--folder DIR]

A trajectory is one results folder: some kills, each followed by another run of the same study, and in the end a run that
completes. Whoever is killed is drawn: `noiseflow run` or `python -m flows`, with all its processes or alone; and with a Prefect
server and worker the flow's process, the worker or the server. The phase is told from outside; the moment within it is random.
"""

from __future__ import annotations

import argparse
import random
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pandas as pd

from tests.faults.phases import PHASES, USUAL_SECONDS, Watch, wait_for
from tests.faults.runs import MARK, CommandRun, DeploymentRun, FlowRun, Up, carrying, kill
from tests.faults.study import CONTENT, N_TRIALS, check_results, leftovers, published

KILLS_A_TRAJECTORY = 5
BATCHES_AT_ONCE = 2  # of the flow, which is not imported: TensorFlow would take its seconds and memory here too
Run = CommandRun | DeploymentRun
Start = Callable[[Path], Run]


@dataclass
class Kill:
    """One kill: who, when, what it cost.

    in_flight: batches at most; orphans: processes that outlived the one that was killed, and were ended here; resumed: seconds
    until the next run wrote again.
    """

    target: str
    phase: str
    stored: int
    in_flight: int
    lost: int = 0
    orphans: int = 0
    resumed: float = 0.0


def trajectory(start: Start, results: Path, undisturbed: Path, phases: list[str], rng: random.Random) -> list[Kill]:
    """Kills a run in each of these phases, one run after the other, lets the last complete, and checks the results."""
    kills: list[Kill] = []
    for wanted in [*phases, None]:
        asked = time.monotonic()
        watch, run = _started(start, results)
        if kills and wait_for(watch.wrote, run.alive):
            kills[-1].resumed = time.monotonic() - asked
        if wanted is None or not wait_for(lambda w=watch, p=wanted: _is_past(w, p), run.alive):
            assert run.completed(), f"the run failed:\n{run.log.read_text(errors='replace')[-3000:]}"
            continue
        time.sleep(rng.uniform(0, USUAL_SECONDS[wanted]))
        kills.append(_kill(run, watch, results, rng.choice(run.targets)))
        print(f"  {kills[-1]}, {len(leftovers(results))} files left in _pending", flush=True)
    check_results(results, undisturbed)
    return kills


def _started(start: Start, results: Path) -> tuple[Watch, Run]:
    began = time.time()
    run = start(results)
    return Watch(results, run.log, began), run


def _is_past(watch: Watch, wanted: str) -> bool:
    """Whether a phase is reached, or left behind already."""
    order = ["starting", *PHASES, "ending"]
    now = watch.phase()
    return now == wanted or (order.index(now) > order.index(wanted) and now != "writing")


def _kill(run: Run, watch: Watch, results: Path, target: str) -> Kill:
    """Kills, and looks whether what was published still is."""
    before, phase = published(results), watch.phase()
    orphans = run.kill(target)
    missing = -(-(N_TRIALS - len(before)) // CONTENT["n_seeds"])
    in_flight = min(BATCHES_AT_ONCE, missing) if phase in ("training", "writing") else 0
    return Kill(target, phase, len(before), in_flight, lost=len(before - published(results)), orphans=orphans)


@contextmanager
def services(folder: Path) -> Iterator[Up]:
    """A server and a worker; in the end none of their processes is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    up = Up(folder, port, uuid4().hex)
    try:
        up.start()
        yield up
    finally:
        up.stop()
        assert_no_orphans(up.mark)


def assert_no_orphans(mark: str) -> None:
    """Ends what is left of our processes.

    Raises:
        AssertionError: there was something.
    """
    deadline = time.monotonic() + 15
    while (left := carrying(f"{MARK}={mark}")) and time.monotonic() < deadline:
        time.sleep(0.2)
    told = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in left]
    kill(left)
    assert not left, f"processes that outlived their run: {told}"


def undisturbed_run(folder: Path) -> Path:
    """The results of a run that nobody kills."""
    mark, results = uuid4().hex, folder / "undisturbed"
    began = time.monotonic()
    run = CommandRun(folder, results, mark)
    assert run.completed(), run.log.read_text()[-3000:]
    assert_no_orphans(mark)
    print(f"an undisturbed run of {N_TRIALS} trials takes {time.monotonic() - began:.0f} s", flush=True)
    return results


def by_command(folder: Path, mark: str, kind: type[CommandRun] = CommandRun) -> Start:
    """Runs of the command."""
    return lambda results: kind(folder, results, mark)


def by_deployment(up: Up) -> Start:
    """Runs of the deployment."""
    return lambda results: DeploymentRun(up, results)


def series(start: Start, n_kills: int, folder: Path, undisturbed: Path, rng: random.Random, name: str) -> list[Kill]:
    """Trajectories until so many kills were made."""
    kills: list[Kill] = []
    at = 0
    while len(kills) < n_kills:
        at += 1
        n = min(KILLS_A_TRAJECTORY, n_kills - len(kills))
        phases = sorted(rng.choices(PHASES, weights=(1, 2, 2, 1, 1), k=n), key=PHASES.index)
        print(f"{name} {at}: {', '.join(phases)}", flush=True)
        kills += trajectory(start, folder / f"{name}-{at}", undisturbed, phases, rng)
    return kills


def table(kills: list[Kill]) -> str:
    """What was killed in which phase, how often, what was lost, and how long it took to resume."""
    rows = pd.DataFrame([vars(one) for one in kills])
    grouped = rows.groupby(["target", "phase"])
    told = grouped.agg(
        kills=("lost", "size"),
        published_trials_lost=("lost", "sum"),
        orphans=("orphans", "sum"),
        batches_in_flight=("in_flight", "sum"),
        seconds_to_resume=("resumed", "median"),
        slowest=("resumed", "max"),
    )
    return told.round(0).reset_index().to_string(index=False)


def main() -> None:
    """Kills, checks and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--by", choices=("command", "deployment", "both"), default="both")
    parser.add_argument("--folder", type=Path, help="where everything is written; a temporary folder unless given")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="noiseflow-kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    rng, began = random.Random(options.seed), time.monotonic()
    undisturbed = undisturbed_run(folder)
    kills: list[Kill] = []
    n_command = {"command": options.kills, "deployment": 0, "both": options.kills // 2}[options.by]
    if n_command:
        for name, kind, n in (("command", CommandRun, n_command - n_command // 2), ("flow", FlowRun, n_command // 2)):
            mark = uuid4().hex
            kills += series(by_command(folder, mark, kind), n, folder, undisturbed, rng, name)
            assert_no_orphans(mark)
    if options.kills > n_command:
        with services(folder) as up:
            kills += series(by_deployment(up), options.kills - n_command, folder, undisturbed, rng, "deployment")
    print(
        f"\n{len(kills)} kills in {time.monotonic() - began:.0f} s; every trajectory ended equal to the undisturbed run"
    )
    print(table(kills))


if __name__ == "__main__":
    main()
