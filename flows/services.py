"""Prefect's server and a worker on this machine: starts them, deploys, and ends just what it started.

    python -m flows.services up | down   [--port 4200] [--state .run]

The state folder holds the logs and `services.json`, which says of each process what its id is and when it began:
nothing is ended by its name, nor because it has the id that a process of ours once had.

While the server is up, a `prefect.toml` beside the state folder tells Prefect's commands and `noiseflow run` to use it.
Without it they would start a second, temporary server on the same database, whose `--watch` waits for ever for events
that only the first server sees.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from pydantic import BaseModel

from flows.processes import Process, end

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

HOST = "127.0.0.1"
POOL = "noiseflow-cpu"
WORKER = "make-up"
DEPLOYMENTS = "deployments/prefect.yaml"
ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".run"
FILE = "services.json"
SETTINGS = "# written by make up, removed by make down\n"
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
SECONDS_TO_START = 180.0
SECONDS_TO_END = 30.0

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the server, on 127.0.0.1.")]
StateOption = Annotated[Path, typer.Option(help="Folder of the process ids and the logs.")]


class ServicesError(RuntimeError):
    """What keeps the services from starting, and the mend."""


class Services(BaseModel):
    """What was started, and on which port."""

    port: int
    processes: dict[str, Process] = {}

    def runs(self, name: str) -> bool:
        """Whether that process is there."""
        return name in self.processes and self.processes[name].runs()


@app.command()
def up(port: PortOption = 4200, state: StateOption = STATE) -> None:
    """Starts the server and a worker, and deploys; what is up already stays as it is."""
    with _alone(state):
        services = _read(state) or Services(port=port)
        there = {name for name in ("server", "worker") if services.runs(name)}
        try:
            if there == {"server", "worker"} and services.port == port:
                typer.echo("Prefect is up already.")
            else:
                _start(services, port, state)
        except BaseException as error:
            _end(services, state, [name for name in services.processes if name not in there])
            if isinstance(error, ServicesError):
                typer.echo(f"make up: {error}", err=True)
                raise typer.Exit(1) from None
            raise
        _show(port, state)


@app.command()
def down(state: StateOption = STATE) -> None:
    """Ends the processes that `up` started, and their children."""
    with _alone(state):
        services = _read(state)
        if services is None or not any(process.members() for process in services.processes.values()):
            typer.echo("Nothing of ours is up.")
        if services is not None:
            _end(services, state, list(services.processes))


def _start(services: Services, port: int, state: Path) -> None:
    """Starts what is not there, and deploys."""
    there = [name for name in services.processes if services.runs(name)]
    if there and services.port != port:
        raise ServicesError(f"our {' and '.join(there)} run on port {services.port}. End them first: make down")
    services.port = port
    if "server" not in there:
        _refuse_taken(port)
        typer.echo(f"starting Prefect's server on {HOST}:{port} …")
        _spawn("server", ["server", "start", "--host", HOST, "--port", str(port), "--analytics-off"], services, state)
    os.environ["PREFECT_API_URL"] = _api(port)
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - takes seconds, while the server starts

    began = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        _wait(lambda: client.api_healthcheck() is None, "server", services, state)
        _point_to(port, state)
        if "worker" not in there:
            typer.echo(f"starting a worker of the pool {POOL} …")
            worker = ["worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER]
            _spawn("worker", worker, services, state)  # it makes the pool if there is none
        _wait(lambda: any(pool.name == POOL for pool in client.read_work_pools()), "worker", services, state)
        typer.echo(f"deploying {DEPLOYMENTS} …")
        _deploy(port, state)
        if "worker" not in there:
            _wait(lambda: _online(client, began), "worker", services, state)


def _online(client: SyncPrefectClient, began: datetime) -> bool:
    """Whether the worker has been heard of since then."""
    heard = (worker.last_heartbeat_time for worker in client.read_workers_for_work_pool(POOL) if worker.name == WORKER)
    return any(moment is not None and moment >= began for moment in heard)


def _spawn(name: str, arguments: list[str], services: Services, state: Path) -> None:
    """Starts a Prefect command in a group of its own, and writes down that it did."""
    if name in services.processes:  # it is gone itself; what it left behind would be forgotten
        end(services.processes[name], SECONDS_TO_END)
    mark = uuid4().hex
    environment = _environment(services.port) | {"NOISEFLOW_SERVICES": mark}
    with (state / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(  # noqa: S603 - our own words
            [*PREFECT, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            start_new_session=True,
        )
    services.processes[name] = Process.started(started.pid, f"NOISEFLOW_SERVICES={mark}")
    (state / FILE).write_text(services.model_dump_json(indent=1))


def _deploy(port: int, state: Path) -> None:
    command = [*PREFECT, "deploy", "--all", "--prefect-file", DEPLOYMENTS]
    with (state / "deploy.log").open("wb") as log:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, env=_environment(port), stdin=DEVNULL, stdout=log, stderr=STDOUT, check=False
        )
    if done.returncode:
        raise ServicesError(f"{DEPLOYMENTS} could not be deployed. {_end_of_log('deploy', state)}")


def _environment(port: int) -> dict[str, str]:
    """What the processes see: the server to talk to, whatever the user's profile says."""
    return {"DO_NOT_TRACK": "1", "TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PREFECT_API_URL": _api(port)}


def _api(port: int) -> str:
    return f"http://{HOST}:{port}/api"


def _wait(ready: Callable[[], bool], name: str, services: Services, state: Path) -> None:
    """Waits until something is ready that the named process brings about."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not ready():
        if not services.runs(name):
            raise ServicesError(f"the {name} ended while it started. {_end_of_log(name, state)}")
        if time.monotonic() > deadline:
            raise ServicesError(f"the {name} is not ready after {SECONDS_TO_START:.0f} s. {_end_of_log(name, state)}")
        time.sleep(0.2)


def _end_of_log(name: str, state: Path, lines: int = 15) -> str:
    log = state / f"{name}.log"
    return f"Its log {_short(log)} ends:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was left a moment ago is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            mend = f"End what uses it, or take another: make up PORT={port + 1 if port < 65535 else 4200}"
            raise ServicesError(f"port {port} on {HOST} cannot be had: {error.strerror}. {mend}") from None


def _end(services: Services, state: Path, names: list[str]) -> None:
    """Ends these processes, the worker before the server that it reports to."""
    for name in sorted(names, reverse=True):
        process = services.processes.pop(name)
        if process.members():
            typer.echo(f"ending the {name} …")
            end(process, SECONDS_TO_END)
    if "server" not in services.processes:
        _point_nowhere(state)
    if services.processes:
        (state / FILE).write_text(services.model_dump_json(indent=1))
    else:
        (state / FILE).unlink(missing_ok=True)


def forget_if_gone(state: Path = STATE) -> None:
    """Removes the settings that point to a server of ours that ended without `down`, as when the machine went off."""
    services = _read(state)
    if services is not None and not services.runs("server"):
        _point_nowhere(state)


def _point_to(port: int, state: Path) -> None:
    """Lets Prefect's commands, typed beside the state folder, talk to the server; a user's own file stays as it is."""
    _point_nowhere(state)
    with suppress(FileExistsError), _settings(state).open("x") as settings:
        settings.write(f'{SETTINGS}[api]\nurl = "{_api(port)}"\n')


def _point_nowhere(state: Path) -> None:
    with suppress(FileNotFoundError):
        if _settings(state).read_text().startswith(SETTINGS):
            _settings(state).unlink()


def _settings(state: Path) -> Path:
    return state.resolve().parent / "prefect.toml"


def _read(state: Path) -> Services | None:
    try:
        return Services.model_validate_json((state / FILE).read_bytes())
    except FileNotFoundError:
        return None


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Within it, no other `up` or `down` works on this folder."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            typer.echo(f"another make up or down is at work in {_short(state)}. Wait until it is done.", err=True)
            raise typer.Exit(1) from None
        yield


def _show(port: int, state: Path) -> None:
    prefect = shlex.quote(_short(Path(sys.executable).with_name("prefect")))
    typer.echo(
        f"""
Prefect's UI   http://{HOST}:{port} and http://{HOST}:{port}/v2
reports        http://{HOST}:{port}/artifacts
logs           {_short(state / "server.log")}, {_short(state / "worker.log")}

Next:
  export PREFECT_API_URL={_api(port)}   # only where no prefect.toml says so
  {prefect} deployment run 'noise-study/tutorial' -p n_seeds=5 -p epochs=200 --watch
In the end: make down"""
    )


def _short(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    app()
