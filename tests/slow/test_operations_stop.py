"""Ctrl-C, SIGTERM and cancelling end a run within 30 s, leave no process, and keep what was trained."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from flows.server_access import ROOT
from noiseflow.study.loading import FOLDER
from tests.processes import Process, end
from tests.slow.conftest import Up
from tests.slow.operations import describe, ended_run, processes_of, start_run, trials, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(900)]
COMMANDS = {"noiseflow": ["noiseflow", "run"], "flows": ["flows"]}
LONG = 200_000  # epochs; some minutes a batch
SECONDS_TO_END = 30


def write_study(folder: Path) -> Path:
    """The tutorial, whose first cell is trained for a moment and the others for long."""
    content = yaml.safe_load((FOLDER / "tutorial.yaml").read_text())
    content |= {"n_seeds": 8, "variants": content["variants"][:2], "published": []}
    content["datasets"][0]["epochs"] = 50
    content["datasets"].append(content["datasets"][0] | {"label": "long", "epochs": LONG})
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def hear_ctrl_c() -> None:
    """As in a terminal; a test that a shell has put into the background was told not to."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(folder: Path, command: str) -> Iterator[tuple[subprocess.Popen[str], Process]]:
    """A run by a command, as in a terminal: leader of the group that Ctrl-C goes to; once it trains the long batches."""
    mark = f"NOISEFLOW_TEST={folder.name}"
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(folder / "prefect"), "PYTHONPATH": str(ROOT)} | dict([mark.split("=")])
    with (folder / "output.txt").open("w") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[command], write_study(folder), "--results", folder / "results"],
            env=environment,
            cwd=folder,
            start_new_session=True,
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - there is one thread
            stdout=output,
            stderr=output,
            text=True,
        )
    process = Process.started(started.pid, mark)
    try:
        there = folder / "results" / "tutorial" / "trials"
        wait_for(lambda: len(trials(there)) >= 16 or started.poll() is not None, 400)
        assert started.poll() is None, (folder / "output.txt").read_text()
        yield started, process
    finally:
        end(process, grace_seconds=0)
        started.wait(20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("command", COMMANDS)
def test_command_ends_soon_and_says_how_to_go_on(command, number, tmp_path, capsys):
    with running(tmp_path, command) as (started, process):
        time.sleep(3)
        began = time.monotonic()
        (os.killpg if number is signal.SIGINT else os.kill)(started.pid, number)
        assert started.wait(SECONDS_TO_END) == 1
        seconds = time.monotonic() - began
        wait_for(lambda: not process.members(), 10, process.members)
    with capsys.disabled():
        print(f"\n{signal.Signals(number).name}: ended after {seconds:.1f} s")
    assert "noiseflow: stopped. Run it again: what was trained is kept." in (tmp_path / "output.txt").read_text()
    if command == "flows":
        with closing(sqlite3.connect(tmp_path / "prefect" / "prefect.db")) as database:
            assert database.execute("SELECT state_type FROM flow_run").fetchall() == [("CRASHED",)]
    kept = trials(tmp_path / "results" / "tutorial" / "trials")
    assert len(kept) == kept["trial_id"].nunique() == 16


def long_run(up: Up, results: str) -> str:
    """A run of the deployment that trains for long; its id, once it does."""
    run = start_run(up, "tutorial", n_seeds=30, epochs=LONG, results=str(up.results / results))
    told = {"flow_runs": {"id": {"any_": [run]}}, "task_runs": {"name": {"like_": "train"}}}
    running_tasks = told["task_runs"] | {"state": {"type": {"any_": ["RUNNING"]}}}
    wait_for(
        lambda: up.post("task_runs/filter", flow_runs=told["flow_runs"], task_runs=running_tasks),
        200,
        lambda: describe(up, run),
    )
    time.sleep(10)
    return run


def logged(up: Up, run: str) -> str:
    return "\n".join(row["message"] for row in up.post("logs/filter", logs={"flow_run_id": {"any_": [run]}}))


def test_cancelling_as_the_ui_does_ends_the_run(up, capsys):
    run = long_run(up, "cancelled")
    state = {"type": "CANCELLING", "name": "Cancelling", "message": "Cancelled from the UI"}
    up.post(f"flow_runs/{run}/set_state", state=state, force=False)
    seconds = wait_for(lambda: not processes_of(run), SECONDS_TO_END, lambda: describe(up, run))
    with capsys.disabled():
        print(f"\ncancelled: ended after {seconds:.1f} s")
    assert (
        ended_run(up, run, 90)["state_type"] == "CANCELLED"
    )  # the worker loads the flow first, for hooks it might have
    wait_for(lambda: "Run it again: what was trained is kept." in logged(up, run), 20, lambda: logged(up, run))


def test_sigterm_to_the_runs_process_ends_it(up, capsys):
    run = long_run(up, "terminated")
    (pid,) = {pid for pid in processes_of(run) if b"prefect.engine" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    os.kill(pid, signal.SIGTERM)
    seconds = wait_for(lambda: not processes_of(run), SECONDS_TO_END, lambda: describe(up, run))
    with capsys.disabled():
        print(f"\nSIGTERM: ended after {seconds:.1f} s")
    assert ended_run(up, run, 90)["state_type"] == "CRASHED"


# Last: it takes the worker away.
def test_down_in_the_middle_of_a_run_leaves_no_process(up):
    run = long_run(up, "down")
    began = time.monotonic()
    done = up.run("flows.services", "down", "--state", str(up.state), timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not processes_of(run)
    assert time.monotonic() - began < 3 * SECONDS_TO_END  # worker, its runs and the server, one after the other
