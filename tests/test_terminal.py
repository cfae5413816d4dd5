"""The one line of a run: what happens now, which of how many, time left; at 80 columns too."""

import io
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from noiseflow import progress_line, terminal
from noiseflow.engine.progress import Progress
from noiseflow.results import StudyRun
from noiseflow.run import DriftError, IncompleteRunError


def batch(label, epochs=100, n=10):
    return SimpleNamespace(label=label, trials=range(n), cell=SimpleNamespace(training=SimpleNamespace(epochs=epochs)))


@pytest.fixture
def drawn():
    """What is drawn on a terminal of 80 columns."""
    return Console(file=io.StringIO(), force_terminal=True, width=80, _environ={})


def test_the_line_says_what_happens_now_and_fits_80_columns(drawn, monkeypatch):
    monkeypatch.setattr(progress_line, "Console", lambda **_: drawn)
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
    for says in ("trained 1 of 2; now b", "left"):
        assert says in text
    lines = [line for part in text.split("\x1b[2K") for line in part.splitlines()]
    assert max(len(Text.from_ansi(line).plain.strip()) for line in lines) <= 80
    assert stage.handlers == []


@pytest.fixture
def line(drawn, monkeypatch):
    """A line whose clock stands until the test moves it; nothing draws it but the test."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress_line.time, "monotonic", lambda: clock.now)
    made = progress_line._Line(drawn, "TensorFlow")
    made.clock = clock
    return made


def shown(line):
    console = Console(file=io.StringIO(), width=80, _environ={})
    console.print(line.live.get_renderable())
    return console.file.getvalue().strip()


def says(line, what, *batches):
    line.emit(logging.makeLogRecord({"msg": what, "batches": batches}))


def test_clock_and_time_left_move_without_news(line):
    one, other = batch("circles/mlp/a 0-29"), batch("circles/mlp/b 0-29")
    says(line, "training 20 trials in 2 batches", one, other)
    line.clock.now += 10
    line.watch(one, Progress(50, 1.0))
    assert "0:30 left" in shown(line)
    assert shown(line).endswith("0:00:10")
    line.clock.now += 2
    assert "0:36 left" in shown(line)
    assert shown(line).endswith("0:00:12")


@pytest.mark.parametrize(
    ("seconds", "epochs", "is_said"), [(20, 1, False), (20, 30, True), (70, 1, False), (70, 3, True)]
)
def test_time_left_is_not_said_before_it_is_known(line, seconds, epochs, is_said):
    """At first most of the time is compilation's."""
    one, other = batch("circles/mlp/a 0-29"), batch("circles/mlp/b 0-29")
    says(line, "training 20 trials in 2 batches", one, other)
    line.clock.now += seconds
    line.watch(one, Progress(epochs, 1.0))
    assert ("left" in shown(line)) == is_said


def test_spinner_and_clock_go_on_once_all_is_trained(line):
    """While rows are stored, and while the report is drawn."""
    only = batch("circles/mlp/a 0-29")
    says(line, "training 10 trials in 1 batches", only)
    line.watch(only, Progress(100, 1.0))
    for what in ("", "drawing the report"):
        if what:
            says(line, what)
        line.clock.now += 60
        assert not line.live.finished
        assert line.live.tasks[0].finished_time is None
        assert "left" not in shown(line)
    assert shown(line).endswith("0:02:00")
    assert line.live.tasks[0].total is None  # the bar says that nobody knows how long it takes


def test_batches_that_run_at_once_are_both_named(line):
    batches = [batch(f"circles/mlp/{name} 0-29") for name in ("a", "b", "c")]
    says(line, "training 30 trials in 3 batches", *batches)
    for at in (1, 0, 1, 0):
        line.watch(batches[at], Progress(10, 1.0))
        both = shown(line)
    assert "trained 0 of 3; now a, b" in both
    line.watch(batches[0], Progress(100, 1.0))
    assert "trained 1 of 3; now b" in shown(line)
    line.watch(batches[2], Progress(10, 1.0))
    assert "trained 1 of 3; now b, c" in shown(line)


def test_two_long_names_share_the_room(line):
    long = [batch(f"circles/mlp/{name}_and_a_very_long_name_that_goes_on 0-29") for name in ("first", "second")]
    says(line, "training 20 trials in 2 batches", *long)
    for one in long:
        line.watch(one, Progress(50, 1.0))
    assert "trained 0 of 2; now first_and_…, second_and…" in shown(line)
    assert len(shown(line)) <= 80


@pytest.mark.parametrize(
    ("labels", "short"),
    [
        (["d/mlp/a 0-29", "d/mlp/ab 0-29"], ["a", "ab"]),
        (["d/mlp/a 0-99", "d/mlp/a 100-129"], ["a 0-99", "a 100-129"]),
        (["d/mlp/a 2026-11-23, 30 seeds", "e/mlp/a 2026-11-23, 30 seeds"], ["d/a", "e/a"]),
        (["d/mlp/a 0-29"], ["d/mlp/a 0-29"]),
    ],
)
def test_names_are_those_parts_of_labels_that_differ(labels, short):
    assert progress_line._short_names(labels) == short


@pytest.fixture
def run():
    """A run of one variant."""
    return StudyRun("s", None, [{"variant": "baseline"}], "It helps.", "", str(Path("r/index.html").absolute()), 1, 0)


def test_quiet_prints_the_answer_and_the_path_alone(run, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(terminal.webbrowser, "open", opened.append)
    assert terminal.run_in_terminal(["s"], lambda _: run, quiet=True, opens=True) == 0
    assert capsys.readouterr().out.splitlines() == ["It helps.", run.report]
    assert opened == [Path("r/index.html").absolute().as_uri()]


@pytest.mark.parametrize("quiet", [False, True])
def test_for_programs_all_but_the_document_goes_to_stderr(run, capsys, quiet):
    def runs(_watch):
        logging.getLogger("noiseflow.stage").info("looking at the data")
        return run

    def prints(done):
        print(json.dumps(done.answer))

    assert terminal.run_in_terminal(["s"], runs, quiet=quiet, prints=prints) == 0
    written = capsys.readouterr()
    assert written.out == '"It helps."\n'
    assert ("trained 1 trials" in written.err) != quiet


def test_progress_is_drawn_on_stderr_where_stdout_is_for_a_program(monkeypatch):
    asked = []
    monkeypatch.setattr(progress_line, "Console", lambda **where: asked.append(where) or Console(file=io.StringIO()))
    for on_stderr in (False, True):
        with progress_line.progress_line(on_stderr=on_stderr):
            pass
    assert asked == [{"stderr": False}, {"stderr": True}]


def test_for_programs_a_run_with_failed_batches_prints_no_document(run, capsys):
    def fails(_watch):
        raise IncompleteRunError(["a: no more room"], run)

    assert terminal.run_in_terminal(["s"], fails, prints=lambda _: print("{}")) == 1
    written = capsys.readouterr()
    assert written.out == ""
    assert "a: no more room" in written.err


def test_for_programs_a_drift_is_in_the_document(run, capsys):
    def drifts(_watch):
        raise DriftError(run)

    assert terminal.run_in_terminal(["s"], drifts, prints=lambda _: print("{}")) == 1
    assert capsys.readouterr().out == "{}\n"


def test_after_a_failure_the_way_on_is_another_command(monkeypatch, capsys):
    monkeypatch.setattr(terminal.sys, "argv", ["noiseflow", "run", "mine.yaml"])

    def fails(_watch):
        raise OSError("no more room")

    assert terminal.run_in_terminal(["mine.yaml", "--results", "my results"], fails) == 1
    told = capsys.readouterr().err
    assert "no more room" in told
    assert "noiseflow plan mine.yaml --results 'my results'" in told
    assert "noiseflow run" not in told


def test_notebook_without_ipywidgets_shows_a_line_of_text(monkeypatch):
    texts = []

    class Handle:
        def update(self, data, raw):
            assert raw
            texts.append(data["text/plain"])

    def display(data, *, raw, display_id):
        assert raw
        assert display_id
        texts.append(data["text/plain"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(progress_line, "find_spec", lambda _: None)
    monkeypatch.setattr(progress_line, "SECONDS_BETWEEN", -1)
    line = progress_line._line(Console(force_jupyter=True), "TensorFlow")
    with line.drawn():
        line.emit(logging.LogRecord("noiseflow.stage", logging.INFO, "", 0, "looking at the data", (), None))
    assert texts[0] == "starting …"
    assert texts[1].startswith("looking at the data   0:00:0")
    assert texts[2].startswith("took 0:00:0")
