"""Prefect's server and a worker on this machine: `make up` starts them and deploys, `make down` ends them.

    python -m flows.services up | down   [--port 4200] [--state .run] [--postgres]

Prefect's own commands do it: `server start --background`, `worker start`, `deploy --all`, `server stop`. Who reaches the
server is said in `server_access.py`. The processes have NOISEFLOW_SERVICES=<state folder>:<name> in their environment, and so
have the runs of the worker. By that they are found: no process is ended by its name, or by a number that another has by now.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from flows import postgres
from flows.declared import FOLDER, NoSuchBlockError, make_all
from flows.server_access import (
    CLIENT,
    CLIENT_SECRET,
    HOST,
    ROOT,
    SERVER_SECRET,
    ServicesError,
    environment,
    keep_to_this_host,
    lead_nowhere,
    lead_to,
    short,
    ways_in,
)

STATE = ROOT / ".run"
MARK, RUN = "NOISEFLOW_SERVICES", "PREFECT__FLOW_RUN_ID"
APPLICATION = "prefect.server.api.server:create_app"
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
WORKER = ["worker", "start", "--pool", "noiseflow-cpu", "--type", "process", "--name", "make-up"]
APART: dict[str, Any] = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "start_new_session": True}
"""It hears no Ctrl-C of this terminal."""
SECONDS_TO_START = 180.0
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
        typer.echo(ways_in(port, state))


@app.command()
def down(state: StateOption = STATE) -> None:
    """Ends the processes that `up` started, and their children."""
    with _one_at_a_time(state):
        if not any(running(name, state, runs=True) for name in ("worker", "server")):
            typer.echo("Nothing of ours is up.")
        _end(["worker", "server"], state)


def _start(port: int, state: Path, settings: dict[str, str], there: set[str], *, with_postgres: bool) -> None:
    """Starts what is not there, and makes what prefect.yaml and deployments/ declare."""
    os.environ.update(
        {name: settings[name] for name in CLIENT}
    )  # before Prefect is loaded: else it starts a server itself
    if "server" not in there:
        typer.echo(f"starting Prefect's server on {HOST}:{port} …")
        of_server = {
            **({postgres.ADDRESS: postgres.start(state)} if with_postgres else {}),
            "PREFECT_LOGGING_SETTINGS_PATH": str(FOLDER / "server-log.yaml"),
            "PREFECT_LOGGING_HANDLERS_FILE_FILENAME": str(_log("server", state)),
            MARK: f"{state.resolve()}:server",
        }
        _forget_dead_server()
        _log("server", state).write_text("")
        command = ["server", "start", "--background", "--host", HOST, "--port", str(port)]
        other = f"Another port: make up PORT={port + 1 if port < 65535 else 4200}. One server a folder PREFECT_HOME."
        _prefect(*command, settings=settings | of_server, hint=other)
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - takes seconds, while the server starts

    with get_client(sync_client=True) as client:
        _wait_until(lambda: client.api_healthcheck() is None, "server", state)
        keep_to_this_host(state / "ui", port)
        lead_to(port, state)
        if lacking := make_all(client):
            typer.echo(lacking)
    if "worker" not in there:
        typer.echo("starting a worker …")
        of_worker = {name: value for name, value in settings.items() if name != SERVER_SECRET}
        with _log("worker", state).open("wb") as log:
            marked = of_worker | {MARK: f"{state.resolve()}:worker"}
            subprocess.Popen([*PREFECT, *WORKER], env=marked, stdout=log, stderr=log, **APART)  # noqa: S603 - our own words
    typer.echo("deploying prefect.yaml …")
    _prefect("deploy", "--all", settings=settings)
    _wait_until(lambda: True, "worker", state)


def running(name: str, state: Path, *, runs: bool = False) -> list[psutil.Process]:
    """The processes of the server or the worker; with `runs` its runs' processes too, which may outlive it."""
    found = psutil.process_iter(["environ"])
    ours = [p for p in found if (p.info["environ"] or {}).get(MARK) == f"{state.resolve()}:{name}"]
    return [p for p in ours if runs or RUN not in p.info["environ"]]


def _prefect(*words: str, settings: dict[str, str], hint: str = "") -> None:
    """Runs one of Prefect's commands.

    Raises:
        ServicesError: it failed.
    """
    done = subprocess.run([*PREFECT, *words], env=settings, capture_output=True, text=True, check=False, **APART)  # noqa: S603
    if done.returncode:
        raise ServicesError(
            f"prefect {' '.join(words)} failed:\n{done.stdout}{done.stderr}".rstrip() + f"\n{hint}" * bool(hint)
        )


def _forget_dead_server() -> int | None:
    """Removes Prefect's record of a server that is gone, as where the machine went off; else returns that server's number.

    Beside the record Prefect starts no server, and `server stop` would signal the process that has the number by now.
    """
    from prefect.settings import PREFECT_HOME  # noqa: PLC0415 - takes a second

    record = PREFECT_HOME.value() / "server.pid"
    servers = {str(p.pid): p.pid for p in psutil.process_iter(["cmdline"]) if APPLICATION in (p.info["cmdline"] or [])}
    if record.exists() and record.read_text() not in servers:
        record.unlink()
    return servers[record.read_text()] if record.exists() else None


def _end(names: list[str], state: Path) -> None:
    """Ends these with their children, the worker before the server that it reports to: SIGTERM, then SIGKILL after a grace."""
    for name in names:
        while left := running(name, state, runs=True):
            runs = [process for process in left if RUN in process.info["environ"]]
            if runs:
                typer.echo(f"ending the runs, which store what they have: up to {SECONDS_TO_END['runs']:g} s …")
            typer.echo(f"ending the {name}: up to {SECONDS_TO_END[name]:g} s …")
            if name == "server" and _forget_dead_server() in {process.pid for process in left}:
                _prefect("server", "stop", settings=dict(os.environ))
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
            end = "\n".join(_log(name, state).read_text(errors="replace").splitlines()[-15:])
            raise ServicesError(f"the {name} does not start. Its log {short(_log(name, state))} ends:\n{end}")
        time.sleep(0.2)


def _log(name: str, state: Path) -> Path:
    return state.resolve() / f"{name}.log"


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
        except (BlockingIOError, ServicesError, NoSuchBlockError, postgres.PostgresError) as error:
            busy = "another make up or down is at work. Wait until it is done."
            typer.echo(f"make: {busy if isinstance(error, BlockingIOError) else error}", err=True)
            raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
