"""Who reaches Prefect's server on this machine: its settings, its secret, and what its pages may ask.

Who reaches Prefect's API can have the worker run any command. So the server binds 127.0.0.1, asks for a secret, and lets no
page of another origin read its answers. The secret is PREFECT_SERVER_API_AUTH_STRING, or a random one in the file `secret`
of the state folder, which only its owner reads.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from flows.declared import FOLDER

HOST = "127.0.0.1"
ROOT = FOLDER.parent
SERVER_SECRET = "PREFECT_SERVER_API_AUTH_STRING"  # noqa: S105 - the variable's name
CLIENT_SECRET = "PREFECT_API_AUTH_STRING"  # noqa: S105 - the variable's name
CLIENT = ("PREFECT_API_URL", CLIENT_SECRET, "PREFECT_CLIENT_MAX_RETRIES")
SETTINGS = "# written by make up, removed by make down\n"


class ServicesError(RuntimeError):
    """Why the services cannot be started, and what to do about it."""


def environment(port: int, state: Path) -> dict[str, str]:
    """What the processes see: the operator's environment, our defaults where it says nothing, the address and the secret.

    The secret travels in the environment: every user of the machine can read a command line.
    """
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(state.resolve() / "ui"),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        # In Prefect's default the slots of a deployment's limit are in the server's memory: after a restart of the server a
        # run is ended some minutes later, because its slot is gone.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # deployments/automations.yaml waits for ten of them
        "PREFECT_CLIENT_MAX_RETRIES": "7",  # after 2, 4, 8 … seconds: four minutes
        "NOISEFLOW_RESULTS": str(ROOT / "results"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    secret = os.environ.get(SERVER_SECRET) or _secret(state)
    address = f"http://{HOST}:{port}/api"
    return defaults | os.environ | {"PREFECT_API_URL": address, SERVER_SECRET: secret, CLIENT_SECRET: secret}


def _secret(state: Path) -> str:
    """The secret in the state folder, made where there is none."""
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


def lead_to(port: int, state: Path) -> None:
    """Lets Prefect's commands, typed beside the state folder, talk to the server; a user's own prefect.toml stays as it is."""
    lead_nowhere(state)
    secret = "" if os.environ.get(SERVER_SECRET) else f'auth_string = "{_secret(state)}"\n'
    with suppress(FileExistsError):
        _write_privately(_settings(state), f'{SETTINGS}[api]\nurl = "http://{HOST}:{port}/api"\n{secret}')


def lead_nowhere(state: Path) -> None:
    """Removes what `lead_to` wrote."""
    with suppress(FileNotFoundError):
        if _settings(state).read_text().startswith(SETTINGS):
            _settings(state).unlink()


def _settings(state: Path) -> Path:
    return state.resolve().parent / "prefect.toml"


def ways_in(port: int, state: Path) -> str:
    """What to print once all is up: addresses, password, logs, and the commands that come next."""
    prefect = shlex.quote(short(Path(sys.executable).with_name("prefect")))
    at, file = f"http://{HOST}:{port}", short(state / "secret")
    own = bool(os.environ.get(SERVER_SECRET))
    return f"""
Prefect's UI   {at} and {at}/v2
password       {f"the value of {SERVER_SECRET}" if own else f"the line in {file}"}; the UI asks for it once;
               its hint admin:pass is not the password
reports        {at}/artifacts
logs           {short(state / "server.log")}, {short(state / "worker.log")}

Next:
  DO_NOT_TRACK=1 {prefect} deployment run 'noise-study/tutorial' -p study=smoke --watch
Elsewhere than beside prefect.toml, first:
  export PREFECT_API_URL={at}/api {CLIENT_SECRET}={"…" if own else f'"$(cat {shlex.quote(file)})"'}
In the end: make down"""


def short(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
