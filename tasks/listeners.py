"""How far the training in this process has come, told to whoever watches: a bar in the terminal, an artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from noiseflow.engine.progress import Progress
from noiseflow.trials.plan import Batch

Listener = Callable[[Batch, Progress], None]
"""Called with a batch and how far it has come."""

_listeners: list[Listener] = []


def tell(batch: Batch, progress: Progress) -> None:
    """Tells all who watch."""
    for listener in tuple(_listeners):
        listener(batch, progress)


@contextmanager
def watched_by(listener: Listener) -> Iterator[None]:
    """Within it, `listener` is told; from the threads that train, so it must be quick and thread safe."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
