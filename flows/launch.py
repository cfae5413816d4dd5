"""Starts Prefect's server, a worker and the deployments as processes of their own, waits for them, and ends them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from uuid import uuid4

import typer

from flows.processes import Process, end, end_marked
from flows.running import HOST, ROOT, Services, ServicesError, environment, point_nowhere, short, write

DEPLOYMENTS = "deployments/prefect.yaml"
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
SECONDS_TO_START = 180.0
SECONDS_TO_END = 30.0


def spawn(name: str, arguments: list[str], services: Services, state: Path) -> None:
    """Starts a Prefect command in a group of its own, and writes down that it did."""
    if name in services.processes:  # it is gone itself; what it left behind would be forgotten
        end(services.processes[name], SECONDS_TO_END)
    mark = uuid4().hex
    with (state / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(  # noqa: S603 - our own words
            [*PREFECT, *arguments],
            cwd=ROOT,
            env=environment(services.port) | {"NOISEFLOW_SERVICES": mark},
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            start_new_session=True,
        )
    services.processes[name] = Process.started(started.pid, f"NOISEFLOW_SERVICES={mark}")
    write(services, state)


def deploy(port: int, state: Path) -> None:
    """Deploys what deployments/prefect.yaml declares.

    Raises:
        ServicesError: it could not be deployed.
    """
    command = [*PREFECT, "deploy", "--all", "--prefect-file", DEPLOYMENTS]
    with (state / "deploy.log").open("wb") as log:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, env=environment(port), stdin=DEVNULL, stdout=log, stderr=STDOUT, check=False
        )
    if done.returncode:
        raise ServicesError(f"{DEPLOYMENTS} could not be deployed. {_end_of_log('deploy', state)}")


def wait_until(ready: Callable[[], bool], name: str, services: Services, state: Path) -> None:
    """Waits until something is ready that the named process brings about.

    Raises:
        ServicesError: it ended, or takes too long.
    """
    deadline = time.monotonic() + SECONDS_TO_START
    while not ready():
        if not services.runs(name):
            raise ServicesError(f"the {name} ended while it started. {_end_of_log(name, state)}")
        if time.monotonic() > deadline:
            raise ServicesError(f"the {name} is not ready after {SECONDS_TO_START:.0f} s. {_end_of_log(name, state)}")
        time.sleep(0.2)


def _end_of_log(name: str, state: Path, lines: int = 15) -> str:
    log = state / f"{name}.log"
    return f"Its log {short(log)} ends:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def refuse_taken(port: int) -> None:
    """Finds out whether the port can be had, before a server fails to.

    Raises:
        ServicesError: it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was left a moment ago is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            mend = f"End what uses it, or take another: make up PORT={port + 1 if port < 65535 else 4200}"
            raise ServicesError(f"port {port} on {HOST} cannot be had: {error.strerror}. {mend}") from None


def end_all(services: Services, state: Path, names: list[str]) -> None:
    """Ends these processes, the worker before the server that it reports to."""
    for name in sorted(names, reverse=True):
        process = services.processes.pop(name)
        if process.members():
            typer.echo(f"ending the {name} …")
            end(process, SECONDS_TO_END)
        end_marked(process.mark, SECONDS_TO_END)  # its runs, which it may have left behind
    if "server" not in services.processes:
        point_nowhere(state)
    write(services, state)
