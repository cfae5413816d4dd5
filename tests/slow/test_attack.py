"""What a stranger can do to `make up`: a page of another origin in the operator's browser, and a client without the secret."""

from __future__ import annotations

import json
import stat
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.slow.operations import ended_run, start_run
from tests.slow.test_deployment import CHROMIUM, FLAGS, UIS, log_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


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
