"""One line that shows how far a run is, while it trains."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from noiseflow.engine.progress import Progress as Training
from noiseflow.trials.plan import Batch


class _Line(logging.Handler):
    """One line that always moves: what happens now, how much of the training is done, and how long the rest of it takes."""

    def __init__(self, console: Console, starting: str) -> None:
        super().__init__()
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(10))
        times = (TextColumn("{task.fields[left]}"), TimeElapsedColumn())
        self._progress = Progress(*columns, *times, console=console, transient=True)
        self._task = self._progress.add_task(f"starting {starting}", total=None, left="")
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._ended: set[str] = set()
        self._began = 0.0

    @property
    def live(self) -> Progress:
        """What draws it, for as long as it is entered."""
        return self._progress

    def emit(self, record: logging.LogRecord) -> None:
        """Shows what the run is at."""
        batches: tuple[Batch, ...] = getattr(record, "batches", ())
        self._totals = {batch.label: _work(batch) for batch in batches}
        self._done, self._began = dict.fromkeys(self._totals, 0), time.monotonic()
        total = sum(self._totals.values()) or None
        self._progress.update(self._task, description=record.getMessage(), total=total, completed=0, left="")

    def watch(self, batch: Batch, progress: Training) -> None:
        """Shows how far a batch has come."""
        if batch.label not in self._totals:
            return
        epochs = batch.cell.training.epochs
        self._done[batch.label] = self._totals[batch.label] * progress.epochs_done // epochs
        if progress.epochs_done >= epochs:
            self._ended.add(batch.label)
        done, total = sum(self._done.values()), sum(self._totals.values())
        left = (time.monotonic() - self._began) * (total - done) / done if done else 0.0
        what = f"training {min(len(self._ended) + 1, len(self._totals))} of {len(self._totals)}: {batch.label}"
        self._progress.update(
            self._task, description=_short(what), completed=done, left=f"{_clock(left)} left" if done else ""
        )


def _work(batch: Batch) -> int:
    return len(batch.trials) * batch.cell.training.epochs


def _short(text: str, most: int = 44) -> str:
    """The text within so many letters, so that the line has 80."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def progress_line(starting: str = "TensorFlow", *, quiet: bool = False) -> Iterator[Callable[[Batch, Training], None]]:
    """Shows what the run is at, in a terminal or a notebook; gives what is to be called with the progress of batches.

    Args:
        starting: programs that take a while to start, as the first words name them.
        quiet: whether nothing is shown.
    """
    if quiet:
        yield lambda *_: None
        return
    line, stage = _Line(Console(), starting), logging.getLogger("noiseflow.stage")
    before = stage.level
    stage.setLevel(logging.INFO)
    stage.addHandler(line)
    try:
        with line.live:
            yield line.watch
    finally:
        stage.removeHandler(line)
        stage.setLevel(before)
