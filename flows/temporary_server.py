"""The Prefect server of a run that no other is named for: it starts while Python loads what the run needs.

Prefect would start it when it is first asked. For that it imports all of the server into the asking process, which takes four
seconds, and only then waits for the server to do the same.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
SECONDS_TO_START, SECONDS_TO_END = 180.0, 5.0
"""A busy machine takes a minute to start it."""
TRIES = 3
"""Another program may take the port that was free."""
OF_A_RUN = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""What Prefect gives a server that lives as long as a run."""
NO_PAGES = {"PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "http://127.0.0.1"}
"""No page of a browser reads it."""


class TemporaryServer:
    """Prefect's server beside one run.

    It ends after all else that this process does at its end: Prefect still sends logs and events then. It also ends where
    this process is killed. It hears no Ctrl-C, which a terminal sends to all processes of a command: it would end before it
    hears of the run's last state, and the run would stay Running for ever.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._port = 0
        atexit.register(self.end)  # before Prefect is loaded, so that it runs after what Prefect registers

    @property
    def api(self) -> str:
        """The address of its API."""
        return f"http://{HOST}:{self._port}/api"

    def begin(self) -> None:
        """Starts the process, unless it was started before; `wait` waits until it answers."""
        if self._process is not None:
            return
        with socket.socket() as free:
            free.bind((HOST, 0))
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
                *("--host", HOST, "--port", str(self._port), "--log-level", "error", "--lifespan", "on"),
            ],
            env=NO_PAGES | os.environ | OF_A_RUN,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        # a shell waits for the end of a pipe that only this process holds open
        ends = ["/bin/sh", "-c", 'cat; kill -TERM "$0" 2>/dev/null', str(self._process.pid)]
        nothing = subprocess.DEVNULL
        self._watch = subprocess.Popen(  # noqa: S603
            ends, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, start_new_session=True
        )

    def wait(self) -> None:
        """Waits until it answers.

        Raises:
            RuntimeError: it ended, or says nothing in three minutes.
        """
        until, tries = time.monotonic() + SECONDS_TO_START, 0
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                tries += 1
                if tries > TRIES:
                    raise RuntimeError("Prefect's server ended as soon as it was started; what it said is above")
                self.end()
                self.begin()
            with suppress(OSError), opener.open(f"{self.api}/health", timeout=10):
                return
            time.sleep(0.05)
        raise RuntimeError(f"Prefect's server has not answered in {SECONDS_TO_START:.0f} seconds")

    def end(self) -> None:
        """Ends it, where it was started."""
        for process in (self._process, self._watch):
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._process = self._watch = None


def server_may_be_named() -> bool:
    """Whether a setting of Prefect may name a server. Prefect itself takes seconds to say so."""
    home = Path(os.environ.get("PREFECT_HOME", Path.home() / ".prefect"))
    files = [Path("prefect.toml"), Path(".env"), home / "profiles.toml"]
    return "PREFECT_API_URL" in os.environ or any(
        file.is_file() and "url" in file.read_text().lower() for file in files
    )
