"""Prefect's server and a worker on this machine: `make up` starts them and deploys, `make down` ends them.

    python -m flows.services up | down   [--port 4200] [--state .run] [--postgres]

Prefect's own commands start the server and the worker and deploy; who reaches them is said in `server_access.py`.
All that is started here has NOISEFLOW_SERVICES=<state folder>:<name> in its environment, and so have the runs of the worker.
By that it is found again: nothing is ended by its name, or by an id that another process may have by now.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import psutil
import typer

from flows import postgres
from flows.declared import BLOCK, make_automations, make_pools
from flows.server_access import (
    CLIENT_SECRET,
    HOST,
    ROOT,
    SERVER_SECRET,
    ServicesError,
    environment,
    keep_to_this_host,
    lead_nowhere,
    lead_to,
    refuse_taken,
)

STATE = ROOT / ".run"
MARK = "NOISEFLOW_SERVICES"
CLIENT = ("PREFECT_API_URL", CLIENT_SECRET, "PREFECT_CLIENT_MAX_RETRIES")
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
POOL, WORKER = "noiseflow-cpu", "make-up"
SECONDS_TO_START = 180.0
RUN = "PREFECT__FLOW_RUN_ID"
SECONDS_TO_END = {"runs": 30.0, "worker": 10.0, "server": 10.0}
"""Until a process that was asked to end is killed: runs store what they have, a server waits for who is connected.

A worker that has no run any more has nothing to lose, and one of Prefect 3.8 does not always end once it had one.
"""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the server, on 127.0.0.1.")]
StateOption = Annotated[Path, typer.Option(help="Folder of the secret and the logs.")]
PostgresOption = Annotated[bool, typer.Option("--postgres", help="Keep Prefect's database in its own Postgres.")]


@app.command()
def up(port: PortOption = 4200, state: StateOption = STATE, *, postgres: PostgresOption = False) -> None:
    """Starts what is not running of the server and a worker, and deploys."""
    with _one_at_a_time(state):
        settings = environment(port, state)
        there = {name: running(name, state) for name in ("worker", "server")}
        for process in [*there["worker"], *there["server"]]:
            if any(process.info["environ"].get(name) != settings[name] for name in ("PREFECT_API_URL", CLIENT_SECRET)):
                raise ServicesError("Prefect is up with another port or another secret. End it first: make down")
        try:
            _start(port, state, settings, {name for name in there if there[name]}, with_postgres=postgres)
        except BaseException:
            _end([name for name in there if not there[name]], state)
            raise
        _show(port, state)


@app.command()
def down(state: StateOption = STATE) -> None:
    """Ends the processes that `up` started, and their children."""
    with _one_at_a_time(state):
        if not any(running(name, state, runs=True) for name in ("worker", "server")):
            typer.echo("Nothing of ours is up.")
        _end(["worker", "server"], state)


def _start(port: int, state: Path, settings: dict[str, str], there: set[str], *, with_postgres: bool) -> None:
    if "server" not in there:
        refuse_taken(port)
        if with_postgres:
            settings[postgres.ADDRESS] = postgres.start(state)
        typer.echo(f"starting Prefect's server on {HOST}:{port} …")
        _spawn("server", ["server", "start", "--host", HOST, "--port", str(port)], settings, state)
    os.environ.update({name: settings[name] for name in CLIENT})
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - takes seconds, while the server starts

    with get_client(sync_client=True) as client:
        _wait_until(lambda: client.api_healthcheck() is None, "server", state)
        keep_to_this_host(state / "ui", port)
        lead_to(port, state)
        make_pools(client)
        if "worker" not in there:
            typer.echo(f"starting a worker of the pool {POOL} …")
            of_worker = {name: value for name, value in settings.items() if name != SERVER_SECRET}
            arguments = ["worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER]
            _spawn("worker", arguments, of_worker, state)
        typer.echo("deploying prefect.yaml …")
        try:
            if lacking := make_automations(client):
                typer.echo(f"{len(lacking)} automations notify only where {BLOCK} names a block")
        except LookupError as error:
            raise ServicesError(str(error)) from None
        command = [*PREFECT, "deploy", "--all"]
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServicesError(f"prefect.yaml could not be deployed:\n{done.stdout}{done.stderr}")
        _wait_until(lambda: True, "worker", state)


def running(name: str, state: Path, *, runs: bool = False) -> list[psutil.Process]:
    """The processes of the server or the worker; with `runs` its runs' processes too, which may outlive it."""
    found = psutil.process_iter(["environ"])
    ours = [p for p in found if (p.info["environ"] or {}).get(MARK) == f"{state.resolve()}:{name}"]
    return [p for p in ours if runs or RUN not in p.info["environ"]]


def _spawn(name: str, arguments: list[str], settings: dict[str, str], state: Path) -> None:
    """Starts a Prefect command in a session by itself."""
    marked = settings | {MARK: f"{state.resolve()}:{name}"}
    with (state / f"{name}.log").open("wb") as log:
        subprocess.Popen(  # noqa: S603 - our own words
            [*PREFECT, *arguments],
            cwd=ROOT,
            env=marked,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _end(names: list[str], state: Path) -> None:
    """Ends these with their children, the worker before the server that it reports to: SIGTERM, then SIGKILL after a grace."""
    for name in names:
        while left := running(name, state, runs=True):
            runs = [process for process in left if RUN in process.info["environ"]]
            if runs:
                typer.echo(f"ending the runs, which store what they have: up to {SECONDS_TO_END['runs']:g} s …")
            typer.echo(f"ending the {name}: up to {SECONDS_TO_END[name]:g} s …")
            for signalled in (psutil.Process.terminate, psutil.Process.kill):
                for process in left:
                    with suppress(psutil.NoSuchProcess):
                        signalled(process)
                psutil.wait_procs(runs, SECONDS_TO_END["runs"])
                _, left = psutil.wait_procs(left, SECONDS_TO_END[name])
    if not running("server", state):
        postgres.stop(state)
        forget_if_gone(state)


def _wait_until(ready: Callable[[], bool], name: str, state: Path) -> None:
    """Waits for a service; `ready` is asked only while it runs.

    Raises:
        ServicesError: it has ended, or takes too long.
    """
    deadline = time.monotonic() + SECONDS_TO_START
    while not (alive := running(name, state)) or not ready():
        if time.monotonic() > deadline or not alive:
            log = state / f"{name}.log"
            end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise ServicesError(f"the {name} does not start. Its log {_short(log)} ends:\n{end}")
        time.sleep(0.2)


def forget_if_gone(state: Path = STATE) -> None:
    """Removes our settings of a server that is gone, as where the machine went off: Prefect's commands would ask it."""
    if not running("server", state):
        lead_nowhere(state)


@contextmanager
def _one_at_a_time(state: Path) -> Iterator[None]:
    """Within it, no other `up` or `down` works on this folder; what keeps ours from it is printed, with exit status 1."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except (BlockingIOError, ServicesError, postgres.PostgresError) as error:
            busy = isinstance(error, BlockingIOError)
            typer.echo(
                f"make: {'another make up or down is at work. Wait until it is done.' if busy else error}", err=True
            )
            raise typer.Exit(1) from None


def _short(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _show(port: int, state: Path) -> None:
    prefect = shlex.quote(_short(Path(sys.executable).with_name("prefect")))
    at, file = f"http://{HOST}:{port}", _short(state / "secret")
    own = bool(os.environ.get(SERVER_SECRET))
    typer.echo(
        f"""
Prefect's UI   {at} and {at}/v2
password       {f"the value of {SERVER_SECRET}" if own else f"the line in {file}"}; the UI asks for it once;
               its hint admin:pass is not the password
reports        {at}/artifacts
logs           {_short(state / "server.log")}, {_short(state / "worker.log")}

Next:
  DO_NOT_TRACK=1 {prefect} deployment run 'noise-study/tutorial' -p study=smoke --watch
Elsewhere than beside prefect.toml, first:
  export PREFECT_API_URL={at}/api {CLIENT_SECRET}={"…" if own else f'"$(cat {shlex.quote(file)})"'}
In the end: make down"""
    )


if __name__ == "__main__":
    app()
