"""Runs of the study as operators start them: by the command, and by a deployment; and which of their processes is killed."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from flows.server_access import ROOT
from flows.services import running
from tests.faults.study import CONTENT, write_study
from tests.processes import PROC

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
MARK = "NOISEFLOW_FAULTS"


def carrying(variable: str) -> set[int]:
    """Ids of the processes with `NAME=value` in their environment; zombies have none."""
    found = set()
    for folder in PROC.glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
        except OSError:  # it ended while we looked, or is not ours
            continue
    return found - {os.getpid()}


def kill(pids: set[int]) -> None:
    """SIGKILL, at once."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def environment(folder: Path, mark: str) -> dict[str, str]:
    """Ours without any setting of Prefect, with a home of its own, and a mark that children inherit."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own = {
        "PREFECT_HOME": str(folder / "prefect"),
        "NOISEFLOW_RESULTS": str(folder),
        MARK: mark,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    return kept | own | {"PYTHONPATH": str(ROOT)}  # the code of this checkout, wherever the command stands


class CommandRun:
    """`noiseflow run` in a group of its own; `run` kills the group, `flow` the process alone."""

    targets = ("run", "flow")
    words = ("noiseflow", "run")

    def __init__(self, folder: Path, results: Path, mark: str) -> None:
        self.log = folder / "run.log"
        self.log.touch()
        self._mark = f"{MARK}={mark}"
        command = [sys.executable, "-m", *self.words, str(write_study(folder)), "--verbose"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--results", str(results)],
                cwd=folder,
                env=environment(folder, mark),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def alive(self) -> bool:
        """Whether the command is at work."""
        return self._process.poll() is None

    def kill(self, target: str) -> int:
        """Kills, and waits until it is dead; how many processes outlived it by 15 s, which are ended then."""
        kill(carrying(self._mark) if target == "run" else {self._process.pid})
        self._process.wait(60)
        deadline = time.monotonic() + 15
        while (left := carrying(self._mark)) and time.monotonic() < deadline:
            time.sleep(0.2)
        kill(left)
        return len(left)

    def completed(self) -> bool:
        """Waits for the end; whether it was a good one."""
        return self._process.wait(300) == 0


class FlowRun(CommandRun):
    """The same with `python -m flows`, whose temporary server is another of its processes."""

    words = ("flows",)


class Up:
    """Prefect's server and a worker by `flows.services up`, all in one folder."""

    def __init__(self, folder: Path, port: int, mark: str) -> None:
        self.port, self.state, self.mark = port, folder / "run", mark
        self._environment = environment(folder, mark)

    def start(self) -> None:
        """What is not up is started."""
        self._call("up", "--port", str(self.port))

    def stop(self) -> None:
        """Ends what was started."""
        self._call("down")

    def _call(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "flows.services", *words, "--state", str(self.state)],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def process(self, name: str) -> int:
        """The id of the server or the worker."""
        (process,) = running(name, self.state)
        return int(process.pid)

    def post(self, path: str, **body: Any) -> Any:
        """An answer of the server's, which is asked again while it is too busy."""
        secret = base64.b64encode((self.state / "secret").read_bytes().strip()).decode()
        head = {"Content-Type": "application/json", "Authorization": f"Basic {secret}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", json.dumps(body).encode(), head)
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:  # SQLite lets one writer in at a time
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(2)


class DeploymentRun:
    """A run of the deployment `tutorial` with this study; its process, the worker or the server is killed."""

    targets = ("flow", "worker", "server")

    def __init__(self, up: Up, results: Path) -> None:
        self._up = up
        up.start()
        self.log = up.state / "worker.log"
        (deployment,) = up.post("deployments/filter", deployments={"name": {"any_": ["tutorial"]}})
        asked = {"parameters": {"study": CONTENT, "results": str(results)}, "idempotency_key": uuid4().hex}
        self._id = up.post(f"deployments/{deployment['id']}/create_flow_run", **asked)["id"]
        self._seen = False

    def pids(self) -> set[int]:
        """Ids of the flow's processes."""
        return carrying(f"PREFECT__FLOW_RUN_ID={self._id}")

    def state(self) -> str:
        """The type of the run's state; the server must be up."""
        (run,) = self._up.post("flow_runs/filter", flow_runs={"id": {"any_": [self._id]}})
        return str(run["state_type"])

    def alive(self) -> bool:
        """Whether its process is at work, or still to come."""
        there = bool(self.pids())
        self._seen = self._seen or there
        return there or (not self._seen and self.state() not in ENDED)

    def kill(self, target: str) -> int:
        """Kills; brings worker or server up again, and waits until the run that was hit has ended in some way."""
        kill(self.pids() if target == "flow" else {self._up.process(target)})
        if target != "flow":
            time.sleep(2)
            self._up.start()
        deadline = time.monotonic() + 300
        while self.pids():
            assert time.monotonic() < deadline, f"the flow's process is still there 300 s after the {target} was killed"
            time.sleep(0.2)
        return 0  # the flow's are gone; what else is left is seen when the services are down

    def completed(self) -> bool:
        """Waits for the end; whether it was a good one."""
        deadline = time.monotonic() + 300
        while (state := self.state()) not in ENDED and time.monotonic() < deadline:
            time.sleep(0.5)
        return state == "COMPLETED"
