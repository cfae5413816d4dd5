"""`make up`, a run of the deployment, what Prefect's two UIs show of it, and `make down`: for real, on a free port.

And what a stranger can do to it: a page of another origin in the operator's browser, and a client without the secret.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import threading
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from sketch_study import HOSTILE, make_evidence, make_study, make_trials

from flows.declared import variables
from noiseflow.report import render
from tasks.reporting import publish_artifacts
from tests.processes import living
from tests.slow.conftest import Up
from tests.slow.operations import ended_run, start_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
UIS = {"v1": "", "v2": "/v2"}
ARTIFACTS = {
    "tutorial-epochs-200-report": "markdown",
    "tutorial-epochs-200-summary": "table",
    "tutorial-progress": "progress",
}

# A table that is wider than its column is no fault where it scrolls by itself.
TABLES_THAT_OVERFLOW = """() => [...document.querySelectorAll("table")]
    .filter(table => {
        const box = table.parentElement;
        return box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "visible";
    })
    .map(table => table.innerText.slice(0, 40))"""


# Cut in its own cell, or out of sight at the right of the box that its table scrolls in.
HEADS_THAT_ARE_CUT = """() => {
    const hides = node => getComputedStyle(node).overflowX !== "visible";
    const box = node => node.parentElement && (hides(node.parentElement) ? node.parentElement : box(node.parentElement));
    const right = node => node ? node.getBoundingClientRect().right : Infinity;
    return [...document.querySelectorAll("th, th *")]
        .filter(head => (head.scrollWidth > head.clientWidth + 1 && hides(head)) || right(head) > right(box(head)) + 1)
        .map(head => head.innerText);
}"""


@pytest.fixture(scope="module")
def flow_run(up: Up) -> dict[str, Any]:
    """A run of the deployment, as one would type it beside the state folder: its prefect.toml names the server."""
    name = "of the test"
    parameters = ["n_seeds=5", "epochs=200", f"results={up.results}"]
    options = [word for parameter in parameters for word in ("-p", parameter)]
    command = ["deployment", "run", "noise-study/tutorial", *options, "--flow-run-name", name, "--watch"]
    done = up.run("prefect", *command)
    assert done.returncode == 0, done.stdout + done.stderr + (up.state / "worker.log").read_text()
    (run,) = up.post("flow_runs/filter", flow_runs={"name": {"any_": [name]}})
    return run


@pytest.fixture(scope="module")
def artifacts(up: Up, flow_run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The artifacts of the run, by key."""
    found = up.post("artifacts/filter", artifacts={"flow_run_id": {"any_": [flow_run["id"]]}})
    return {artifact["key"]: artifact for artifact in found}


def test_deployment_run_completes_and_records_every_trial(up, flow_run):
    assert flow_run["state_type"] == "COMPLETED"
    assert flow_run["work_pool_name"] == "noiseflow-cpu"
    trials = pd.read_parquet(up.results / "tutorial" / "trials")
    assert len(trials) == trials["trial_id"].nunique() == 25


def test_deployment_run_publishes_artifacts(artifacts):
    assert {key: artifact["type"] for key, artifact in artifacts.items()} == ARTIFACTS
    report = artifacts["tutorial-epochs-200-report"]["data"]
    assert "data:image/png;base64," in report
    assert len(report) < 1_000_000
    table = artifacts["tutorial-epochs-200-summary"]["data"]
    rows = json.loads(table) if isinstance(table, str) else table
    assert len({row["variant"] for row in rows}) == 5
    assert float(artifacts["tutorial-progress"]["data"]) == 100


def test_up_again_starts_nothing_and_leaves_what_is_declared(up):
    before = up.pids("server"), up.pids("worker"), deployments(up)
    again = up.run("flows.services", "up", "--port", str(up.port), "--state", str(up.state))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "starting" not in again.stdout
    assert (up.pids("server"), up.pids("worker"), deployments(up)) == before


def test_nightly_has_its_study_and_zone_from_prefects_variables(up):
    changed = {"noiseflow_nightly_study": "smoke", "noiseflow_nightly_zone": "America/New_York"}
    assert nightly(up) == ("circles", "Europe/Berlin", "Europe/Berlin")
    for values, expected in ((changed, "America/New_York"), (variables(), "Europe/Berlin")):
        for name, value in values.items():
            done = up.run("prefect", "variable", "set", name, value, "--overwrite")
            assert done.returncode == 0, done.stdout + done.stderr
        again = up.run("flows.services", "up", "--port", str(up.port), "--state", str(up.state))
        assert again.returncode == 0, again.stdout + again.stderr
        assert nightly(up) == (values["noiseflow_nightly_study"], expected, expected)


def nightly(up: Up) -> tuple[str, str, str]:
    """The study, the campaign and the zone of the deployment."""
    (found,) = up.post("deployments/filter", deployments={"name": {"any_": ["nightly"]}})
    parameters = found["parameters"]
    return parameters["study"], parameters["campaign"], found["schedules"][0]["schedule"]["timezone"]


def deployments(up: Up) -> list[tuple[str, dict[str, Any], str]]:
    found = up.post("deployments/filter")
    return sorted((found["name"], found["parameters"], found["id"]) for found in found)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def page(browser: Any, up: Up) -> Any:
    """A page of a laptop's width; tall, for V1 draws the cards of task runs only when seen."""
    page = browser.new_page(viewport={"width": 1280, "height": 1300})
    page.add_init_script(log_in(up))
    return page


def log_in(up: Up) -> str:
    """A script that leaves in the browser what typing the password into either UI leaves."""
    return f"localStorage.setItem('prefect-password', '{up.login}')"


def open_artifact(page: Any, up: Up, ui: str, artifact: dict[str, Any]) -> None:
    page.goto(f"{up.address}{UIS[ui]}/artifacts/artifact/{artifact['id']}")
    page.get_by_text("Flow Run", exact=True).first.wait_for(timeout=60_000)


def show(page: Any, up: Up, name: str) -> None:
    """Keeps what the page shows: to be looked at, in the folder that NOISEFLOW_SCREENSHOTS names or a temporary one."""
    folder = Path(os.environ.get("NOISEFLOW_SCREENSHOTS", up.state.parent))
    page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.mark.browser
@pytest.mark.parametrize("ui", UIS)
def test_ui_lists_the_artifacts_of_the_run(ui, page, up, flow_run, artifacts):
    page.goto(f"{up.address}{UIS[ui]}/runs/flow-run/{flow_run['id']}")
    page.get_by_role("tablist").get_by_text("Artifacts", exact=True).click(timeout=60_000)
    for key in artifacts:
        page.get_by_text(key, exact=True).last.wait_for(timeout=60_000)
    show(page, up, f"run-{ui}")


@pytest.mark.browser
@pytest.mark.parametrize("ui", UIS)
def test_ui_shows_the_report_with_its_pictures(ui, page, up, artifacts):
    report = artifacts["tutorial-epochs-200-report"]
    open_artifact(page, up, ui, report)
    page.wait_for_function("document.images.length > 0 && [...document.images].every(image => image.complete)")
    show(page, up, f"report-{ui}")
    widths = page.evaluate("[...document.images].map(image => [image.naturalWidth, image.width])")
    assert len(widths) == len(re.findall(r"!\[[^\]]*\]\(data:image/png", report["data"])) > 0
    assert all(natural > 0 and shown > 400 for natural, shown in widths)
    cells = page.locator("table").locator("td, th").all_inner_texts()
    assert {"baseline", "before_activation", "after_activation"} <= {cell.strip() for cell in cells}
    assert page.get_by_role("heading", name="Summary").count() == 1
    assert no_horizontal_scroll(page)


@pytest.mark.browser
@pytest.mark.parametrize(
    "ui",
    [
        "v1",
        "v2",
    ],
)
def test_ui_keeps_the_tables_of_the_report_in_their_column(ui, page, up, artifacts):
    open_artifact(page, up, ui, artifacts["tutorial-epochs-200-report"])
    page.locator("table").first.wait_for(timeout=60_000)
    assert page.evaluate(TABLES_THAT_OVERFLOW) == []


@pytest.mark.browser
@pytest.mark.parametrize("ui", UIS)
def test_ui_shows_the_summary_as_a_table(ui, page, up, artifacts):
    open_artifact(page, up, ui, artifacts["tutorial-epochs-200-summary"])
    page.get_by_text("input_and_hidden", exact=True).first.wait_for(timeout=60_000)
    show(page, up, f"summary-{ui}")
    assert no_horizontal_scroll(page)
    assert {"verdict", "diff.", "p (adj.)"} <= {head.strip() for head in page.locator("th").all_inner_texts()}
    assert page.evaluate(HEADS_THAT_ARE_CUT) == []


@pytest.fixture(scope="module")
def hostile(up: Up) -> dict[str, str]:
    """Ids of the artifacts, by key, of a study whose variants are named to do harm."""
    study = make_study(names=("baseline", *HOSTILE), n_seeds=3)
    evidence = make_evidence(study, make_trials(study, [0.76] * (1 + len(HOSTILE))))

    def publish() -> None:
        secret = up.client["PREFECT_API_AUTH_STRING"]
        with temporary_settings({PREFECT_API_URL: f"{up.address}/api", PREFECT_API_AUTH_STRING: secret}):
            flow(name="hostile")(lambda: publish_artifacts.fn("hostile", render(evidence), evidence.findings))()

    with ThreadPoolExecutor(1) as thread:  # of its own, where no loop of the browser's runs
        thread.submit(publish).result()
    found = up.post("artifacts/filter", artifacts={"key": {"any_": ["hostile-report", "hostile-summary"]}})
    return {artifact["key"]: artifact["id"] for artifact in found}


@pytest.mark.browser
@pytest.mark.parametrize("ui", UIS)
@pytest.mark.parametrize("key", ["hostile-report", "hostile-summary"])
def test_ui_shows_hostile_names_as_text(key, ui, page, up, hostile):
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{up.address}{UIS[ui]}/artifacts/artifact/{hostile[key]}")
    page.get_by_text("alert(1)").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1000)
    show(page, up, f"{key}-{ui}")
    links = page.evaluate("[...document.querySelectorAll('a')].map(link => link.getAttribute('href') || '')")
    assert not [link for link in links if "evil" in link or link.startswith(("javascript", "mailto"))]
    assert page.evaluate("[...document.images].filter(image => !image.src.startsWith('data:')).length") == 0
    assert page.locator("[onerror], script:text('alert')").count() == 0
    assert not dialogs


@pytest.mark.browser
@pytest.mark.usefixtures("flow_run")
@pytest.mark.parametrize("width", [1400, 390])
def test_html_report_fits_a_screen_and_a_phone(width, page, up):
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": width, "height": 1300})
    page.goto((up.results / "tutorial" / "runs" / "epochs-200" / "report" / "index.html").as_uri())
    page.wait_for_function("document.images.length > 0 && [...document.images].every(image => image.complete)")
    show(page, up, f"html-{width}")
    assert all(page.evaluate("[...document.images].map(image => image.naturalWidth > 0)"))
    assert no_horizontal_scroll(page)
    if width < 640:  # tables are lists there, and no value is cut
        assert page.evaluate(
            "[...document.querySelectorAll('.numbers td')].every(td => td.scrollWidth <= td.clientWidth)"
        )
    assert not errors


def no_horizontal_scroll(page: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


ATTACK = """async ([api, command]) => {
    const post = async (path, body) => fetch(api + path, {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
    const deployments = await (await post("/deployments/filter", {deployments: {name: {any_: ["tutorial"]}}})).json();
    const path = `/deployments/${deployments[0].id}/create_flow_run`;
    const run = await post(path, {state: {type: "SCHEDULED"}, job_variables: {command}});
    return run.status;
}"""
SIMPLE = """async ([api]) => {  // a request that browsers send to any origin, without asking it first
    const sent = await fetch(api + "/flow_runs/filter", {method: "POST", mode: "no-cors", body: "{}"});
    return sent.type;
}"""


@pytest.fixture
def strangers_page(browser: Any) -> Iterator[Any]:
    """A page of another origin, in the browser of an operator who is logged in elsewhere in it."""

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        page.close()
        server.shutdown()


@pytest.mark.browser
def test_page_of_another_origin_reads_and_starts_nothing(strangers_page, up, tmp_path):
    from playwright.sync_api import Error

    runs = up.post("flow_runs/count")
    with pytest.raises(Error, match="Failed to fetch"):
        strangers_page.evaluate(ATTACK, [f"{up.address}/api", f"touch {tmp_path / 'pwned'}"])
    assert (
        strangers_page.evaluate(SIMPLE, [f"{up.address}/api"]) == "opaque"
    )  # sent, refused, and not shown to the page
    assert up.post("flow_runs/count") == runs
    assert not (tmp_path / "pwned").exists()


def test_client_without_the_secret_gets_nothing(up):
    (up.state / "secret").rename(up.state / "kept")
    (up.state / "secret").write_text("admin:guessed")
    try:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            up.post("deployments/filter")
    finally:
        (up.state / "kept").rename(up.state / "secret")


@pytest.mark.parametrize(
    "asked", [{"command": "id"}, {"env": {"A": "1"}}, {"env.A": "1"}, {"working_dir": "/"}, {"data_folder": "/"}]
)
def test_run_picks_nothing_of_its_process_even_with_the_secret(asked, up):
    (found,) = up.post("deployments/filter", deployments={"name": {"any_": ["tutorial"]}})
    with pytest.raises(urllib.error.HTTPError) as refused:
        up.post(f"deployments/{found['id']}/create_flow_run", state={"type": "SCHEDULED"}, job_variables=asked)
    with refused.value as answer:
        assert 400 <= answer.code < 500
        assert "Additional properties are not allowed" in json.load(answer)["detail"]


def test_run_that_is_to_write_elsewhere_fails_and_says_why(up, tmp_path):
    run = ended_run(up, start_run(up, "tutorial", study="smoke", results=str(tmp_path)))
    assert run["state_type"] == "FAILED"
    assert "a place that NOISEFLOW_RESULTS names on the worker" in run["state"]["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.browser
@pytest.mark.parametrize("ui", UIS)
def test_ui_takes_the_secret_once_and_asks_no_other_host(ui, browser, up):
    page, hosts = browser.new_page(), set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(f"{up.address}{UIS[ui]}/dashboard")
    page.locator("input[type=password]").fill((up.state / "secret").read_text().strip())
    page.keyboard.press("Enter")
    page.get_by_text("Flow Runs").first.wait_for(timeout=60_000)
    page.goto(f"{up.address}{UIS[ui]}/deployments")
    page.get_by_text("nightly").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3_000)
    assert hosts - {""} == {f"127.0.0.1:{up.port}"}
    page.close()


@pytest.mark.browser
def test_ui_with_a_wrong_secret_shows_nothing(browser, up):
    page = browser.new_page()
    page.add_init_script(log_in(up).replace(up.login, "YWRtaW46d3Jvbmc="))
    page.goto(f"{up.address}/deployments")
    page.wait_for_timeout(3_000)
    assert "nightly" not in page.inner_text("body")
    page.close()


def test_secret_is_in_two_files_that_only_their_owner_reads(up):
    secret = (up.state / "secret").read_bytes().strip().partition(b":")[2]
    files = [path for path in up.state.parent.rglob("*") if path.is_file()]
    holders = [path for path in files if secret in path.read_bytes()]
    assert {path.name for path in holders} == {"secret", "prefect.toml"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders} == {0o600}


def test_nothing_is_counted(up):
    home = Path(up.environment["PREFECT_HOME"])
    assert not (home / ".sdk_telemetry").exists()


# Last: it ends what the tests above use.
def test_down_leaves_no_process_and_frees_the_port(up):
    assert up.pids("server")
    assert up.pids("worker")
    ours = up.pids("server") | up.pids("worker")
    done = up.run("flows.services", "down", "--state", str(up.state))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not ours & set(living())
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", up.port))
    assert not (up.state.parent / "prefect.toml").exists()
