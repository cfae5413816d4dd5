"""What the tests of the services share: runs of a deployment, the processes of a run, and waiting for either."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from noiseflow.study.loading import load
from tests.processes import PROC, living
from tests.slow.conftest import Up


def circles(*variants: str) -> dict[str, Any]:
    """The shipped study of that name with these variants alone, as a parameter of a run: each is compiled anew by each run."""
    content = load("circles").model_dump(mode="json", exclude_defaults=True)
    return content | {"variants": [each for each in content["variants"] if each["name"] in variants]}


ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def start_run(up: Up, deployment: str, **parameters: Any) -> str:
    """A run of the deployment, due now; its id."""
    (found,) = up.post("deployments/filter", deployments={"name": {"any_": [deployment]}})
    told = {"results": str(up.results), **parameters}
    made = up.post(f"deployments/{found['id']}/create_flow_run", state={"type": "SCHEDULED"}, parameters=told)
    return str(made["id"])


def read_run(up: Up, run: str) -> dict[str, Any]:
    (found,) = up.post("flow_runs/filter", flow_runs={"id": {"any_": [run]}})
    return found


def ended_run(up: Up, run: str, seconds: float = 300) -> dict[str, Any]:
    """The run, once it has ended."""
    wait_for(lambda: read_run(up, run)["state_type"] in ENDED, seconds, lambda: describe(up, run))
    return read_run(up, run)


def describe(up: Up, run: str) -> str:
    return f"{read_run(up, run)['state']}\n{(up.state / 'worker.log').read_text()[-3000:]}"


def wait_for(ready: Callable[[], object], seconds: float, told: Callable[[], object] = lambda: "") -> float:
    """Waits until it is ready; the seconds that it took."""
    began = time.monotonic()
    while not ready():
        assert time.monotonic() - began < seconds, told()
        time.sleep(0.2)
    return time.monotonic() - began


def answers(up: Up) -> bool:
    """Whether the server does."""
    try:
        up.post("flow_runs/count")
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def processes_with(value: str) -> set[int]:
    """Ids of the processes that have this `NAME=value` in their environment."""
    found = set()
    for pid in living():
        try:
            if value.encode() in PROC.joinpath(str(pid), "environ").read_bytes().split(b"\0"):
                found.add(pid)
        except OSError:  # it ended while we looked
            continue
    return found


def processes_of(run: str) -> set[int]:
    """Ids of the processes that Prefect started for this run."""
    return processes_with(f"PREFECT__FLOW_RUN_ID={run}")


@contextmanager
def training_held(up: Up, run: str) -> Iterator[None]:
    """Waits until the run starts what its workers are forked from, and stops that: it would take a core meanwhile."""
    held: set[int] = set()

    def hold() -> bool:
        for pid in processes_of(run):
            with suppress(OSError):  # it has ended
                if b"worker_serving" in PROC.joinpath(str(pid), "cmdline").read_bytes():
                    os.kill(pid, signal.SIGSTOP)
                    held.add(pid)
        return bool(held)

    wait_for(hold, 300, lambda: describe(up, run))
    try:
        yield
    finally:
        for pid in held & processes_of(run):
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)


def trials(folder: Path) -> pd.DataFrame:
    """The trials that are stored there."""
    there = folder.is_dir() and any(folder.glob("*.parquet"))
    return pd.read_parquet(folder) if there else pd.DataFrame({"trial_id": []})
