"""`make up` with PREFECT_SERVER_API_AUTH_STRING (and POSTGRES=1, where it is installed): all works, no file has the secret."""

from __future__ import annotations

import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import postgres
from tests.processes import PROC
from tests.slow.conftest import Up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECRET = "admin:correct-horse-battery-staple"  # noqa: S105 - of the test alone
POSTGRES = any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
BASIC = "YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ=="  # printf %s "$SECRET" | base64


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The services, up, with a secret."""
    place = tmp_path_factory.mktemp("guarded")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {
        "PREFECT_HOME": str(place / "prefect"),
        "PREFECT_SERVER_API_AUTH_STRING": SECRET,
        "NOISEFLOW_RESULTS": str(place),
    }
    services = Up(port, place / "run", place / "results", environment)
    options = ["--postgres"] * POSTGRES
    started = services.run("flows.services", "up", "--port", str(port), "--state", str(services.state), *options)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        assert "PREFECT_API_AUTH_STRING=…" in started.stdout
        assert SECRET not in started.stdout + started.stderr
        yield services
    finally:
        services.run("flows.services", "down", "--state", str(services.state))
        folder = postgres._folder(services.state)
        ended = not (folder / "postmaster.pid").exists()
        kept = (folder / "PG_VERSION").exists()
        shutil.rmtree(folder, ignore_errors=True)  # of root it lies outside pytest's folder
        assert ended
        assert kept == POSTGRES


@pytest.fixture(scope="module")
def completed(guarded: Up) -> str:
    """What a run of the deployment printed, with the secret in the client's environment."""
    operator = Up(
        guarded.port, guarded.state, guarded.results, guarded.environment | {"PREFECT_API_AUTH_STRING": SECRET}
    )
    parameters = ["study=smoke", "n_seeds=4", f"results={guarded.results}"]
    options = [word for parameter in parameters for word in ("-p", parameter)]
    done = operator.run("prefect", "deployment", "run", "noise-study/tutorial", *options, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + (guarded.state / "worker.log").read_text()
    return done.stdout


def status(up: Up, path: str, head: dict[str, str]) -> int:
    head = {"Content-Type": "application/json"} | head
    request = urllib.request.Request(f"{up.address}/api/{path}", b"{}", head)  # noqa: S310 - http and nothing else
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


@pytest.mark.parametrize("path", ["flow_runs/filter", "deployments/filter", "artifacts/filter", "work_pools/filter"])
def test_client_without_the_secret_gets_401(path, guarded):
    assert status(guarded, path, {}) == 401
    assert status(guarded, path, {"Authorization": "Basic YWRtaW46d3Jvbmc="}) == 401  # admin:wrong
    assert status(guarded, path, {"Authorization": f"Basic {BASIC}"}) == 200


def test_prefects_command_without_the_secret_is_refused(guarded):
    done = guarded.run("prefect", "deployment", "ls")
    assert done.returncode != 0
    assert "401" in done.stdout + done.stderr


def test_run_completes_with_the_secret(completed, guarded):
    assert "Completed" in completed
    assert (guarded.results / "smoke" / "report" / "index.html").exists()


@pytest.mark.usefixtures("completed")
@pytest.mark.skipif(not POSTGRES, reason="apt-get install postgresql")
def test_database_is_a_postgres_that_nobody_else_reaches(guarded):
    folder = postgres._folder(guarded.state)
    assert not Path(guarded.environment["PREFECT_HOME"], "prefect.db").exists()
    assert folder.stat().st_mode & 0o077 == 0
    assert "listen_addresses= " in (folder / "postmaster.opts").read_text().replace('"', "").replace("'", "")


@pytest.mark.usefixtures("completed")
def test_secret_is_in_no_file(guarded):
    """Logs, prefect.toml, the results, Prefect's own folder, and its database."""
    places = [guarded.state.parent, postgres._folder(guarded.state)]
    looked_at = [path for place in places for path in place.rglob("*") if path.is_file()]
    database = "PG_VERSION" if POSTGRES else "prefect.db"
    assert {"server.log", "worker.log", "prefect.toml", database} <= {path.name for path in looked_at}
    forms = (SECRET.encode(), SECRET.partition(":")[2].encode(), BASIC.encode())
    assert not [path for path in looked_at if any(form in path.read_bytes() for form in forms)]


def test_secret_is_on_no_command_line(guarded):
    ours = guarded.pids("server") | guarded.pids("worker")
    lines = [PROC.joinpath(str(pid), "cmdline").read_bytes() for pid in ours]
    assert len(lines) >= 2
    assert all(Path(line.split(b"\0")[0].decode()).name.startswith("python") for line in lines)
    assert not [line for line in lines if SECRET.partition(":")[2].encode() in line]
