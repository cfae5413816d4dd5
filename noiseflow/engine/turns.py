"""Turns at what one thread, or a few, may use at a time; a piece of work that hangs is given up and loses its turns.

A thread that sits in C code for ever cannot be ended, only left behind. So that others go on, whatever it holds is taken from
it; should it come back, it ends at its next turn.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Condition, get_ident
from types import TracebackType
from typing import Self


class GivenUp(BaseException):
    """Raised in the threads of a piece of work that was given up."""


class Work:
    """A piece of work, of one thread or of several."""

    def __init__(self) -> None:
        self.given_up = False


CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)
"""The work that this thread is a part of."""


@dataclass
class _Holder:
    work: Work | None
    depth: int = 1


@dataclass
class Turns:
    """So many threads at a time may be within it; one that is may enter again.

    Args:
        n: threads at a time.
        taken_back: called when a turn is taken from a work, before the next thread has it.
    """

    n: int
    taken_back: Callable[[], None] = lambda: None
    _changed: Condition = field(default_factory=Condition)
    _held: dict[int, _Holder] = field(default_factory=dict)
    _waiting: list[Work | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        ALL.append(self)

    def __enter__(self) -> Self:
        me, work = get_ident(), CURRENT.get()
        with self._changed:
            if me in self._held:
                self._held[me].depth += 1
                return self
            self._waiting.append(work)
            try:
                self._changed.wait_for(lambda: len(self._held) < self.n or (work is not None and work.given_up))
            finally:
                self._waiting.remove(work)
            check(work)
            self._held[me] = _Holder(work)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        me = get_ident()
        with self._changed:
            if me not in self._held:  # it was taken from us
                raise GivenUp
            self._held[me].depth -= 1
            if not self._held[me].depth:
                del self._held[me]
                self._changed.notify_all()

    def mine(self) -> bool:
        """Whether this thread has a turn."""
        return get_ident() in self._held

    def held_by(self, work: Work) -> bool:
        """Whether one of its threads has a turn."""
        with self._changed:
            return any(holder.work is work for holder in self._held.values())

    def awaited_by(self, work: Work) -> bool:
        """Whether one of its threads waits for a turn."""
        with self._changed:
            return work in self._waiting

    def take_back(self, work: Work) -> None:
        """Takes its turns from a work."""
        with self._changed:
            lost = [thread for thread, holder in self._held.items() if holder.work is work]
            if lost:
                self.taken_back()
            for thread in lost:
                del self._held[thread]
            self._changed.notify_all()


ALL: list[Turns] = []


def check(work: Work | None) -> None:
    """Ends the thread if its work was given up.

    Raises:
        GivenUp: it was.
    """
    if work is not None and work.given_up:
        raise GivenUp


def is_kept_waiting(work: Work) -> bool:
    """Whether it can do nothing because others have all turns."""
    return any(turns.awaited_by(work) for turns in ALL) and not any(turns.held_by(work) for turns in ALL)


def give_up(work: Work) -> None:
    """Leaves a work behind: its threads end at their next turn, if they come to one."""
    work.given_up = True
    for turns in ALL:
        turns.take_back(work)
