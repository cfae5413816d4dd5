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
from functools import partial
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
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
GROUPS = ("dataset", "architecture")
SHORTENED = ("variant", "of")
"""Names that are shortened where there is little room."""
HEAD = 2
"""Lines of a table's head."""
LEAST = 17
"""Columns of a terminal that such a name has at least."""
NAMES = (*GROUPS, *SHORTENED, "verdict")
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
    prints: Callable[[StudyRun], None] | None = None,
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
        prints: prints the run for programs, instead of all that is for people; stdout holds nothing else, and nothing at all
            where batches failed. Progress and messages go to stderr.
    """
    show = partial(_show, began=time.monotonic(), quiet=quiet, prints=prints, last_line=last_line)
    if not verbose:
        _show_warnings()
    try:
        with sigterm_interrupts(), progress_line(starting, quiet=quiet, on_stderr=prints is not None) as watch:
            done = run(watch)
    except KeyboardInterrupt:
        _say(f"noiseflow: stopped. {GO_ON}", f"  {_command()}")
        return 1
    except InvalidInputError as error:
        _say(refusal(error.faults))
        return 2
    except DriftError as error:
        show(error.run)
        _say(f"noiseflow: the run failed, as --fail-on-drift asks. {in_terminal(error.run.alarm)}")
        return 1
    except IncompleteRunError as error:
        if error.run is not None and prints is None:
            show(error.run)
        _failed(error, planned)
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it was, the user gets a line and the exit status 1
        _failed(error, planned)
        return 1
    show(done)
    if opens:
        open_page(done.report)
    return 0


def _show(
    done: StudyRun,
    *,
    began: float,
    quiet: bool,
    prints: Callable[[StudyRun], None] | None,
    last_line: Callable[[], str] | None,
) -> None:
    """Prints what a run came to; the last arguments are those of `run_in_terminal`."""
    seconds = time.monotonic() - began
    if prints is not None:
        prints(done)
        if not quiet:
            _say(_trained_line(done, seconds))
    elif quiet:
        Console().print(done.answer, done.report, sep="\n", markup=False, highlight=False, soft_wrap=True)
    else:
        show_run(done, seconds, last_line)


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
    console.print(f"\n{_trained_line(done, seconds)}\n", highlight=False)
    console.print(summary_table(done.table, console.width), soft_wrap=True)
    console.print(f"\n{done.answer}\n", markup=False, highlight=False)
    lines = [f"Report: {done.report}"]
    if not is_remote(done.report):
        lines.append(f"In a browser: {Path(done.report).as_uri()}")
    for line in [*lines, *([last_line()] if last_line else [])]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _trained_line(done: StudyRun, seconds: float) -> str:
    trained = f"trained {done.trained} trials" if done.trained else "nothing to train: every trial was there already"
    reused = f", {done.reused} reused" if done.reused and done.trained else ""
    return f"{trained}{reused}, in {seconds:.0f} s"


def summary_table(rows: list[dict[str, Any]], width: int) -> Text:
    """Rows of an answer, or of two, as a table for a terminal of so many columns; to be printed with `soft_wrap=True`.

    Numbers and verdicts are always whole. Names share what room is left, and are shortened in the middle. Where dataset and
    architecture do not fit, they are a line above their rows; where a variant has hardly any room, `std` and `seeds` go.
    """
    cells = _cells(rows)
    sizes = {name: max(WIDTHS.get(name, 0), *map(cell_len, column)) for name, column in cells.items()}
    groups = [name for name in GROUPS if name in cells]
    columns = [name for name in cells if name != "std" or not groups]
    if groups and _total(sizes, columns) > width:
        columns = [name for name in cells if name not in groups]
    else:
        groups = []
    columns = _fitted(sizes, columns, width)

    def line(i: int) -> str:
        return " ".join(_aligned(cells[name][i], sizes[name], left=name in NAMES) for name in columns).rstrip()

    lines = [Text(head, "bold") for head in map(line, range(HEAD)) if head]
    by_group: dict[str, list[int]] = {}
    for i in range(HEAD, HEAD + len(rows)):
        by_group.setdefault("/".join(cells[name][i] for name in groups), []).append(i)
    for group, members in by_group.items():
        lines += [Text(), Text(_shortened(group, width))] if groups else []
        lines += [Text(line(i)) for i in members]
    return Text("\n").join(lines)


def _cells(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The two lines of the head and the texts of each column."""
    names = [name for name in rows[0] if name in COLUMNS]
    if not any(row.get("diverged") for row in rows):
        names = [name for name in names if name != "diverged"]
    places = {is_difference: _places(rows, is_difference) for is_difference in (True, False)}
    return {
        name: [*_head(name), *(_cell(name, row[name], places[name in DIFFERENCES]) for row in rows)] for name in names
    }


def _fitted(sizes: dict[str, int], columns: Sequence[str], width: int) -> list[str]:
    """The columns that there is room for; the sizes of names are cut to the room that is left."""
    shown, named = list(columns), sorted((name for name in columns if name in SHORTENED), key=sizes.__getitem__)
    for spare in ("std", "seeds"):
        if _total({**sizes, **{name: min(sizes[name], LEAST) for name in named}}, shown) > width:
            shown = [name for name in shown if name != spare]
    room = width - _total({**sizes, **dict.fromkeys(named, 0)}, shown)
    for i, name in enumerate(named):
        sizes[name] = min(sizes[name], max(room // (len(named) - i), LEAST))
        room -= sizes[name]
    return shown


def _total(sizes: dict[str, int], columns: Sequence[str]) -> int:
    return sum(sizes[name] + 1 for name in columns) - 1


def _aligned(text: str, size: int, *, left: bool) -> str:
    text = _shortened(text, size)
    blanks = " " * (size - cell_len(text))
    return text + blanks if left else blanks + text


def _shortened(text: str, size: int) -> str:
    """The text in so many columns of a terminal; its middle is left out where it is longer."""
    if cell_len(text) <= size:
        return text
    head, tail = set_cell_size(text, size // 2), set_cell_size(text[::-1], (size - 1) // 2)[::-1]
    return f"{head}…{tail}"


def _head(name: str) -> tuple[str, str]:
    """The head of a column in two lines, so that it stays narrow: what is in brackets is in the second, as are short heads."""
    text = name if name in DIFFERENCES else SHORT_HEADS.get(name, name)
    words, bracket, unit = text.partition(" (")
    return (words, f"({unit}") if bracket else ("", text)


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
