"""A run in a terminal: progress while it trains, then the summary and where to look; what went wrong in a sentence."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from noiseflow.base.faults import InvalidInputError, in_terminal, refusal
from noiseflow.base.program import command, program
from noiseflow.progress_line import progress_line
from noiseflow.results import StudyRun
from noiseflow.run import GO_ON, DriftError, IncompleteRunError, Watcher
from noiseflow.study.result_places import is_remote
from noiseflow.wording import ADJUSTED, ALWAYS_VALID, IN_POINTS, IN_SCORE, SHORT_HEADS, places_of, reads_as_zero

DIFFERENCES = (IN_POINTS, IN_SCORE, "low", "high")
SCORES = ("score", "std")
WIDTHS = {"variant": 12, ADJUSTED: 6, ALWAYS_VALID: 6}
NAMES = ("dataset", "architecture", "variant", "of", "verdict")
COLUMNS = (*NAMES, "seeds", "diverged", *SCORES, *DIFFERENCES, ADJUSTED, ALWAYS_VALID)
"""What the terminal shows of a table; the rest is left to the report."""


def run_in_terminal(
    planned: Sequence[str],
    run: Callable[[Watcher], StudyRun],
    *,
    starting: str = "TensorFlow",
    verbose: bool = False,
    quiet: bool = False,
    opens: bool = False,
    last_line: Callable[[], str] | None = None,
) -> int:
    """Runs a study and prints what it came to; the exit status.

    Args:
        planned: the study and the options that `noiseflow plan` takes to show what is missing; empty where it cannot.
        run: runs it; called with what watches its progress.
        starting: programs that take a while to start, as the first line names them.
        verbose: whether logs are shown anyway, so that warnings need no extra line.
        quiet: whether only the answer and the report's path are printed, and what goes wrong.
        opens: whether the report is opened in the browser.
        last_line: what is printed in the end.
    """
    console = Console()
    began = time.monotonic()
    if not verbose:
        _show_warnings()
    try:
        with sigterm_interrupts(), progress_line(starting, quiet=quiet) as watch:
            done = run(watch)
    except KeyboardInterrupt:
        _say(f"noiseflow: stopped. {GO_ON}", f"  {_command()}")
        return 1
    except InvalidInputError as error:
        _say(refusal(error.faults))
        return 2
    except DriftError as error:
        show_run(error.run, time.monotonic() - began, last_line)
        _say(f"noiseflow: the run failed, as --fail-on-drift asks. {in_terminal(error.run.alarm)}")
        return 1
    except IncompleteRunError as error:
        if error.run is not None:
            show_run(error.run, time.monotonic() - began, last_line)
        _failed(error, planned)
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it was, the user gets a line and the exit status 1
        _failed(error, planned)
        return 1
    if quiet:
        console.print(done.answer, done.report, sep="\n", markup=False, highlight=False, soft_wrap=True)
    else:
        show_run(done, time.monotonic() - began, last_line)
    if opens:
        open_page(done.report)
    return 0


def open_page(page: str) -> None:
    """Opens a report in the browser."""
    webbrowser.open(page if is_remote(page) else Path(page).as_uri())


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within it, SIGTERM acts like Ctrl-C: without this, Python ends at once and cleans nothing up."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_warnings() -> None:
    """Has the library's warnings shown, each in a line."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("noiseflow: %(message)s"))
    logging.getLogger("noiseflow").addHandler(handler)


def _failed(why: object, planned: Sequence[str]) -> None:
    """Says why a run failed, and how to go on; not by the command that has just failed."""
    logs = "" if "--verbose" in sys.argv else " The option --verbose shows all logs."
    kept = (
        f"What is trained is kept: `{command()} plan {shlex.join(planned)}` shows what is missing."
        if planned
        else GO_ON
    )
    _say(f"noiseflow: the run failed. {in_terminal(why)}", f"{kept}{logs}")


def _command() -> str:
    """What was typed."""
    return f"{program()} {shlex.join(sys.argv[1:])}"


def _say(*texts: str) -> None:
    for text in texts:
        Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def show_run(done: StudyRun, seconds: float, last_line: Callable[[], str] | None = None) -> None:
    """Prints what a run came to: how much was trained, the table, the answer, and where the report is."""
    console = Console()
    trained = f"trained {done.trained} trials" if done.trained else "nothing to train: every trial was there already"
    reused = f", {done.reused} reused" if done.reused and done.trained else ""
    console.print(f"\n{trained}{reused}, in {seconds:.0f} s\n", highlight=False)
    console.print(summary_table(done.table))
    console.print(f"\n{done.answer}\n", markup=False, highlight=False)
    lines = [f"Report: {done.report}"]
    if not is_remote(done.report):
        lines.append(f"In a browser: {Path(done.report).as_uri()}")
    for line in [*lines, *([last_line()] if last_line else [])]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def summary_table(rows: list[dict[str, Any]]) -> Table:
    """Rows of an answer, or of two, as a table for a terminal."""
    names = [name for name in rows[0] if name in COLUMNS]
    if not any(row.get("diverged") for row in rows):
        names = [name for name in names if name != "diverged"]
    if names[0] != "variant":
        names = [name for name in names if name != "std"]  # to leave room for the names in 80 columns
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in names:
        words = name in NAMES
        table.add_column(
            _head(name),
            justify="left" if words else "right",
            no_wrap=name not in ("variant", "of"),
            overflow="fold",  # a long name goes on in the next line
            min_width=WIDTHS.get(name),
        )
    places = {is_difference: _places(rows, is_difference) for is_difference in (True, False)}
    for row in rows:
        table.add_row(*(Text(_cell(name, row[name], places[name in DIFFERENCES])) for name in names))
    return table


def _head(name: str) -> str:
    """The head of a column; what is in brackets has its own line, so that the column stays narrow."""
    return (name if name in DIFFERENCES else SHORT_HEADS.get(name, name)).replace(" (", "\n(")


def _places(rows: list[dict[str, Any]], is_difference: bool) -> int:
    """Decimals that show three digits of the largest difference, or of the largest score; of points two.

    One more where an interval's end would read as 0 and is not.
    """
    names = DIFFERENCES if is_difference else SCORES
    sizes = [abs(row[name]) for row in rows for name in names if row.get(name)]
    if not is_difference:
        return places_of(max(sizes, default=0.0))
    places = 2 if IN_POINTS in rows[0] else places_of(max(sizes, default=0.0))
    return places + any(reads_as_zero(row[end], places) for row in rows for end in ("low", "high") if row.get(end))


def _cell(name: str, value: Any, places: int) -> str:
    if value is None:
        return ""
    if name.startswith("p "):
        return f"{value:.3f}" if value >= 0.001 else "< .001"
    if isinstance(value, float):
        rounded = round(value, places) + 0.0  # no minus before a zero
        return f"{rounded:+,.{places}f}" if name in DIFFERENCES else f"{rounded:,.{places}f}"
    return str(value)
