"""What `make up` sets up on a real server: pools, the run form's limits, automations, and what they do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.nights import publish_nights
from flows.declared import automations as declared
from flows.declared import notifies, pools
from noiseflow.store import Store
from noiseflow.study.loading import validate
from tests.flows.test_form import WHOLE
from tests.processes import Process, end
from tests.slow.conftest import Up
from tests.slow.operations import (
    circles,
    ended_run,
    processes_of,
    read_run,
    start_run,
    training_held,
    trials,
    wait_for,
)
from tests.slow.test_deployment import CHROMIUM, FLAGS, UIS, log_in, show

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LISTENING = "0A"  # the state of a socket in /proc/net/tcp


def up_again(up: Up, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make up` where everything is up."""
    up.environment.update(environment)
    done = up.run("flows.services", "up", "--port", str(up.port), "--state", str(up.state))
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def automations(up: Up) -> dict[str, dict[str, Any]]:
    found = up.post("automations/filter")
    assert len(found) == len({automation["name"] for automation in found})
    return {automation["name"]: automation for automation in found}


def test_pools_are_as_declared(up):
    found = {pool["name"]: pool for pool in up.post("work_pools/filter")}
    for pool in pools():
        assert pool == {name: found[pool["name"]][name] for name in pool}
    assert found["noiseflow-cpu"]["status"] == "READY"


def test_server_listens_on_loopback_alone(up):
    server = up.pids("server")
    sockets = {str(fd.readlink()) for pid in server for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    addresses = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = row.split()
            if state == LISTENING and f"socket:[{rest[5]}]" in sockets:
                addresses.add(local)
    assert addresses == {f"0100007F:{up.port:04X}"}  # 127.0.0.1, as the kernel writes it on a little-endian machine


@pytest.mark.parametrize("deployment", ["tutorial", "nightly", "gpu"])
def test_run_form_describes_each_parameter_with_its_choices_and_limits(deployment, up):
    (found,) = up.post("deployments/filter", deployments={"name": {"any_": [deployment]}})
    form = found["parameter_openapi_schema"]["properties"]
    assert all(field["description"] for field in form.values())
    assert form["engine"]["enum"] == ["auto", "vectorized", "reference"]
    assert form["device"]["enum"] == ["auto", "cpu", "gpu"]
    assert form["fail_on_drift"]["type"] == "boolean"
    assert form["n_seeds"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]  # what a form is made from
    assert form["n_seeds"]["then"] == {"type": "integer", "minimum": 1, "maximum": 10_000}
    assert form["epochs"]["then"] == {"type": "integer", "minimum": 1, "maximum": 10_000_000}
    assert found["enforce_parameter_schema"]
    assert found["description"]
    assert found["tags"][:2] == ["noiseflow", "gpu" if deployment == "gpu" else "cpu"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("engine", "fast", "'fast' is not one of ['auto', 'vectorized', 'reference']"),
        ("n_seeds", "many", "'many' is not of type 'integer'"),
        ("n_seeds", 0, "0 is less than the minimum of 1"),
        ("n_seeds", 10_001, "10001 is greater than the maximum of 10000"),
        ("n_seeds", 2.5, "2.5 is not of type 'integer'"),
        ("epochs", 0, "0 is less than the minimum of 1"),
        ("results", 3, "3 is not of type 'string'"),
        ("device", "tpu", "'tpu' is not one of ['auto', 'cpu', 'gpu']"),
        ("runner", "dask", "'dask' is not one of ['local', 'ray']"),
        ("campaign", 5, "5 is not of type 'string'"),
        ("fail_on_drift", "maybe", "'maybe' is not of type 'boolean'"),
        ("until", "never", "'decided' was expected"),
        ("budget", "20", "'20' does not match"),
        ("max_seeds", 9, "9 is less than the minimum of 10"),
        ("study", "unheard-of", "'unheard-of' does not match '^(circles|controls|"),
        ("study", WHOLE | {"n_seeds": 0}, ".n_seeds'. Failure reason: 0 is less than the minimum of 1"),
    ],
)
def test_server_refuses_a_wrong_value_and_says_what_its_parameter_must_be(name, value, says, up):
    with pytest.raises(urllib.error.HTTPError) as refused:
        start_run(up, "tutorial", **{name: value})
    with refused.value as answer:
        assert 400 <= answer.code < 500
        reason = says if "Failure reason" in says else f"'. Failure reason: {says}"
        assert f"field '{name}{reason}" in json.load(answer)["detail"]


@contextmanager
def run_form(up: Up, ui: str, deployment: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The page with the run form of a deployment in a browser, and its fields."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    (found,) = up.post("deployments/filter", deployments={"name": {"any_": [deployment]}})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1900})
        page.add_init_script(log_in(up))
        page.goto(f"{up.address}{UIS[ui]}/deployments/deployment/{found['id']}/run")
        yield page, found["parameter_openapi_schema"]["properties"]
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("ui", UIS)
def test_ui_shows_the_run_form_with_descriptions_and_choices(ui, up):
    with run_form(up, ui, "nightly") as (page, fields):
        for field in fields.values():
            words = field["description"].splitlines()[0]
            page.get_by_text(words, exact=False).first.wait_for(timeout=60_000)
        show(page, up, f"form-{ui}")
        page.get_by_text("int", exact=True).first.click()
        page.locator("input[type=number]").first.fill("0")
        page.get_by_text("Submit", exact=True).first.click()
        page.get_by_text("'n_seeds'. Failure reason: 0 is less than the minimum of 1").first.wait_for(timeout=60_000)


@pytest.mark.browser
def test_ui_takes_a_study_as_json_and_names_the_fault_within_it(up):
    """In v2; v1 shows an editor too, which takes no keys from here."""
    with run_form(up, "v2", "tutorial") as (page, _):
        page.get_by_text("As JSON", exact=True).first.click()
        page.locator(".cm-content").first.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(json.dumps(WHOLE | {"n_seeds": 0}))
        page.get_by_text("Submit", exact=True).first.click()
        show(page, up, "form-json-v2")
        page.get_by_text("'study.n_seeds'. Failure reason: 0 is less").first.wait_for(timeout=60_000)


def pool_of_gpus(up: Up) -> dict[str, Any]:
    (found,) = up.post("work_pools/filter", work_pools={"name": {"any_": ["noiseflow-gpu"]}})
    return found


@pytest.fixture
def gpu_worker(up: Up) -> Iterator[Process]:
    """A worker of the GPU pool, started by the commands that the operators' page names."""
    assert pool_of_gpus(up)["is_paused"]
    assert up.run("prefect", "work-pool", "resume", "noiseflow-gpu").returncode == 0
    mark = "NOISEFLOW_SERVICES=gpu-worker-of-the-test"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "noiseflow-gpu", "--limit", "1"]
    environment = up.environment | dict([mark.split("=")]) | up.client
    with (up.state / "gpu.log").open("wb") as log:
        started = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    process = Process.started(started.pid, mark)
    yield process
    end(process, grace_seconds=20)
    started.wait(20)


@pytest.mark.usefixtures("gpu_worker")
def test_gpu_run_fails_at_once_where_the_worker_has_none(up, capsys):
    run = ended_run(up, start_run(up, "gpu", study="smoke"))
    with capsys.disabled():
        print(f"\nthe run failed {run['total_run_time']:.1f} s after its start")
    assert run["state_type"] == "FAILED"
    assert "device 'gpu' was asked for, but TensorFlow sees none on this machine" in run["state"]["message"]
    assert run["total_run_time"] < 30
    assert not (up.results / "smoke" / "trials").exists()
    up_again(up)
    assert not pool_of_gpus(up)["is_paused"]  # a pool that was resumed stays so


def test_automations_are_made_once_and_put_right_again(up):
    quiet = {automation["name"] for automation in declared() if not notifies(automation)}
    before = automations(up)
    assert set(before) == quiet
    changed = before["noiseflow marks dead runs"] | {"description": "changed by hand"}
    path = f"automations/{changed['id']}"
    kept = {key: changed[key] for key in ("name", "description", "enabled", "trigger", "actions")}
    assert up.run("prefect", "automation", "inspect", kept["name"]).returncode == 0
    put(up, path, kept)
    assert automations(up)[kept["name"]]["description"] == "changed by hand"
    n = sum(map(notifies, declared()))
    assert f"{n} automations notify only where NOISEFLOW_NOTIFY names a block" in up_again(up).stdout
    after = automations(up)
    assert after[kept["name"]]["description"] == before[kept["name"]]["description"]
    assert after[kept["name"]]["id"] == before[kept["name"]]["id"]


def put(up: Up, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - http and nothing else
        f"{up.address}/api/{path}", json.dumps(body).encode(), up.head, method="PUT"
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60).close()


@pytest.fixture
def told(up: Up) -> Iterator[list[str]]:
    """What is sent to the operator, whose notification block `custom-webhook/operator` this makes."""
    received: list[str] = []

    class Operator(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Operator) as operator:
        threading.Thread(target=operator.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{operator.server_port}/"
        block = (
            "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block; "
            f"Block(name='operator', url={url!r}, json_data={{'text': '{{{{subject}}}}: {{{{body}}}}'}}).save('operator')"
        )
        made = subprocess.run(
            [sys.executable, "-c", block],
            env=up.environment | up.client,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        yield received
        operator.shutdown()


def change(up: Up, name: str, **trigger: Any) -> None:
    """Changes the trigger of an automation."""
    found = automations(up)[name]
    kept = {key: found[key] for key in ("name", "description", "enabled", "trigger", "actions")}
    put(up, f"automations/{found['id']}", kept | {"trigger": found["trigger"] | trigger})


def test_drift_fails_the_run_that_asks_for_it_and_tells_the_operator(up, told):
    """Four nights with scores around .77 are stored; the fifth is trained for 60 epochs, and scores as such.

    So it is not completed, of which the operator is told too: 20 s after its start, to be quick, in place of 150 minutes.
    """
    assert "automations notify only" not in up_again(up, NOISEFLOW_NOTIFY="custom-webhook/operator").stdout
    assert set(automations(up)) == {automation["name"] for automation in declared()}
    change(up, "noiseflow tells of a missing night", within=20)
    content = circles("baseline", "after_activation")
    study = validate(content, n_seeds=10, epochs=60)
    publish_nights(Store(up.results, study.name), study, 4)
    parameters = {"study": content, "n_seeds": 10, "epochs": 60, "campaign": "2026-01-05"}
    run = ended_run(up, start_run(up, "nightly", fail_on_drift=True, **parameters))
    assert run["state_type"] == "FAILED"
    assert "Drift on 2026-01-05" in run["state"]["message"]
    assert len(trials(up.results / "circles" / "trials").query("campaign == '2026-01-05'")) == 20
    events = {"event": {"name": ["noiseflow.drift"]}, "occurred": {"since": run["start_time"]}}
    wait_for(lambda: up.post("events/filter", filter=events)["events"], 60)
    (event,) = up.post("events/filter", filter=events)["events"]
    assert event["resource"]["prefect.resource.id"] == "noiseflow.study.circles"
    wait_for(lambda: len(told) >= 3, 60, lambda: told)
    assert any("no nightly run has ended by 07:00" in message for message in told)
    assert any("circles has drifted" in message for message in told)
    assert any("Failed" in message for message in told)


def test_second_nightly_run_is_cancelled_while_one_is_under_way(up):
    few = circles("baseline", "after_activation")
    first = start_run(up, "nightly", study=few, n_seeds=2, epochs=1_000_000, campaign="2026-02-01")
    with training_held(up, first):
        assert read_run(up, first)["state_type"] == "RUNNING"
        second = ended_run(up, start_run(up, "nightly", n_seeds=4, epochs=60, campaign="2026-02-02"), 120)
        assert second["state_type"] == "CANCELLED"
        assert read_run(up, first)["state_type"] == "RUNNING"
    up.post(f"flow_runs/{first}/set_state", state={"type": "CANCELLING", "name": "Cancelling"}, force=False)
    assert ended_run(up, first, 60)["state_type"] == "CANCELLED"


# Last: it takes the worker away.
def test_run_whose_machine_went_off_is_marked_as_crashed(up, capsys):
    """After 45 s rather than five minutes, to be quick; Prefect allows no heartbeats more frequent than 30 s."""
    change(up, "noiseflow marks dead runs", within=45)
    run = start_run(up, "tutorial", study=circles("baseline", "after_activation"), n_seeds=2, epochs=1_000_000)
    heartbeats = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
    with training_held(up, run):
        wait_for(lambda: up.post("events/filter", filter=heartbeats)["events"], 180)
        for pid in up.pids("worker") | processes_of(run):
            os.kill(pid, signal.SIGKILL)
    assert read_run(up, run)["state_type"] == "RUNNING"
    seconds = wait_for(lambda: read_run(up, run)["state_type"] == "CRASHED", 150)
    with capsys.disabled():
        print(f"\nmarked as crashed {seconds:.0f} s after the machine went off")
    assert "no sign of life" in read_run(up, run)["state"]["message"]
    assert not processes_of(run)
