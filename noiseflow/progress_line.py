"""One line that shows how far a run is, while it trains."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from importlib.util import find_spec
from threading import RLock
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from noiseflow.engine.progress import Progress as Training
from noiseflow.trials.plan import Batch
from noiseflow.trials.workers import BATCHES_AT_ONCE

BESIDE = 36
"""Columns of the line beside what happens: spinner, bar, time left, time so far."""

SHARE_KNOWN, SECONDS_KNOWN = 0.1, 60.0
"""Share of the work after which the time left is said, for compilation takes long at first; after a minute a tenth of it."""

SECONDS_BETWEEN = 0.2
"""Between two texts in a notebook without ipywidgets."""


class _LiveText(ProgressColumn):
    """Text that a function gives whenever the line is drawn, so that it moves without news."""

    def __init__(self, says: Callable[[], str]) -> None:
        super().__init__()
        self._says = says

    def render(self, task: Task) -> Text:  # noqa: ARG002 - the line knows more than rich's task
        return Text(self._says())


class _Line(logging.Handler):
    """One line that always moves: what happens now, how much of the training is done, and how long the rest of it takes."""

    def __init__(self, console: Console, starting: str) -> None:
        super().__init__()
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(10))
        self._progress = Progress(
            *columns, _LiveText(self._left), _LiveText(self._so_far), console=console, transient=True
        )
        self._task = self._progress.add_task(f"starting {starting}", total=None)
        self._guard = RLock()
        self._started = self._began = time.monotonic()
        self._of: dict[str, Batch] = {}
        self._names: dict[str, str] = {}
        self._done: dict[str, int] = {}
        self._ended: set[str] = set()
        self._heard: list[str] = []
        self._worked = self._work = 0

    @property
    def live(self) -> Progress:
        """The progress display, which draws while it is entered."""
        return self._progress

    def drawn(self) -> AbstractContextManager[Any]:
        """Draws it for as long as it is entered."""
        return self._progress

    def emit(self, record: logging.LogRecord) -> None:
        """Shows what the run is at."""
        batches: tuple[Batch, ...] = getattr(record, "batches", ())
        with self._guard:
            self._of = {batch.label: batch for batch in batches}
            self._names = dict(zip(self._of, _short_names(list(self._of)), strict=True))
            self._done, self._ended, self._heard = dict.fromkeys(self._of, 0), set(), []
            self._worked, self._work = 0, sum(map(_work, self._of.values()))
            self._began = time.monotonic()
            self._show(record.getMessage())

    def watch(self, batch: Batch, progress: Training) -> None:
        """Shows how far a batch has come."""
        with self._guard:
            if batch.label not in self._of:
                return
            epochs = batch.cell.training.epochs
            self._done[batch.label] = _work(batch) * progress.epochs_done // epochs
            self._worked = sum(self._done.values())
            self._heard = [batch.label, *(label for label in self._heard if label != batch.label)]
            if progress.epochs_done >= epochs:
                self._ended.add(batch.label)
            self._show(self._training())

    def _training(self) -> str:
        """How many batches are trained, and which are in training now: the latest ones."""
        heard = [label for label in self._heard if label not in self._ended][:BATCHES_AT_ONCE]
        head = f"trained {len(self._ended)} of {len(self._of)}"
        if not heard:
            return head
        head += "; now "
        room = (self._room - len(head) - 2 * (len(heard) - 1)) // len(heard)
        return head + ", ".join(_short(name, room) for label, name in self._names.items() if label in heard)

    @property
    def _room(self) -> int:
        return max(self._progress.console.width - BESIDE, 30)

    def _show(self, what: str) -> None:
        """Rich's task never ends, for the spinner of one that ended stops; and its `update` does not take a total away."""
        self._progress.tasks[0].total = self._work or None
        worked = min(self._worked, max(self._work - 1, 0))
        self._progress.update(self._task, description=_short(what, self._room), completed=worked)

    def _left(self) -> str:
        seconds = time.monotonic() - self._began
        least = SHARE_KNOWN if seconds < SECONDS_KNOWN else SHARE_KNOWN / 10
        if not least * self._work < self._worked < self._work:
            return ""
        return f"{_clock(seconds * (self._work - self._worked) / self._worked)} left"

    def _so_far(self) -> str:
        return str(timedelta(seconds=int(time.monotonic() - self._started)))


class _NotebookLine(_Line):
    """The line in a notebook that lacks ipywidgets, without which rich shows nothing there: a text, drawn anew with news."""

    _shown: Any = None
    _at = 0.0

    @contextmanager
    def drawn(self) -> Iterator[None]:
        from IPython.display import display  # noqa: PLC0415 - only in a notebook

        self._shown = display({"text/plain": "starting …"}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            self._shown.update({"text/plain": f"took {self._so_far()}"}, raw=True)

    def _show(self, what: str) -> None:
        super()._show(what)
        if self._shown and time.monotonic() - self._at > SECONDS_BETWEEN:
            self._at = time.monotonic()
            text = "   ".join(filter(None, [self._progress.tasks[0].description, self._left(), self._so_far()]))
            self._shown.update({"text/plain": text}, raw=True)


def _line(console: Console, starting: str) -> _Line:
    return (_NotebookLine if console.is_jupyter and not find_spec("ipywidgets") else _Line)(console, starting)


def _work(batch: Batch) -> int:
    return len(batch.trials) * batch.cell.training.epochs


def _short_names(labels: Sequence[str]) -> list[str]:
    """For each label the variant, and what differs among the labels: dataset, architecture, seeds."""
    if len(labels) < 2:
        return list(labels)
    cells = [label.partition(" ")[0].split("/") for label in labels]
    seeds = [label.partition(" ")[2] for label in labels]
    differ = [len(set(names)) > 1 for names in zip(*cells, strict=True)]
    differ[-1] = True
    names = ["/".join(name for name, differs in zip(cell, differ, strict=True) if differs) for cell in cells]
    return names if len(set(seeds)) == 1 else [f"{name} {which}" for name, which in zip(names, seeds, strict=True)]


def _short(text: str, most: int) -> str:
    """The text within so many letters, so that the line fits the terminal."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def progress_line(
    starting: str = "TensorFlow", *, quiet: bool = False, on_stderr: bool = False
) -> Iterator[Callable[[Batch, Training], None]]:
    """Shows what the run is at, in a terminal or a notebook; gives what is to be called with the progress of batches.

    Args:
        starting: programs that take a while to start, as the first words name them.
        quiet: whether nothing is shown.
        on_stderr: whether it is shown on stderr, because stdout is for a program.
    """
    if quiet:
        yield lambda *_: None
        return
    line, stage = _line(Console(stderr=on_stderr), starting), logging.getLogger("noiseflow.stage")
    before = stage.level
    stage.setLevel(logging.INFO)
    stage.addHandler(line)
    try:
        with line.drawn():
            yield line.watch
    finally:
        stage.removeHandler(line)
        stage.setLevel(before)
