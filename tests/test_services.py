"""The services without a server: whose process it is, which port, what is left behind."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flows import processes
from flows.automations import Declared, declared
from flows.pools import declared as declared_pools
from flows.processes import Process, end, living
from flows.running import environment, fingerprint
from flows.services import SETTINGS, Services, app, forget_if_gone

FOLDER = Path(__file__).parents[1] / "deployments"
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
WITH_CHILD = [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({SLEEP!r}); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]


@contextmanager
def group(
    command: list[str], mark: str = "NOISEFLOW_SERVICES=test"
) -> Iterator[tuple[subprocess.Popen[bytes], Process]]:
    """A process in a group of its own, as the services start theirs."""
    environment = os.environ | dict([mark.split("=")])
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True) as started:
        process = Process.started(started.pid, mark)
        try:
            yield started, process
        finally:
            end(process, grace_seconds=0)


def wait_for(number: int, process: Process) -> None:
    deadline = time.monotonic() + 20
    while len(process.members()) != number:
        assert time.monotonic() < deadline, process.members()
        time.sleep(0.02)


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_process_is_told_from_a_later_one_of_its_id():
    with group(SLEEP) as (started, process):
        assert process.runs()
        later = process.model_copy(update={"began": "at another time"})
        assert not later.runs()
        assert later.members() == set()
        end(later, grace_seconds=0)
        assert started.poll() is None


def test_process_that_ended_is_gone_even_as_a_zombie():
    with group(SLEEP) as (started, process):
        os.kill(started.pid, signal.SIGKILL)
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
        assert not process.runs()
        assert process.members() == set()


def test_end_ends_the_children_too():
    with group(WITH_CHILD) as (started, process):
        wait_for(2, process)
        end(process, grace_seconds=10)
        assert started.wait(10) == -signal.SIGTERM
        assert process.members() == set()


def test_end_ends_children_that_outlived_the_process_only_if_they_carry_the_mark():
    with group(WITH_CHILD) as (started, process):
        wait_for(2, process)
        os.kill(started.pid, signal.SIGKILL)
        started.wait(10)
        assert len(process.members()) == 1
        assert process.model_copy(update={"mark": "NOISEFLOW_SERVICES=another"}).members() == set()
        end(process, grace_seconds=10)
        assert process.members() == set()


def test_end_kills_what_ignores_sigterm():
    with group(STUBBORN) as (started, process):
        assert started.stdout is not None
        started.stdout.readline()
        end(process, grace_seconds=0.5)
        assert started.wait(10) == -signal.SIGKILL


@pytest.mark.skipif(not os.access("/bin/ps", os.X_OK), reason="there is no /bin/ps")
def test_living_agrees_without_proc(monkeypatch, tmp_path):
    with group(SLEEP) as (started, _), monkeypatch.context() as without_proc:
        without_proc.setattr(processes, "PROC", tmp_path)
        assert living()[started.pid].group == started.pid
        assert living()[started.pid].began


def test_up_refuses_a_port_that_is_taken(tmp_path):
    with taken_port() as port:
        done = CliRunner().invoke(app, ["up", "--port", str(port), "--state", str(tmp_path / "state")])
    assert done.exit_code == 1
    assert f"port {port} on 127.0.0.1 cannot be had" in done.output
    assert f"make up PORT={port + 1}" in done.output
    assert not (tmp_path / "state" / "services.json").exists()
    assert not (tmp_path / "prefect.toml").exists()


def test_up_says_that_it_is_up_already(tmp_path):
    with group(SLEEP) as (_, process):
        both = {"server": process, "worker": process}
        services = Services(port=4567, processes=both, deployed=fingerprint())
        (tmp_path / "services.json").write_text(services.model_dump_json())
        done = CliRunner().invoke(app, ["up", "--port", "4567", "--state", str(tmp_path)])
        assert done.exit_code == 0
        assert "is up already" in done.output
        assert process.runs()


def test_up_refuses_another_port_while_it_is_up(tmp_path):
    with group(SLEEP) as (_, process):
        services = Services(port=4567, processes={"server": process, "worker": process})
        (tmp_path / "services.json").write_text(services.model_dump_json())
        done = CliRunner().invoke(app, ["up", "--port", "4568", "--state", str(tmp_path)])
        assert done.exit_code == 1
        assert "run on port 4567. End them first" in done.output
        assert process.runs()


def test_down_ends_what_is_recorded_and_nothing_else(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    mark = "NOISEFLOW_SERVICES=ours"
    with group(SLEEP, mark) as (server, ours), group(SLEEP) as (stranger, theirs), group(SLEEP, mark) as (flow_run, _):
        reused = theirs.model_copy(update={"began": "at another time", "mark": "NOISEFLOW_SERVICES=worker"})
        services = Services(port=4567, processes={"server": ours, "worker": reused})
        (state / "services.json").write_text(services.model_dump_json())
        (tmp_path / "prefect.toml").write_text(SETTINGS)
        done = CliRunner().invoke(app, ["down", "--state", str(state)])
        assert done.exit_code == 0
        assert server.wait(10) == -signal.SIGTERM
        assert flow_run.wait(10) == -signal.SIGTERM  # in a group of its own, as a worker starts its runs
        assert stranger.poll() is None
        assert not (state / "services.json").exists()
        assert not (tmp_path / "prefect.toml").exists()


def test_down_without_anything_up_says_so(tmp_path):
    done = CliRunner().invoke(app, ["down", "--state", str(tmp_path)])
    assert done.exit_code == 0
    assert "Nothing of ours is up" in done.output


def test_forget_if_gone_removes_only_what_up_wrote(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    settings = tmp_path / "prefect.toml"
    with group(SLEEP) as (_, process):
        (state / "services.json").write_text(Services(port=1, processes={"server": process}).model_dump_json())
        settings.write_text(SETTINGS)
        forget_if_gone(state)
        assert settings.exists()
    forget_if_gone(state)
    assert not settings.exists()
    settings.write_text("[api]\n")
    forget_if_gone(state)
    assert settings.read_text() == "[api]\n"


def test_environment_hands_the_servers_secret_to_its_clients(monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:pass")
    assert environment(4567)["PREFECT_API_AUTH_STRING"] == "admin:pass"
    assert environment(4567)["PREFECT_API_URL"] == "http://127.0.0.1:4567/api"
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING")
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    assert "PREFECT_API_AUTH_STRING" not in environment(4567)


def test_up_asks_for_the_secret_of_a_server_that_is_up(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    with group(SLEEP) as (_, process):
        services = Services(port=4567, authenticated=True, processes={"server": process})
        (tmp_path / "services.json").write_text(services.model_dump_json())
        done = CliRunner().invoke(app, ["up", "--port", "4567", "--state", str(tmp_path)])
        assert done.exit_code == 1
        assert "Set PREFECT_SERVER_API_AUTH_STRING to it" in done.output
        assert process.runs()


def test_pools_are_those_that_the_deployments_name():
    deployments = yaml.safe_load((FOLDER / "prefect.yaml").read_text())["deployments"]
    assert {deployment["work_pool"]["name"] for deployment in deployments} == {pool.name for pool in declared_pools()}
    assert all(deployment["concurrency_limit"]["limit"] >= 1 for deployment in deployments)
    assert all(deployment["description"] and deployment["tags"] for deployment in deployments)


@pytest.mark.parametrize("pool", declared_pools(), ids=lambda pool: pool.name)
def test_pool_template_declares_and_describes_each_variable_that_it_takes(pool):
    template = pool.template()
    settings = template["job_configuration"]
    named = {value for name, value in settings.items() if name != "env"} | set(settings["env"].values())
    variables = template["variables"]["properties"]
    assert {f"{{{{ {name} }}}}" for name in variables} - {"{{ env }}"} == named
    assert all(variable["description"] for variable in variables.values())


def test_dead_runs_are_told_from_those_that_miss_the_server():
    """Three heartbeats may be lost; and the client waits 2, 4, 8 … seconds for a server that is away."""
    (marks,) = (automation for automation in declared() if "dead runs" in automation.name)
    for pool in declared_pools():
        variables = pool.template()["variables"]["properties"]
        assert marks.trigger["within"] >= 3 * int(variables["heartbeat_seconds"]["default"])
        assert marks.trigger["within"] > sum(2**n for n in range(1, int(variables["client_retries"]["default"]) + 1))
    assert not marks.notifies


def test_automation_that_notifies_goes_through_the_block_of_the_operator():
    (action,) = Declared(
        name="a", description="", notifies=True, trigger={}, actions=[{"type": "send-notification", "subject": "s"}]
    ).content("an id")["actions"]
    assert action == {"type": "send-notification", "subject": "s", "block_document_id": "an id"}
    assert [automation.name for automation in declared() if automation.notifies] == [
        "noiseflow tells of runs that failed",
        "noiseflow tells of drift",
    ]


def test_environment_keeps_the_slots_of_runs_where_they_outlive_the_server(monkeypatch):
    name = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
    monkeypatch.delenv(name, raising=False)
    assert importlib.import_module(environment(4567)[name]).ConcurrencyLeaseStorage
    assert environment(4567)[name].endswith(".filesystem")
    monkeypatch.setenv(name, "the.operators.own")
    assert environment(4567)[name] == "the.operators.own"
