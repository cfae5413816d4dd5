"""A run of the flow in a terminal: progress while it trains, then the summary and where to look."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from flows.noise_study import IncompleteRunError, StudyRun, noise_study
from flows.stopping import GO_ON, sigterm_interrupts, start_temporary_server
from noiseflow.engine.progress import Progress as Training
from noiseflow.faults import InvalidInputError, in_terminal, refusal
from noiseflow.plan import Batch
from noiseflow.spec import Study
from noiseflow.trials.checking import check_in_worker
from tasks.progress import watched_by

HEADS = {"difference (points)": "points", "difference (score)": "gain"}
DIFFERENCES = (*HEADS, "low", "high")
MOST_BYTES = 500_000
"""Of a study that is a parameter: Prefect takes 524,288 bytes of all parameters together."""
MOST_BARS = 8  # of batches that have ended
WIDTHS = {"variant": 12}
LEFT_TO_THE_REPORT = ("strength", "train", "d_z", "P(better)")


def run_in_terminal(study: Study, given: dict[str, Any], **parameters: Any) -> int:
    """Runs the flow; the exit status.

    Args:
        study: what is to be run.
        given: the flow's parameters `study`, `n_seeds` and `epochs` as they were typed, from which the study was read.
        parameters: the flow's others.
    """
    console = Console()
    began = time.monotonic()
    console.print(f"[bold]{study.name}[/bold]: starting Prefect and TensorFlow …", highlight=False)
    os.environ["NOISEFLOW_DATA"] = os.sep  # who runs a study by hand may have it read what he may read
    _show_warnings()
    try:
        if faults := check_in_worker(study).faults:  # of the study's own seeds; the flow looks into a campaign's
            raise InvalidInputError(faults)  # noqa: TRY301 - the flow would raise it, after it has begun
        with sigterm_interrupts():
            start_temporary_server()
            with _bars(console):
                done = noise_study(**_declared(study, given), **parameters)
    except KeyboardInterrupt:
        _say(f"noiseflow: stopped. {GO_ON}", f"  {_command()}")
        return 1
    except InvalidInputError as error:
        Console(stderr=True).print(refusal(error.faults), markup=False, highlight=False, soft_wrap=True)
        return 2
    except IncompleteRunError as error:
        if error.run is not None:
            _show(console, study, error.run, time.monotonic() - began)
        _failed(error)
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it was, the user gets a line and the exit status 1
        _failed(error)
        return 1
    _show(console, study, done, time.monotonic() - began)
    return 0


def _declared(study: Study, given: dict[str, Any]) -> dict[str, Any]:
    """The parameters that declare the study: itself; where that is more than Prefect takes, the file that it came from."""
    if len(json.dumps(study.model_dump(mode="json"))) < MOST_BYTES:
        return {"study": study}
    return {**given, "study": os.path.abspath(given["study"])}  # noqa: PTH100 - a link is left as it is


def _show_warnings() -> None:
    """Has the library's warnings shown where Prefect's log is not."""
    if os.environ.get("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL") == "CRITICAL":
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.setFormatter(logging.Formatter("noiseflow: %(message)s"))
        logging.getLogger("noiseflow").addHandler(handler)


def _failed(why: object) -> None:
    """Says why a run failed, and how to go on."""
    _say(
        f"noiseflow: the run failed. {in_terminal(why)}",
        f"What is trained is kept. To train what is missing: {_command()}",
    )


def _command() -> str:
    """What was typed."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _say(*texts: str) -> None:
    for text in texts:
        Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _bars(console: Console) -> Iterator[None]:
    """A bar for each batch in training."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(12), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[speed]}"), TimeElapsedColumn(), console=console) as bars:
        ids: dict[str, Any] = {}

        def show(batch: Batch, progress: Training) -> None:
            if batch.label not in ids:
                _make_room(bars)
                ids[batch.label] = bars.add_task(batch.label, total=batch.cell.training.epochs, speed="")
            speed = f"{progress.seeds_a_second:.1f} seeds/s" if progress.seeds_a_second else ""
            bars.update(ids[batch.label], completed=progress.epochs_done, speed=speed)

        with watched_by(show):
            yield


def _make_room(bars: Progress) -> None:
    """Hides the bar that ended first, where many are shown."""
    ended = [task.id for task in bars.tasks if task.finished and task.visible]
    if len(ended) >= MOST_BARS:
        bars.update(ended[0], visible=False)


def _show(console: Console, study: Study, done: StudyRun, seconds: float) -> None:
    told = f"trained {done.trained} trials" if done.trained else "nothing to train: every trial was there already"
    reused = f", {done.reused} reused" if done.reused and done.trained else ""
    console.print(f"\n{told}{reused}, in {seconds:.0f} s\n", highlight=False)
    console.print(_table(done))
    console.print(f"\n{done.headline}\n", markup=False, highlight=False)
    console.print(f"Report: {done.report}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"In Prefect's UI: {_way_to_the_ui(study.name)}", markup=False, highlight=False, soft_wrap=True)


def _way_to_the_ui(study: str) -> str:
    """Where the artifact is shown; and, if no server runs, the command that starts one on the same database."""
    page = f"artifacts/key/{study}-report"
    if PREFECT_API_URL.value():
        return f"{PREFECT_UI_URL.value()}/{page}"
    prefect = Path(sys.executable).with_name("prefect")
    shown = os.path.relpath(prefect) if prefect.is_relative_to(Path.cwd()) else str(prefect)
    return f"{shlex.quote(shown)} server start   then http://127.0.0.1:4200/{page}"


def _table(done: StudyRun) -> Table:
    rows = done.answer
    names = [name for name in rows[0] if name not in LEFT_TO_THE_REPORT]
    if not any(row["diverged"] for row in rows):
        names.remove("diverged")
    if names[0] != "variant":
        names.remove("std")  # to leave room for the names in 80 columns
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in names:
        words = name in ("dataset", "architecture", "variant", "verdict")
        table.add_column(
            HEADS.get(name, name),
            justify="left" if words else "right",
            no_wrap=name != "variant",
            min_width=WIDTHS.get(name),
        )
    for row in rows:
        table.add_row(*(Text(_cell(name, row[name])) for name in names))
    return table


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.startswith("p "):
        return f"{value:.3f}" if value >= 0.001 else "< .001"
    if isinstance(value, float):
        return f"{value:+.2f}" if name in DIFFERENCES else f"{value:.3f}"
    return str(value)
