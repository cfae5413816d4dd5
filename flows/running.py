"""What `make up` has running: the record of it, the settings that point to it, and its folder, which one at a time may use."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel

from flows.processes import Process

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".run"
FILE = "services.json"
SETTINGS = "# written by make up, removed by make down\n"
DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Who holds a deployment's slot is kept in the server's memory else: a run would be ended for having lost its slot, some
    # minutes after the server was started anew.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}
SERVER_SECRET = "PREFECT_SERVER_API_AUTH_STRING"  # noqa: S105 - the variable's name
CLIENT_SECRET = "PREFECT_API_AUTH_STRING"  # noqa: S105 - the variable's name


class ServicesError(RuntimeError):
    """What keeps the services from starting, and the mend."""


class Services(BaseModel):
    """What was started, on which port, what was deployed, and whether the server asks who is there; never the answer."""

    port: int
    authenticated: bool = False
    deployed: str = ""
    processes: dict[str, Process] = {}

    def runs(self, name: str) -> bool:
        """Whether that process is there."""
        return name in self.processes and self.processes[name].runs()


def api(port: int) -> str:
    """The address of the server's API."""
    return f"http://{HOST}:{port}/api"


def environment(port: int) -> dict[str, str]:
    """What the processes see: the server to talk to, whatever the user's profile says, and the secret that it asks for.

    A secret travels in the environment alone: a command line can be read by every user of the machine.
    """
    told = DEFAULTS | os.environ | {"PREFECT_API_URL": api(port)}
    return told | ({CLIENT_SECRET: told[SERVER_SECRET]} if told.get(SERVER_SECRET) else {})


def fingerprint() -> str:
    """Of what a deployment is made from: `up` deploys again where it has changed."""
    parts = [*sorted((ROOT / "deployments").iterdir()), ROOT / "flows" / "noise_study.py"]
    parts += sorted((ROOT / "noiseflow" / "spec").glob("*.py"))
    content = hashlib.sha256(os.environ.get("NOISEFLOW_NOTIFY", "").encode())
    for part in parts:
        content.update(part.read_bytes())
    return content.hexdigest()


def read(state: Path) -> Services | None:
    """The record, None where nothing was started."""
    try:
        return Services.model_validate_json((state / FILE).read_bytes())
    except FileNotFoundError:
        return None


def write(services: Services, state: Path) -> None:
    """Keeps the record; without processes there is none."""
    if services.processes:
        (state / FILE).write_text(services.model_dump_json(indent=1))
    else:
        (state / FILE).unlink(missing_ok=True)


def forget_if_gone(state: Path = STATE) -> None:
    """Removes the settings that point to a server of ours that ended without `down`, as when the machine went off."""
    services = read(state)
    if services is not None and not services.runs("server"):
        point_nowhere(state)


def point_to(port: int, state: Path) -> None:
    """Lets Prefect's commands, typed beside the state folder, talk to the server; a user's own file stays as it is."""
    point_nowhere(state)
    with suppress(FileExistsError), _settings(state).open("x") as settings:
        settings.write(f'{SETTINGS}[api]\nurl = "{api(port)}"\n')


def point_nowhere(state: Path) -> None:
    """Removes those settings, if they are ours."""
    with suppress(FileNotFoundError):
        if _settings(state).read_text().startswith(SETTINGS):
            _settings(state).unlink()


def _settings(state: Path) -> Path:
    return state.resolve().parent / "prefect.toml"


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Within it, no other `up` or `down` works on this folder.

    Raises:
        ServicesError: another one does.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServicesError(
                f"another make up or down is at work in {short(state)}. Wait until it is done."
            ) from None
        yield


def short(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
