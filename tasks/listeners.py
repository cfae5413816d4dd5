"""Hands on how far the training in this process has come: to a bar in the terminal, to an artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from noiseflow.engine.progress import Progress
from noiseflow.trials.plan import Batch

Listener = Callable[[Batch, Progress], None]
"""Called with a batch and how far it has come."""

_listeners: list[Listener] = []


def notify(batch: Batch, progress: Progress) -> None:
    """Calls all listeners."""
    for listener in tuple(_listeners):
        listener(batch, progress)


@contextmanager
def watched_by(listener: Listener) -> Iterator[None]:
    """Within it, `listener` is called, from the threads that train; so it must be quick and thread safe."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
