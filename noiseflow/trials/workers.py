"""Worker processes: jobs run in them, are killed when they hang, and are tried again when their process dies.

Two TensorFlow graphs that run side by side in one process may end in a segmentation fault, and a thread that sits in C code
cannot be ended. A process has its own graphs and can be killed. So all code that trains, and all code of the user, runs here:
in a few long-lived processes, each with its own TensorFlow. `WorkerProcess.messages` keeps `resources.timeout_seconds`.

`worker_process.py` is one of them as the parent sees it, and `worker_serving.py` what runs in it.
"""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Lock
from typing import Any, TypeVar, cast

from noiseflow.trials.fork_server import FORKS_WORKERS
from noiseflow.trials.worker_process import GoneError, LateError, WorkerProcess
from noiseflow.trials.worker_serving import LOADED_FIRST

T = TypeVar("T")
BATCHES_AT_ONCE = 2
"""Worker processes of a run: one compiles while the other trains."""
logger = logging.getLogger(__name__)


class WorkTimeoutError(TimeoutError):
    """Work that took longer than it may; its process was killed."""


class InterruptedWorkError(RuntimeError):
    """Work that was dropped because the run ends."""


class WorkerDiedError(RuntimeError):
    """A worker process that ended in the middle of its work.

    number: the signal that it died of; None where it ended by itself.
    """

    def __init__(self, what: str, status: int) -> None:
        self.number = -status if status < 0 else None
        how = f"ended with status {status}" if status >= 0 else f"died of signal {-status} ({_name(-status)})"
        hint = ", as it does when the machine runs out of memory" if self.number == signal.SIGKILL else ""
        super().__init__(f"the worker process that {what} {how}{hint}")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


class Workers:
    """A pool of n worker processes, each started when it is first needed.

    Args:
        n: jobs at a time.
        loaded_first: modules that are imported as soon as the first is started; LOADED_FIRST unless given.
        forked: whether they are forks; else each is started by itself.
    """

    def __init__(self, n: int, loaded_first: tuple[str, ...] | None = None, *, forked: bool = FORKS_WORKERS) -> None:
        self.n = n
        self.ended = False
        self.users = 0
        self._loaded_first = LOADED_FIRST if loaded_first is None else loaded_first
        self._forked = forked
        self._changed = Condition()
        self._idle: list[WorkerProcess] = []
        self._workers: set[WorkerProcess] = set()
        self._taken = 0
        self._wait_to_be_alone = 0

    def start(self, n: int) -> None:
        """Starts processes before there is work for them, up to so many, so that they load TensorFlow meanwhile."""
        with self._changed:
            while len(self._workers) < min(n, self.n) and not self.ended:
                self._idle.append(self._new())

    def end(self) -> None:
        """Kills all processes at once; who waits for one gets an InterruptedWorkError, as whoever asks for one later."""
        with self._changed:
            self.ended = True
            for worker in self._workers:
                worker.kill()  # who waits for it closes it
            while self._idle:
                self._remove(self._idle.pop())
            self._changed.notify_all()

    def run(
        self,
        function: Callable[..., T],
        *arguments: Any,
        what: str,
        timeout_seconds: float,
        progress: Callable[[Any], None] | None = None,
        alone: bool = False,
    ) -> T:
        """What the function returns, which runs in a worker process.

        What it logs or warns of is logged and warned of here, in the thread that waits. Where its process dies, it is run
        once more with no other job beside it.

        Args:
            function: found by its name in its module; what it takes and returns is pickled.
            what: it does, in the past tense, as in `trained circles/mlp/noise 0-29`.
            timeout_seconds: that it may take; a second run has as many again.
            progress: called with whatever the function gives to its argument `progress`, which it then must have.
            alone: whether it runs with no other job beside it, and only once.

        Raises:
            WorkTimeoutError: it took longer.
            WorkerDiedError: its process died, and died again.
            InterruptedWorkError: `end` was called.
        """
        job, how = (function, arguments, progress is not None), (what, timeout_seconds, progress)
        if not alone:
            try:
                return cast("T", self._attempt(job, 1, *how))
            except WorkerDiedError as error:
                logger.warning("%s; it is tried once more, with nothing beside it", error)
        return cast("T", self._attempt(job, self.n, *how))

    def _attempt(self, job: Any, places: int, what: str, seconds: float, progress: Callable[[Any], None] | None) -> Any:
        worker = self._take(places, what)
        reusable = False
        try:
            for kind, content in worker.messages((what, str(Path.cwd()), logging.getLogger().level), job, seconds):
                reusable = kind in ("returned", "failed")
                if kind == "returned":
                    return content
                if kind == "failed":
                    raise content
                if kind == "progress" and progress is not None:
                    progress(content)
                elif kind == "logged" and logging.getLogger(content.name).isEnabledFor(content.levelno):
                    logging.getLogger(content.name).handle(content)
                elif kind == "warned":
                    warnings.warn_explicit(*content)
        except LateError:
            raise WorkTimeoutError(
                f"the worker process that {what} took longer than {seconds:,.0f} s and was killed. If it did not hang, "
                "raise resources.timeout_seconds of the study."
            ) from None
        except GoneError:
            raise _dropped(what) if self.ended else WorkerDiedError(what, worker.status()) from None
        finally:
            self._give_back(worker, places, reusable=reusable)

    def _take(self, places: int, what: str) -> WorkerProcess:
        """A worker, once so many places are free; a job that must run alone is served before the others."""
        alone = places == self.n
        with self._changed:
            self._wait_to_be_alone += alone
            try:
                self._changed.wait_for(
                    lambda: self.ended or (self._taken + places <= self.n and (alone or not self._wait_to_be_alone))
                )
            finally:
                self._wait_to_be_alone -= alone
                self._changed.notify_all()
            if self.ended:
                raise _dropped(what)
            while self._idle and (1 < self.n == places or not self._idle[-1].runs()):
                self._remove(self._idle.pop())  # it holds memory beside who is alone, or was killed while it was idle
            worker = self._idle.pop() if self._idle else self._new()
            self._taken += places
            return worker

    def _give_back(self, worker: WorkerProcess, places: int, *, reusable: bool) -> None:
        with self._changed:
            self._taken -= places
            if reusable and not self.ended:
                self._idle.append(worker)
            else:
                self._remove(worker)
            self._changed.notify_all()

    def _new(self) -> WorkerProcess:
        worker = WorkerProcess(self._loaded_first, forked=self._forked)
        self._workers.add(worker)
        return worker

    def _remove(self, worker: WorkerProcess) -> None:
        worker.kill()
        worker.close()
        self._workers.discard(worker)


def _dropped(what: str) -> InterruptedWorkError:
    return InterruptedWorkError(f"the work that {what} was dropped, because the run ends")


_lock = Lock()
_pools: list[Workers] = []


@contextmanager
def worker_processes(n: int) -> Iterator[Workers]:
    """Within it, `in_worker` has n worker processes; within another such block, it has those of the outer one."""
    with _lock:
        if not _pools or _pools[-1].ended:
            _pools.append(Workers(n))
        pool = _pools[-1]
        pool.users += 1
    try:
        yield pool
    finally:
        with _lock:
            pool.users -= 1
            if not pool.users:
                pool.end()
                _pools.remove(pool)


@contextmanager
def one_worker(*loaded_first: str) -> Iterator[Workers]:
    """Within it, one worker more, with these modules imported at once and no TensorFlow."""
    pool = Workers(1, loaded_first)
    pool.start(1)
    try:
        yield pool
    finally:
        pool.end()


def in_worker(function: Callable[..., T], *arguments: Any, **how: Any) -> T:
    """What `Workers.run` gives in the pool of this process; without a pool, one worker that stays is started."""
    with _lock:
        if not _pools:
            _pools.append(Workers(1))
            _pools[-1].users = 1
        pool = _pools[-1]
    return pool.run(function, *arguments, **how)


def end_work() -> None:
    """Kills the worker processes of this process; what they were at is dropped."""
    for pool in tuple(_pools):
        pool.end()
