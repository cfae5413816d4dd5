"""Prefect's server beside one run; that a run goes by it, and what kills leave of it: tests/slow, tests/faults."""

import os
import sys

import psutil
import pytest

from flows.temporary_server import TemporaryServer, server_may_be_named


def test_server_that_ends_at_once_is_tried_again_and_then_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    server = TemporaryServer()
    server.begin()
    first = server.api
    with pytest.raises(RuntimeError, match="ended as soon as it was started"):
        server.wait()
    assert server.api != first
    server.end()


def test_server_ends_though_it_hears_no_request_to(tmp_path, monkeypatch):
    deaf = tmp_path / "deaf"
    deaf.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    deaf.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(deaf))
    monkeypatch.setattr("flows.temporary_server.SECONDS_TO_END", 0.5)
    before = set(psutil.Process().children())
    server = TemporaryServer()
    server.begin()
    started = set(psutil.Process().children()) - before
    assert len(started) == 2
    assert os.getpgid(0) not in {os.getpgid(process.pid) for process in started}  # no Ctrl-C of a terminal
    server.end()
    assert not [process for process in started if process.is_running()]


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("prefect.toml", '[api]\nurl = "http://x"\n', True),
        (".env", "PREFECT_API_URL=x\n", True),
        (".env", "A=1\n", False),
    ],
)
def test_server_may_be_named_by_a_file(file, text, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    assert not server_may_be_named()
    (tmp_path / file).write_text(text)
    assert server_may_be_named() == found
