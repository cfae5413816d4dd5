"""A deadline for work that may hang, in Python or in C: its thread is left behind, and does not hold up the process's end."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from threading import Lock, Thread
from typing import TypeVar

from noiseflow.engine.turns import CURRENT, GivenUp, Work, give_up, is_kept_waiting

T = TypeVar("T")
SECONDS_BETWEEN_LOOKS = 0.2
GRACE_SECONDS = 5.0  # for threads that were given up, before they are left to the end of the process
_lock = Lock()
_running: dict[Work, Thread] = {}
_left_behind: list[Thread] = []


class WorkTimeoutError(TimeoutError):
    """Work that took longer than it may."""


class InterruptedWorkError(RuntimeError):
    """Work that was given up because the run ends."""


def within(seconds: float, function: Callable[[], T], name: str) -> T:
    """What the function returns, which runs in a thread of its own.

    Time in which it can do nothing, since other work holds a lock or all cores, does not count.

    Args:
        seconds: that it may take.
        name: what the message calls it.

    Raises:
        WorkTimeoutError: it took longer; it is left behind.
        InterruptedWorkError: `give_up_all` was called meanwhile.
    """
    work, done = Work(), Future[T]()
    context = copy_context()
    context.run(CURRENT.set, work)
    thread = Thread(target=context.run, args=(_run, function, done), name=name, daemon=True)
    with _lock:
        _running[work] = thread
    thread.start()
    try:
        _watch(work, done, seconds, name)
    finally:
        with _lock:
            del _running[work]
    return done.result()


def _run(function: Callable[[], T], done: Future[T]) -> None:
    try:
        done.set_result(function())
    except GivenUp:  # nobody waits any more
        logging.getLogger(__name__).debug("work that was given up came back, and has ended")
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        done.set_exception(error)


def _watch(work: Work, done: Future[T], seconds: float, name: str) -> None:
    spent = 0.0
    while not done.done():
        began = time.monotonic()
        wait([done], SECONDS_BETWEEN_LOOKS)
        if done.done():
            return
        if work.given_up:
            raise InterruptedWorkError(f"{name} was dropped, because the run ends")
        spent += 0.0 if is_kept_waiting(work) else time.monotonic() - began
        if spent > seconds:
            _leave(work)
            raise WorkTimeoutError(
                f"{name} took longer than {seconds:,.0f} s and was given up. If it did not hang, raise "
                "resources.timeout_seconds of the study."
            )


def give_up_all() -> None:
    """Drops all work that runs in this process."""
    with _lock:
        works = tuple(_running)
    for work in works:
        _leave(work)


def _leave(work: Work) -> None:
    give_up(work)
    with _lock:
        if not _left_behind:
            atexit.register(_end)
        if work in _running:
            _left_behind.append(_running[work])


def _end() -> None:
    """Ends the process if threads that were left behind still run: they may use what the interpreter takes apart.

    First all else runs that is to run at the end: a server that was started is stopped, logs are sent.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    for thread in _left_behind:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in _left_behind):
        atexit.unregister(_end)
        atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way to run the others and then not to return
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
