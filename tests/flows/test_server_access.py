"""Who reaches the server: the secret, the settings, and what the pages may ask."""

import importlib
import os
import pty
import stat
import subprocess
import sys
from contextlib import suppress

import pytest

from flows.server_access import environment, keep_to_this_host, lead_to


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def bare(monkeypatch):
    """Without any setting of Prefect's in the environment."""
    for name in list(os.environ):
        if name.startswith("PREFECT_") or name == "DO_NOT_TRACK":
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("bare")
def test_up_makes_a_secret_that_only_its_owner_reads_and_keeps_it(state):
    told = environment(4567, state)
    secret = (state / "secret").read_text().strip()
    assert told["PREFECT_SERVER_API_AUTH_STRING"] == told["PREFECT_API_AUTH_STRING"] == secret
    assert len(secret.removeprefix("admin:")) >= 32
    assert stat.S_IMODE((state / "secret").stat().st_mode) == 0o600
    (state / "secret").chmod(0o644)
    assert environment(4567, state)["PREFECT_API_AUTH_STRING"] == secret
    assert stat.S_IMODE((state / "secret").stat().st_mode) == 0o600


@pytest.mark.usefixtures("bare")
def test_empty_secret_opens_nothing(state, monkeypatch):
    (state / "secret").write_text("\n")
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "")
    assert len(environment(4567, state)["PREFECT_SERVER_API_AUTH_STRING"]) >= 32


@pytest.mark.usefixtures("bare")
def test_settings_that_hold_the_secret_are_read_by_their_owner_alone(state, tmp_path, monkeypatch):
    lead_to(4567, state)
    settings = tmp_path / "prefect.toml"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert (state / "secret").read_text().strip() in settings.read_text()
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:pass")
    lead_to(4567, state)
    assert "auth_string" not in settings.read_text()  # the operator's own is written nowhere


def test_operators_secret_is_used_and_written_nowhere(state, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:pass")
    assert environment(4567, state)["PREFECT_API_AUTH_STRING"] == "admin:pass"
    assert not (state / "secret").exists()


@pytest.mark.usefixtures("bare")
def test_server_answers_its_own_pages_alone_and_sends_nothing_home(state, monkeypatch):
    told = environment(4567, state)
    assert told["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4567,http://localhost:4567"
    assert told["DO_NOT_TRACK"] == "1"
    assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert told["PREFECT_API_URL"] == "http://127.0.0.1:4567/api"
    monkeypatch.setenv("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "https://prefect.example.org")
    assert environment(4567, state)["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "https://prefect.example.org"


@pytest.mark.slow
@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("asked", ["1", "0"])
def test_flow_in_a_terminal_leaves_no_trace_of_prefect_unless_asked_to(asked, monkeypatch, tmp_path):
    for name in ("CI", "GITHUB_ACTIONS"):  # where Prefect counts nothing anyway
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    if asked == "0":
        monkeypatch.setenv("DO_NOT_TRACK", asked)
    said = in_a_terminal(
        "import flows.noise_study, prefect.analytics",  # declares a flow, which Prefect counts
        "import prefect._internal.analytics as analytics",
        "analytics.try_mark_milestone('first_flow_run')",  # as Prefect does at a run's end
        "print('enabled', prefect.analytics.is_telemetry_enabled(), sys.stdout.isatty())",
    )
    assert f"enabled {asked == '0'} True" in said
    assert (tmp_path / ".sdk_telemetry" / "device_id").exists() is (asked == "0")
    assert (tmp_path / ".sdk_telemetry").exists() is (asked == "0")


def in_a_terminal(*lines: str) -> str:
    """What a Python process shows on a terminal."""
    terminal, end = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        command = [sys.executable, "-c", "\n".join(["import sys", *lines])]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=end, stderr=end) as process:
            os.close(end)
            shown = b""
            with suppress(OSError):  # EIO: nobody has the terminal open any more
                while said := screen.read(1024):
                    shown += said
        assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_pages_of_the_ui_may_ask_no_other_host(tmp_path):
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "index.html").write_text("<html><head><title>Prefect</title></head></html>")
    for port in (4566, 4567, 4567):
        keep_to_this_host(tmp_path, port)
    for page in tmp_path.glob("v*/index.html"):
        assert page.read_text().count("Content-Security-Policy") == 1
        assert "default-src 'self'" in page.read_text()
        assert "4566" not in page.read_text()


@pytest.mark.usefixtures("bare")
def test_slots_of_runs_are_kept_where_they_outlive_the_server(state, monkeypatch):
    name = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
    told = environment(4567, state)[name]
    assert importlib.import_module(told).ConcurrencyLeaseStorage
    assert told.endswith(".filesystem")
    monkeypatch.setenv(name, "the.operators.own")
    assert environment(4567, state)[name] == "the.operators.own"
