"""Prefect's server and a worker on this machine: starts them, deploys, and ends just what it started.

    python -m flows.services up | down   [--port 4200] [--state .run]

The state folder holds the logs and `services.json`, which says of each process what its id is and when it began:
nothing is ended by its name, nor because it has the id that a process of ours once had.

While the server is up, a `prefect.toml` beside the state folder tells Prefect's commands and `noiseflow run` to use it.
Without it they would start a second, temporary server on the same database, whose `--watch` waits for ever for events
that only the first server sees.

With PREFECT_SERVER_API_AUTH_STRING in the environment the server asks for it, and what is started here has it.
"""

from __future__ import annotations

import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.automations import BLOCK, make_automations
from flows.launch import DEPLOYMENTS, deploy, end_all, refuse_taken, spawn, wait_until
from flows.pools import make_pools
from flows.running import (
    CLIENT_SECRET,
    HOST,
    ROOT,
    SERVER_SECRET,
    SETTINGS,
    STATE,
    Services,
    ServicesError,
    alone,
    api,
    environment,
    fingerprint,
    forget_if_gone,
    point_to,
    read,
    short,
    write,
)

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

__all__ = ["ROOT", "SETTINGS", "Services", "app", "forget_if_gone"]

POOL = "noiseflow-cpu"
WORKER = "make-up"
BOTH = {"server", "worker"}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the server, on 127.0.0.1.")]
StateOption = Annotated[Path, typer.Option(help="Folder of the process ids and the logs.")]


@app.command()
def up(port: PortOption = 4200, state: StateOption = STATE) -> None:
    """Starts the server and a worker, and deploys; what is up already stays as it is."""
    try:
        with alone(state):
            _up(port, state)
    except ServicesError as error:
        typer.echo(f"make up: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def down(state: StateOption = STATE) -> None:
    """Ends the processes that `up` started, and their children."""
    try:
        with alone(state):
            services = read(state)
            if services is None or not any(process.members() for process in services.processes.values()):
                typer.echo("Nothing of ours is up.")
            if services is not None:
                end_all(services, state, list(services.processes))
    except ServicesError as error:
        typer.echo(f"make down: {error}", err=True)
        raise typer.Exit(1) from None


def _up(port: int, state: Path) -> None:
    """Starts what is not there; what was started just now ends again where something fails."""
    services = read(state) or Services(port=port)
    there = {name for name in BOTH if services.runs(name)}
    try:
        if there == BOTH and services.port == port:
            typer.echo("Prefect is up already.")
        if there != BOTH or services.port != port or services.deployed != fingerprint():
            _start(services, there, port, state)
    except BaseException:
        end_all(services, state, [name for name in services.processes if name not in there])
        raise
    _show(services, state)


def _start(services: Services, there: set[str], port: int, state: Path) -> None:
    """Starts what is not there, and deploys."""
    if there and services.port != port:
        raise ServicesError(f"our {' and '.join(there)} run on port {services.port}. End them first: make down")
    services.port = port
    if "server" not in there:
        _start_server(services, state)
    elif services.authenticated and not os.environ.get(SERVER_SECRET):
        raise ServicesError(f"our server asks for a secret. Set {SERVER_SECRET} to it, as when it was started.")
    told = environment(port)  # which the client below reads, too
    os.environ.update({name: told[name] for name in ("PREFECT_API_URL", CLIENT_SECRET) if name in told})
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - takes seconds, while the server starts

    began = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        wait_until(lambda: client.api_healthcheck() is None, "server", services, state)
        point_to(port, state)
        make_pools(client)
        if "worker" not in there:
            typer.echo(f"starting a worker of the pool {POOL} …")
            worker = ["worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER]
            spawn("worker", worker, services, state)
        typer.echo(f"deploying {DEPLOYMENTS} …")
        if lacking := make_automations(client):
            typer.echo(f"nobody will be told: {len(lacking)} automations notify only where {BLOCK} names a block")
        deploy(port, state)
        if "worker" not in there:
            wait_until(lambda: _online(client, began), "worker", services, state)
    services.deployed = fingerprint()
    write(services, state)


def _start_server(services: Services, state: Path) -> None:
    refuse_taken(services.port)
    services.authenticated = bool(os.environ.get(SERVER_SECRET))
    typer.echo(f"starting Prefect's server on {HOST}:{services.port} …")
    server = ["server", "start", "--host", HOST, "--port", str(services.port), "--analytics-off"]
    spawn("server", server, services, state)


def _online(client: SyncPrefectClient, began: datetime) -> bool:
    """Whether the worker has been heard of since then."""
    heard = (worker.last_heartbeat_time for worker in client.read_workers_for_work_pool(POOL) if worker.name == WORKER)
    return any(moment is not None and moment >= began for moment in heard)


def _show(services: Services, state: Path) -> None:
    prefect = shlex.quote(short(Path(sys.executable).with_name("prefect")))
    at = f"http://{HOST}:{services.port}"
    secret = f"\n  export {CLIENT_SECRET}=…   # the server's secret, in each shell" if services.authenticated else ""
    typer.echo(
        f"""
Prefect's UI   {at} and {at}/v2
reports        {at}/artifacts
logs           {short(state / "server.log")}, {short(state / "worker.log")}

Next:
  export PREFECT_API_URL={api(services.port)}   # only where no prefect.toml says so{secret}
  {prefect} deployment run 'noise-study/tutorial' -p n_seeds=5 -p epochs=200 --watch
In the end: make down"""
    )


if __name__ == "__main__":
    app()
