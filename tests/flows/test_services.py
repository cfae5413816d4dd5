"""The services without a server: whose process it is, which port, which secret, what is left behind."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prefect.workers.process import ProcessJobConfiguration
from typer.testing import CliRunner

from flows import services
from flows.declared import automations, notifies, pools
from flows.services import SETTINGS, app, environment, forget_if_gone, keep_to_this_host, running

FOLDER = Path(__file__).parents[2] / "deployments"
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
    return CliRunner().invoke(app, [*words, "--state", str(state)])


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
    assert f"port {port} on 127.0.0.1 cannot be had" in done.output
    assert f"make up PORT={port + 1}" in done.output
    assert not (tmp_path / "prefect.toml").exists()


@pytest.mark.parametrize(
    "other", [{"PREFECT_API_URL": "http://127.0.0.1:4568/api"}, {"PREFECT_API_AUTH_STRING": "a:b"}]
)
def test_up_refuses_another_port_or_secret_than_those_of_the_server_that_is_up(state, other):
    with started("server", state, **environment(4567, state) | other) as server:
        done = call("up", "--port", "4567", state=state)
        assert done.exit_code == 1
        assert "up with another port or another secret. End it first: make down" in done.output
        assert server.poll() is None


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


# -- the doors -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch):
    """Without any setting of Prefect's in the environment."""
    for name in list(os.environ):
        if name.startswith("PREFECT_") or name == "DO_NOT_TRACK":
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("bare")
def test_up_makes_a_secret_that_only_its_owner_reads_and_keeps_it(state):
    told = environment(4567, state)
    secret = (state / "secret").read_text().strip()
    assert told["PREFECT_SERVER_API_AUTH_STRING"] == told["PREFECT_API_AUTH_STRING"] == secret
    assert len(secret.removeprefix("admin:")) >= 32
    assert stat.S_IMODE((state / "secret").stat().st_mode) == 0o600
    (state / "secret").chmod(0o644)
    assert environment(4567, state)["PREFECT_API_AUTH_STRING"] == secret
    assert stat.S_IMODE((state / "secret").stat().st_mode) == 0o600


@pytest.mark.usefixtures("bare")
def test_empty_secret_opens_nothing(state, monkeypatch):
    (state / "secret").write_text("\n")
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "")
    assert len(environment(4567, state)["PREFECT_SERVER_API_AUTH_STRING"]) >= 32


@pytest.mark.usefixtures("bare")
def test_settings_that_hold_the_secret_are_read_by_their_owner_alone(state, tmp_path, monkeypatch):
    services._point_to(4567, state)
    settings = tmp_path / "prefect.toml"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert (state / "secret").read_text().strip() in settings.read_text()
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:pass")
    services._point_to(4567, state)
    assert "auth_string" not in settings.read_text()  # the operator's own is written nowhere


def test_operators_secret_is_used_and_written_nowhere(state, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:pass")
    assert environment(4567, state)["PREFECT_API_AUTH_STRING"] == "admin:pass"
    assert not (state / "secret").exists()


@pytest.mark.usefixtures("bare")
def test_server_answers_its_own_pages_alone_and_sends_nothing_home(state, monkeypatch):
    told = environment(4567, state)
    assert told["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4567,http://localhost:4567"
    assert told["DO_NOT_TRACK"] == "1"
    assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert told["PREFECT_API_URL"] == "http://127.0.0.1:4567/api"
    monkeypatch.setenv("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "https://prefect.example.org")
    assert environment(4567, state)["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "https://prefect.example.org"


@pytest.mark.slow
@pytest.mark.usefixtures("bare")
def test_importing_the_flow_or_the_command_keeps_prefect_from_counting(monkeypatch, tmp_path):
    for name in ("CI", "GITHUB_ACTIONS"):  # where Prefect counts nothing anyway
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    look = "import flows, prefect.analytics; print(prefect.analytics.is_telemetry_enabled())"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert not (tmp_path / ".sdk_telemetry").exists()


def test_pages_of_the_ui_may_ask_no_other_host(tmp_path):
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "index.html").write_text("<html><head><title>Prefect</title></head></html>")
    for port in (4566, 4567, 4567):
        keep_to_this_host(tmp_path, port)
    for page in tmp_path.glob("v*/index.html"):
        assert page.read_text().count("Content-Security-Policy") == 1
        assert "default-src 'self'" in page.read_text()
        assert "4566" not in page.read_text()


@pytest.mark.parametrize("pool", pools(), ids=lambda pool: pool["name"])
def test_a_run_picks_no_command_environment_or_folder_of_its_process(pool):
    template = pool["base_job_template"]
    assert set(template["variables"]["properties"]) == {"name", "stream_output"}
    assert template["variables"]["additionalProperties"] is False  # so the server refuses others
    assert all(variable["description"] for variable in template["variables"]["properties"].values())
    asked = {"command": "id", "env": {"A": "1"}, "env.B": "1", "working_dir": "/etc", "data_folder": "/"}
    nobody: Any = object()  # else a server is started, to look references up that are not there
    found = asyncio.run(ProcessJobConfiguration.from_template_and_values(template, asked, client=nobody))
    assert (found.command, found.env, found.working_dir) == (None, {}, None)


def test_pools_are_those_that_the_deployments_name():
    deployments = yaml.safe_load((FOLDER.parent / "prefect.yaml").read_text())["deployments"]
    assert {deployment["work_pool"]["name"] for deployment in deployments} == {pool["name"] for pool in pools()}
    assert all(deployment["concurrency_limit"]["limit"] >= 1 for deployment in deployments)
    assert all(deployment["description"] and deployment["tags"] for deployment in deployments)


@pytest.mark.usefixtures("bare")
def test_dead_runs_are_told_from_those_that_miss_the_server(state):
    """Three heartbeats may be lost; and the client waits 2, 4, 8 … seconds for a server that is away."""
    (marks,) = (automation for automation in automations() if "dead runs" in automation["name"])
    told = environment(4567, state)
    within = marks["trigger"]["within"]
    assert within >= 3 * int(told["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert within > sum(2**n for n in range(1, int(told["PREFECT_CLIENT_MAX_RETRIES"]) + 1))
    assert not notifies(marks)


def test_automations_that_notify():
    assert [automation["name"] for automation in automations() if notifies(automation)] == [
        "noiseflow tells of runs that failed",
        "noiseflow tells of drift",
        "noiseflow tells of verdicts that changed",
        "noiseflow tells of a missing night",
    ]


@pytest.mark.usefixtures("bare")
def test_slots_of_runs_are_kept_where_they_outlive_the_server(state, monkeypatch):
    name = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
    told = environment(4567, state)[name]
    assert importlib.import_module(told).ConcurrencyLeaseStorage
    assert told.endswith(".filesystem")
    monkeypatch.setenv(name, "the.operators.own")
    assert environment(4567, state)[name] == "the.operators.own"
