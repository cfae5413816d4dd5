"""Prefect's server and a worker, up for the tests of a file: on a free port, with everything in a temporary folder."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from flows.server_access import ROOT
from flows.services import running
from tests.prefect_home import prefect_home


@dataclass(frozen=True)
class Up:
    """Services that are up, and how to talk to them."""

    port: int
    state: Path
    results: Path
    environment: dict[str, str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> dict[str, str]:
        """What an operator exports who types elsewhere than beside prefect.toml."""
        secret = self.environment.get("PREFECT_SERVER_API_AUTH_STRING") or (self.state / "secret").read_text().strip()
        return {"PREFECT_API_URL": f"{self.address}/api", "PREFECT_API_AUTH_STRING": secret}

    @property
    def login(self) -> str:
        """The secret, as the UI keeps it and requests bring it."""
        return base64.b64encode(self.client["PREFECT_API_AUTH_STRING"].encode()).decode()

    @property
    def head(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Authorization": f"Basic {self.login}"}

    def pids(self, name: str) -> set[int]:
        """Ids of the processes of the server or of the worker with its runs."""
        return {process.pid for process in running(name, self.state, runs=True)}

    def run(self, *command: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.state.parent if command[0] == "prefect" else ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def post(self, path: str, **body: Any) -> Any:
        """What the server answers; asked again where its SQLite database is busy, for which it answers 503."""
        request = urllib.request.Request(  # noqa: S310 - http and nothing else
            f"{self.address}/api/{path}", json.dumps(body).encode(), self.head
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for left in range(20, -1, -1):
            try:
                with opener.open(request, timeout=180) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refused:
                if refused.code != HTTPStatus.SERVICE_UNAVAILABLE or not left:
                    raise
                refused.close()
                time.sleep(1)
        raise AssertionError  # the last try returns or raises


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The services, up; and down again, whatever happened."""
    with services_up(tmp_path_factory.mktemp("deployment")) as services:
        yield services


@contextmanager
def services_up(place: Path, *options: str) -> Iterator[Up]:
    """The services, up, with everything in this folder; options: further ones of `up`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {
        "PREFECT_HOME": prefect_home(place / "prefect"),
        "NOISEFLOW_RESULTS": str(place),
        "DO_NOT_TRACK": "1",
    }
    services = Up(port, place / "run", place / "results", environment)
    started = services.run("flows.services", "up", "--port", str(port), "--state", str(services.state), *options)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        assert f"http://127.0.0.1:{port}/v2" in started.stdout
        yield services
    finally:
        services.run("flows.services", "down", "--state", str(services.state))
