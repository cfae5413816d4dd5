"""A Postgres for Prefect's server alone: Debian's programs, its own folder, a Unix socket that only its owner reaches."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

ADDRESS = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


class PostgresError(RuntimeError):
    """Why there is no Postgres, and what to do about it."""


INSTALL = "Install it, as root: apt-get install postgresql"
AS_ROOT = "postgres"  # Postgres does not run as root; Debian has this user for it


def start(state: Path) -> str:
    """Starts it, made where it is not there yet; the address of its database `prefect`.

    Raises:
        PostgresError: it is not installed, or does not start.
    """
    folder = _folder(state)
    log = folder / "log"
    if not (folder / "PG_VERSION").exists():
        _run("initdb", "-D", folder, "-U", "noiseflow", "-A", "trust", "-E", "UTF8")  # trust: the socket is private
    # A hundred clients at once are some two hundred connections.
    options = f"-c listen_addresses= -c max_connections=300 -c unix_socket_directories={folder}"
    if _run("pg_ctl", "-D", folder, "status", check=False):
        _run("pg_ctl", "-D", folder, "-w", "-l", log, "-o", options, "start")
    _run("createdb", "-h", folder, "-U", "noiseflow", "prefect", check=False)  # it may be there
    return f"postgresql+asyncpg://noiseflow@/prefect?host={folder}"


def stop(state: Path) -> None:
    """Stops it, where it runs; what it holds stays."""
    folder = _folder(state)
    if (folder / "postmaster.pid").exists():
        _run("pg_ctl", "-D", folder, "-m", "fast", "-w", "stop", check=False)


def _folder(state: Path) -> Path:
    """The folder of its data: beside the logs; for root, in the home of the user who runs Postgres."""
    if os.geteuid():
        return state.resolve() / "postgres"
    try:
        home = Path(pwd.getpwnam(AS_ROOT).pw_dir)
    except KeyError:
        return state.resolve() / "postgres"
    return home / f"noiseflow-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:8]}"


def _as_postgres() -> dict[str, Any]:
    """Whose process it is to be: for root Debian's user for it, and nothing else of root's."""
    if os.geteuid():
        return {}
    try:
        user = pwd.getpwnam(AS_ROOT)
    except KeyError:
        raise PostgresError(f"Postgres does not run as root, and there is no user {AS_ROOT}. {INSTALL}") from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(program: str, *arguments: str | Path, check: bool = True) -> int:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise PostgresError(f"there is no Postgres here. {INSTALL}")
    output = subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE  # the server would keep a pipe open
    done = subprocess.run(  # noqa: S603 - our own words
        [str(found[-1]), *map(str, arguments)],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        check=False,
        **_as_postgres(),
    )
    if check and done.returncode:
        reason = (done.stderr or b"").decode(errors="replace").strip()
        raise PostgresError(f"{program} failed with status {done.returncode}. {reason}".strip())
    return done.returncode
