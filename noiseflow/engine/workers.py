"""Threads that train side by side; daemons, as those of `concurrent.futures` are not: none holds up the end of the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

Submit = Callable[..., Future[Any]]
_Job = tuple[Future[Any], Callable[[], Any]] | None


@contextmanager
def workers(n: int) -> Iterator[Submit]:
    """Within it, what is submitted (a function and its arguments) is run by n threads, each in the submitter's context.

    At the end it waits for what runs; what has not begun is dropped.
    """
    jobs: SimpleQueue[_Job] = SimpleQueue()

    def submit(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        context = copy_context()
        jobs.put((future, lambda: context.run(function, *arguments)))
        return future

    threads = [Thread(target=_work, args=(jobs,), daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield submit
    finally:
        with suppress(Empty):
            while True:
                jobs.get_nowait()
        for _ in threads:
            jobs.put(None)
        for thread in threads:
            thread.join()


def _work(jobs: SimpleQueue[_Job]) -> None:
    while (job := jobs.get()) is not None:
        future, function = job
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)
