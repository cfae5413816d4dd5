"""Prefect's server and a worker on this machine: `make up` starts them and deploys, `make down` ends them.

    python -m flows.services up | down   [--port 4200] [--state .run] [--postgres]

Who reaches Prefect's API can have the worker run any command. So the server binds 127.0.0.1, asks for a secret, and lets no
page of another origin read its answers. The secret is PREFECT_SERVER_API_AUTH_STRING, or a random one in the file `secret`
of the state folder, which only its owner reads.

While the server is up, `prefect.toml` beside the state folder gives its address and that secret to Prefect's commands and to
`python -m flows`. Without it they would start a second, temporary server.

Each process that is started here, and each that those start, has NOISEFLOW_SERVICES=<state folder>:<name> in its environment.
By that they are found again: nothing is ended by its name, or by an id that another process may have by now.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from flows import postgres
from flows.declared import BLOCK, FOLDER, make_automations, make_pools
from noiseflow.study import Study

HOST = "127.0.0.1"
ROOT = FOLDER.parent
STATE = ROOT / ".run"
SETTINGS = "# written by make up, removed by make down\n"
SERVER_SECRET = "PREFECT_SERVER_API_AUTH_STRING"  # noqa: S105 - the variable's name
CLIENT_SECRET = "PREFECT_API_AUTH_STRING"  # noqa: S105 - the variable's name
RETRIES = "PREFECT_CLIENT_MAX_RETRIES"
PREFECT = [sys.executable, "-m", "prefect", "--no-prompt"]
POOL, WORKER = "noiseflow-cpu", "make-up"
SECONDS_TO_START, SECONDS_TO_END = 180.0, 30.0

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the server, on 127.0.0.1.")]
StateOption = Annotated[Path, typer.Option(help="Folder of the secret and the logs.")]
PostgresOption = Annotated[bool, typer.Option("--postgres", help="Keep Prefect's database in a Postgres of its own.")]


class ServicesError(RuntimeError):
    """Why the services cannot be started, and what to do about it."""


class Record(BaseModel):
    """What is kept in services.json.

    port: of the server. deployed: a hash of what was deployed. own_secret: whether the operator gave the secret.
    """

    port: int
    deployed: str = ""
    own_secret: bool = False


@app.command()
def up(port: PortOption = 4200, state: StateOption = STATE, *, postgres: PostgresOption = False) -> None:
    """Starts the server and a worker, and deploys; what is up already stays as it is."""
    with _one_at_a_time(state):
        _up(port, state, with_postgres=postgres)


@app.command()
def down(state: StateOption = STATE) -> None:
    """Ends the processes that `up` started, and their children."""
    with _one_at_a_time(state):
        if not any(running(name, state, runs=True) for name in ("worker", "server")):
            typer.echo("Nothing of ours is up.")
        _end(["worker", "server"], state)


def _up(port: int, state: Path, *, with_postgres: bool) -> None:
    there = [name for name in ("server", "worker") if running(name, state)]
    record = _read(state) if there else Record(port=port, own_secret=bool(os.environ.get(SERVER_SECRET)))
    if record.port != port:
        raise ServicesError(f"our {' and '.join(there)} run on port {record.port}. End them first: make down")
    if record.own_secret != bool(os.environ.get(SERVER_SECRET)):
        which = "set to the secret that the server was started with" if record.own_secret else "unset"
        raise ServicesError(f"our server is up. {SERVER_SECRET} must be {which}, or end the server first: make down")
    try:
        if len(there) == 2 and record.deployed == fingerprint():
            typer.echo("Prefect is up already.")
        else:
            _start(record, there, state, with_postgres=with_postgres)
    except BaseException:
        _end([name for name in ("worker", "server") if name not in there], state)
        raise
    _show(record, state)


def _start(record: Record, there: list[str], state: Path, *, with_postgres: bool) -> None:
    if "server" not in there:
        refuse_taken(record.port)
        if with_postgres:
            os.environ[postgres.ADDRESS] = postgres.start(state)
        typer.echo(f"starting Prefect's server on {HOST}:{record.port} …")
        _spawn("server", ["server", "start", "--host", HOST, "--port", str(record.port)], record, state)
    told = environment(record.port, state)
    for name in ("PREFECT_API_URL", CLIENT_SECRET, RETRIES):  # which the client below reads
        os.environ[name] = told[name]
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - takes seconds, while the server starts

    began = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        _wait_until(lambda: client.api_healthcheck() is None, "server", state)
        keep_to_this_host(state / "ui", record.port)
        _point_to(record, state)
        make_pools(client)
        if "worker" not in there:
            typer.echo(f"starting a worker of the pool {POOL} …")
            _spawn("worker", ["worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER], record, state)
        typer.echo("deploying prefect.yaml …")
        try:
            lacking = make_automations(client)
        except LookupError as error:
            raise ServicesError(str(error)) from None
        if lacking:
            typer.echo(f"nobody will be told: {len(lacking)} automations notify only where {BLOCK} names a block")
        _deploy(record, state)

        def is_online() -> bool:
            """Whether the worker has been heard of since then."""
            found = (w.last_heartbeat_time for w in client.read_workers_for_work_pool(POOL) if w.name == WORKER)
            return any(moment is not None and moment >= began for moment in found)

        if "worker" not in there:
            _wait_until(is_online, "worker", state)
    (state / "services.json").write_text(record.model_copy(update={"deployed": fingerprint()}).model_dump_json())


def environment(port: int, state: Path) -> dict[str, str]:
    """What the processes see: the operator's environment, our defaults where it says nothing, the address and the secret.

    The secret travels in the environment: every user of the machine can read a command line.
    """
    origins = f"http://{HOST}:{port},http://localhost:{port}"
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(state.resolve() / "ui"),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
        # In Prefect's default the slots of a deployment's limit are in the server's memory: after a restart of the server a
        # run is ended some minutes later, because its slot is gone.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # deployments/automations.yaml waits for ten of them
        RETRIES: "7",  # after 2, 4, 8 … seconds: four minutes
        "NOISEFLOW_RESULTS": str(ROOT / "results"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    secret = _secret(state)
    return (
        defaults
        | os.environ
        | {"PREFECT_API_URL": f"http://{HOST}:{port}/api", SERVER_SECRET: secret, CLIENT_SECRET: secret}
    )


def _secret(state: Path) -> str:
    """The operator's secret, or the one that is in the state folder, made where there is none."""
    if given := os.environ.get(SERVER_SECRET):
        return given
    path = state / "secret"
    if not (path.exists() and path.read_text().strip()):  # an empty one would open the server
        path.unlink(missing_ok=True)
        _write_privately(path, f"admin:{secrets.token_urlsafe(24)}\n")
    path.chmod(0o600)
    return path.read_text().strip()


def _write_privately(path: Path, text: str) -> None:
    """Writes a file that is not there yet, and that nobody but its owner reads at any moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def keep_to_this_host(ui: Path, port: int) -> None:
    """Has browsers ask no other host on behalf of Prefect's pages: V2 asks an analytics service whatever the settings say."""
    own = " ".join(f"{scheme}://{host}:{port}" for scheme in ("http", "ws") for host in (HOST, "localhost"))
    policy = f"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: {own}"
    tag = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    for page in ui.glob("v*/index.html"):
        without = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())  # of another port
        page.write_text(without.replace("<head>", f"<head>{tag}", 1))


# -- processes -----------------------------------------------------------------------------------------------------------


def _mark(name: str, state: Path) -> str:
    return f"NOISEFLOW_SERVICES={state.resolve()}:{name}"


def running(name: str, state: Path, *, runs: bool = False) -> set[int]:
    """Ids of the processes of the server or the worker.

    Args:
        name: server or worker.
        state: the state folder.
        runs: whether the flow runs that the worker has started count, which may outlive it.
    """
    mark, run, found = _mark(name, state).encode(), b"PREFECT__FLOW_RUN_ID=", set()
    for pid, environ in _environments():
        if mark in environ and (runs or not any(setting.startswith(run) for setting in environ)):
            found.add(pid)
    return found


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    """The settings `NAME=value` that each process was started with, by its id."""
    if not Path("/proc/self/environ").exists():  # as on macOS
        command = ["/bin/ps", "-A", "-E", "-ww", "-o", "pid=,command="]
        for line in subprocess.run(command, check=True, capture_output=True).stdout.splitlines():  # noqa: S603
            yield int(line.split()[0]), line.split(b" ")
        return
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked, or is another user's
            yield int(folder.name), folder.joinpath("environ").read_bytes().split(b"\0")


def _spawn(name: str, arguments: list[str], record: Record, state: Path) -> None:
    """Starts a Prefect command in a session of its own."""
    told = environment(record.port, state)
    if name == "worker":
        del told[SERVER_SECRET]  # its runs need the client's alone
    variable, _, value = _mark(name, state).partition("=")
    with (state / f"{name}.log").open("wb") as log:
        subprocess.Popen(  # noqa: S603 - our own words
            [*PREFECT, *arguments],
            cwd=ROOT,
            env=told | {variable: value},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (state / "services.json").write_text(record.model_dump_json())


def _end(names: list[str], state: Path) -> None:
    """Ends these with their children, the worker before the server that it reports to: SIGTERM, then SIGKILL after a grace."""
    for name in names:
        deadline, asked = time.monotonic() + SECONDS_TO_END, set[int]()
        if running(name, state, runs=True):
            typer.echo(f"ending the {name} …")
        while left := running(name, state, runs=True):
            late = time.monotonic() > deadline
            for pid in left if late else left - asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            asked |= left
            time.sleep(0.1)
    if not running("server", state):
        postgres.stop(state)
        point_nowhere(state)
    if not running("worker", state):
        (state / "services.json").unlink(missing_ok=True)


def _wait_until(ready: Callable[[], bool], name: str, state: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not ready():
        if not running(name, state):
            raise ServicesError(f"the {name} ended while it started. {_end_of_log(name, state)}")
        if time.monotonic() > deadline:
            raise ServicesError(f"the {name} is not ready after {SECONDS_TO_START:.0f} s. {_end_of_log(name, state)}")
        time.sleep(0.2)


def _deploy(record: Record, state: Path) -> None:
    command = [*PREFECT, "deploy", "--all"]
    with (state / "deploy.log").open("wb") as log:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            cwd=ROOT,
            env=environment(record.port, state),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode:
        raise ServicesError(f"prefect.yaml could not be deployed. {_end_of_log('deploy', state)}")


def _end_of_log(name: str, state: Path) -> str:
    log = state / f"{name}.log"
    return f"Its log {_short(log)} ends:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:])


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
            other = f"End what uses it, or take another: make up PORT={port + 1 if port < 65535 else 4200}"
            raise ServicesError(f"port {port} on {HOST} cannot be had: {error.strerror}. {other}") from None


# -- what is kept ---------------------------------------------------------------------------------------------------------


def fingerprint() -> str:
    """A hash of what a deployment is made from: `up` deploys again where it has changed."""
    parts = [
        *sorted(FOLDER.iterdir()),
        ROOT / "prefect.yaml",
        ROOT / "flows" / "noise_study.py",
    ]
    study = json.dumps(Study.model_json_schema(), sort_keys=True)  # a parameter of the flow
    told = (os.environ.get(BLOCK, "") + study).encode() + b"".join(part.read_bytes() for part in parts)
    return hashlib.sha256(told).hexdigest()


def _read(state: Path) -> Record:
    try:
        return Record.model_validate_json((state / "services.json").read_bytes())
    except FileNotFoundError:
        raise ServicesError(
            f"something of ours runs, but {_short(state / 'services.json')} is gone: make down"
        ) from None


def forget_if_gone(state: Path = STATE) -> None:
    """Removes the settings that point to a server of ours that ended without `down`, as when the machine went off."""
    if (state / "services.json").exists() and not running("server", state):
        point_nowhere(state)


def _settings(state: Path) -> Path:
    return state.resolve().parent / "prefect.toml"


def _point_to(record: Record, state: Path) -> None:
    """Lets Prefect's commands, typed beside the state folder, talk to the server; a user's own file stays as it is."""
    point_nowhere(state)
    secret = "" if record.own_secret else f'auth_string = "{_secret(state)}"\n'
    with suppress(FileExistsError):
        _write_privately(_settings(state), f'{SETTINGS}[api]\nurl = "http://{HOST}:{record.port}/api"\n{secret}')


def point_nowhere(state: Path) -> None:
    """Removes those settings, if they are ours."""
    with suppress(FileNotFoundError):
        if _settings(state).read_text().startswith(SETTINGS):
            _settings(state).unlink()


@contextmanager
def _one_at_a_time(state: Path) -> Iterator[None]:
    """Within it, no other `up` or `down` works on this folder; what keeps ours from it is printed, with exit status 1."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            typer.echo(f"make: another make up or down is at work in {_short(state)}. Wait until it is done.", err=True)
            raise typer.Exit(1) from None
        except (ServicesError, postgres.PostgresError) as error:
            typer.echo(f"make: {error}", err=True)
            raise typer.Exit(1) from None


def _short(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _show(record: Record, state: Path) -> None:
    prefect = shlex.quote(_short(Path(sys.executable).with_name("prefect")))
    at = f"http://{HOST}:{record.port}"
    where = f"the value of {SERVER_SECRET}" if record.own_secret else f"the line in {_short(state / 'secret')}"
    value = "…" if record.own_secret else f'"$(cat {shlex.quote(_short(state / "secret"))})"'
    typer.echo(
        f"""
Prefect's UI   {at} and {at}/v2
password       {where}; the UI asks for it once
reports        {at}/artifacts
logs           {_short(state / "server.log")}, {_short(state / "worker.log")}

Next:
  {prefect} deployment run 'noise-study/tutorial' -p n_seeds=5 -p epochs=200 --watch
Elsewhere than beside prefect.toml, first:
  export PREFECT_API_URL={at}/api {CLIENT_SECRET}={value}
In the end: make down"""
    )


if __name__ == "__main__":
    app()
