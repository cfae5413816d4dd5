"""How far the training in this process has come, told to whoever watches: a bar in the terminal, an artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int], None]
"""Called with the label of a batch and the number of its epochs done."""

_listeners: list[Listener] = []


def tell(batch: str, epochs_done: int) -> None:
    """Tells all who watch."""
    for listener in tuple(_listeners):
        listener(batch, epochs_done)


@contextmanager
def watched_by(listener: Listener) -> Iterator[None]:
    """Within it, `listener` is told; from the threads that train, so it must be quick and thread safe."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
