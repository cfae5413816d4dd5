"""The services without a server: whose process it is, which port, which secret, what is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from flows import services
from flows.server_access import CLIENT, SETTINGS, environment, ways_in
from flows.services import app, forget_if_gone, running

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@contextmanager
def started(name: str, state: Path, command: list[str] = SLEEP, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own that carries the mark, as the services and their runs do."""
    told = os.environ | {"NOISEFLOW_SERVICES": f"{state.resolve()}:{name}"} | settings
    with subprocess.Popen(command, env=told, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            wait_for(lambda: process.pid in pids(name, state, runs=True))
            yield process
        finally:
            process.kill()


def wait_for(ready) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pids(name: str, state: Path, *, runs: bool = False) -> set[int]:
    return {process.pid for process in running(name, state, runs=runs)}


def call(*words: str, state: Path):
    """What the command does; what it sets in the environment is as before afterwards."""
    return CliRunner().invoke(app, [*words, "--state", str(state)], env={name: os.environ.get(name) for name in CLIENT})


def test_process_is_known_by_the_folder_and_the_name_that_it_was_started_with(state, tmp_path):
    with started("server", state) as server, started("worker", state) as worker:
        assert pids("server", state) == {server.pid}
        assert pids("worker", state) == {worker.pid}
        assert pids("server", tmp_path / "other") == set()
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        assert pids("server", state) == set()  # a zombie has ended


def test_run_that_outlives_its_worker_is_not_taken_for_it(state):
    with started("worker", state, PREFECT__FLOW_RUN_ID="1") as run:
        assert pids("worker", state) == set()
        assert pids("worker", state, runs=True) == {run.pid}


def test_down_ends_what_was_started_here_and_nothing_else(state, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "prefect.toml").write_text(SETTINGS)
    with (
        started("server", state) as server,
        started("worker", state) as worker,
        started("worker", state, PREFECT__FLOW_RUN_ID="1") as run,
        started("worker", other) as stranger,
    ):
        done = call("down", state=state)
        assert done.exit_code == 0, done.output
        assert not any(psutil.pid_exists(process.pid) for process in (worker, run, server))
        assert stranger.poll() is None
    assert not (tmp_path / "prefect.toml").exists()


def test_down_kills_what_ignores_sigterm(state, monkeypatch):
    monkeypatch.setitem(services.SECONDS_TO_END, "worker", 0.5)
    with started("worker", state, STUBBORN) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        assert call("down", state=state).exit_code == 0
        assert not psutil.pid_exists(worker.pid)


def test_down_gives_a_run_longer_than_a_worker_that_does_not_end(state, tmp_path, monkeypatch):
    monkeypatch.setitem(services.SECONDS_TO_END, "worker", 0.5)
    stored = tmp_path / "stored"
    end = f"(time.sleep(2), pathlib.Path({str(stored)!r}).touch(), sys.exit())"
    slow = STUBBORN[-1].replace("signal.SIG_IGN", f"lambda *_: {end}").replace("import", "import pathlib, sys,")
    with (
        started("worker", state, STUBBORN) as worker,
        started("worker", state, [*STUBBORN[:-1], slow], PREFECT__FLOW_RUN_ID="1") as run,
    ):
        for process in (worker, run):
            assert process.stdout is not None
            process.stdout.readline()
        done = call("down", state=state)
        assert "ending the runs, which store what they have: up to 30 s …" in done.output
        assert "ending the worker: up to 0.5 s …" in done.output
        assert stored.exists()
        assert not any(psutil.pid_exists(process.pid) for process in (worker, run))


def test_down_says_how_long_a_worker_without_a_run_may_take(state):
    with started("worker", state):
        done = call("down", state=state)
    assert done.output.splitlines() == ["ending the worker: up to 10 s …"]


def test_down_without_anything_up_says_so(state):
    done = call("down", state=state)
    assert done.exit_code == 0
    assert "Nothing of ours is up" in done.output


def test_up_refuses_a_port_that_is_taken(state, tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = call("up", "--port", str(port), state=state)
    assert done.exit_code == 1
    assert f"Port {port} is already in use" in done.output
    assert f"make up PORT={port + 1}" in done.output
    assert not (tmp_path / "prefect.toml").exists()


SERVER = [sys.executable, "-c", "import time; time.sleep(60)", services.APPLICATION]


@pytest.mark.parametrize("number", ["", "no number", "server's", "another process's"])
def test_record_of_a_server_that_is_gone_goes_and_no_other(number, state, tmp_path, monkeypatch):
    monkeypatch.setattr("prefect.settings.PREFECT_HOME.value", lambda: tmp_path)
    record = tmp_path / "server.pid"
    assert services._forget_dead_server() is None
    with started("server", state, SERVER) as server, started("worker", state) as other:
        numbers = {"server's": str(server.pid), "another process's": str(other.pid)}
        record.write_text(numbers.get(number, number))
        assert services._forget_dead_server() == (server.pid if number == "server's" else None)
        assert record.exists() == (number == "server's")


@pytest.mark.parametrize("ours", [True, False])
def test_down_ends_the_server_by_prefects_own_command_where_it_is_ours(ours, state, tmp_path, monkeypatch):
    monkeypatch.setattr("prefect.settings.PREFECT_HOME.value", lambda: tmp_path)
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(services, "_prefect", lambda *words, **_: asked.append(words))
    other = tmp_path / "other"
    other.mkdir()
    with started("server", state, SERVER) as server, started("server", other, SERVER) as stranger:
        (tmp_path / "server.pid").write_text(str((server if ours else stranger).pid))
        assert call("down", state=state).exit_code == 0
        assert not psutil.pid_exists(server.pid)
        assert stranger.poll() is None
    assert asked == [("server", "stop")] * ours


@pytest.mark.parametrize(
    "other", [{"PREFECT_API_URL": "http://127.0.0.1:4568/api"}, {"PREFECT_API_AUTH_STRING": "a:b"}]
)
def test_up_refuses_another_port_or_secret_than_those_of_the_server_that_is_up(state, other):
    with started("server", state, **environment(4567, state) | other) as server:
        done = call("up", "--port", "4567", state=state)
        assert done.exit_code == 1
        assert "up with another port or another secret. End it first: make down" in done.output
        assert server.poll() is None


def test_up_says_what_the_password_is_not_and_prints_a_command_that_sends_no_usage_data(state):
    said = ways_in(4567, state)
    assert "hint admin:pass is not the password" in said
    lines = [line.strip() for line in said.splitlines() if " deployment run " in line]
    assert [line.partition(" ")[0] for line in lines] == ["DO_NOT_TRACK=1"]


def test_one_up_or_down_at_a_time(state):
    with services._one_at_a_time(state):
        done = call("down", state=state)
    assert done.exit_code == 1
    assert "another make up or down is at work" in done.output


def test_forget_if_gone_removes_only_what_up_wrote(state, tmp_path):
    settings = tmp_path / "prefect.toml"
    with started("server", state):
        settings.write_text(SETTINGS)
        forget_if_gone(state)
        assert settings.exists()
    forget_if_gone(state)
    assert not settings.exists()
    settings.write_text("[api]\n")
    forget_if_gone(state)
    assert settings.read_text() == "[api]\n"
