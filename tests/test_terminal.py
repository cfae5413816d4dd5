"""The one line of a run: what happens now, which of how many, time left; at 80 columns too."""

import io
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from noiseflow import progress_line, terminal
from noiseflow.engine.progress import Progress
from noiseflow.results import StudyRun


def batch(label, epochs=100, n=10):
    return SimpleNamespace(label=label, trials=range(n), cell=SimpleNamespace(training=SimpleNamespace(epochs=epochs)))


@pytest.fixture
def drawn():
    """What is drawn on a terminal of 80 columns."""
    return Console(file=io.StringIO(), force_terminal=True, width=80, _environ={})


def test_the_line_says_what_happens_now_and_fits_80_columns(drawn, monkeypatch):
    monkeypatch.setattr(progress_line, "Console", lambda: drawn)
    stage = logging.getLogger("noiseflow.stage")
    first, second = batch("circles/mlp/input_and_a_very_long_name_that_goes_on 0-29"), batch("circles/mlp/b 0-29")
    with progress_line.progress_line() as watch:
        stage.info("looking at the data and the networks")
        stage.info("training %d trials in %d batches", 20, 2, extra={"batches": (first, second)})
        watch(first, Progress(50, 1.0))
        watch(first, Progress(100, 1.0))
        watch(second, Progress(50, 1.0))
        watch(batch("of another study"), Progress(1, 1.0))
    text = drawn.file.getvalue()
    for says in ("training 2 of 2: circles/mlp/b 0-29", "left"):
        assert says in text
    lines = [line for part in text.split("\x1b[2K") for line in part.splitlines()]
    assert max(len(Text.from_ansi(line).plain.strip()) for line in lines) <= 80
    assert stage.handlers == []


def test_quiet_prints_the_answer_and_the_path_alone(monkeypatch, capsys):
    run = StudyRun("s", None, [{"variant": "baseline"}], "It helps.", "", str(Path("r/index.html").absolute()), 1, 0)
    opened = []
    monkeypatch.setattr(terminal.webbrowser, "open", opened.append)
    assert terminal.run_in_terminal(["s"], lambda _: run, quiet=True, opens=True) == 0
    assert capsys.readouterr().out.splitlines() == ["It helps.", run.report]
    assert opened == [Path("r/index.html").absolute().as_uri()]


def test_after_a_failure_the_way_on_is_another_command(monkeypatch, capsys):
    monkeypatch.setattr(terminal.sys, "argv", ["noiseflow", "run", "mine.yaml"])

    def fails(_watch):
        raise OSError("no more room")

    assert terminal.run_in_terminal(["mine.yaml", "--results", "my results"], fails) == 1
    told = capsys.readouterr().err
    assert "no more room" in told
    assert "noiseflow plan mine.yaml --results 'my results'" in told
    assert "noiseflow run" not in told
