"""Worker processes: jobs run in them, are killed when they hang, and are tried again when their process dies.

Two TensorFlow graphs that run side by side in one process may end in a segmentation fault, and a thread that sits in C code
cannot be ended. A process has its own graphs and can be killed. So all code that trains, and all code of the user, runs here:
in a few long-lived processes, each with its own TensorFlow. `_Worker.messages` keeps the limit, `resources.timeout_seconds`.

On Linux they are forks of a process that has loaded TensorFlow (`fork_server.py`); elsewhere each loads it by itself.

The parent and a worker talk through a socket. A second pipe is only held open by the parent: when the parent is gone, however
it ended, the worker is killed. Workers do not hear the terminal's Ctrl-C: the parent decides when they end.
"""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Condition, Lock, Thread, current_thread
from typing import Any, TypeVar, cast

from noiseflow.trials.silence import silenced

FORKS_WORKERS = sys.platform == "linux"
if sys.platform == "linux":
    from noiseflow.trials.fork_server import Fork, ForkServer, end_with, serve_forks

T = TypeVar("T")
BATCHES_AT_ONCE = 2
"""Worker processes of a run: one compiles while the other trains."""
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_DIE = 10.0
LOADED_FIRST = ("noiseflow.trials.training",)
"""What is imported for workers while their parent prepares the first job: TensorFlow takes seconds."""
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
        self._start = _forked if forked else _Spawned
        self._changed = Condition()
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
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
            timeout_seconds: that it may take, of which a second run has as many again.
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
        except _LateError:
            raise WorkTimeoutError(
                f"the worker process that {what} took longer than {seconds:,.0f} s and was killed. If it did not hang, "
                "raise resources.timeout_seconds of the study."
            ) from None
        except _GoneError:
            raise _dropped(what) if self.ended else WorkerDiedError(what, worker.status()) from None
        finally:
            self._give_back(worker, places, reusable=reusable)

    def _take(self, places: int, what: str) -> _Worker:
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

    def _give_back(self, worker: _Worker, places: int, *, reusable: bool) -> None:
        with self._changed:
            self._taken -= places
            if reusable and not self.ended:
                self._idle.append(worker)
            else:
                self._remove(worker)
            self._changed.notify_all()

    def _new(self) -> _Worker:
        worker = _Worker(self._start, self._loaded_first)
        self._workers.add(worker)
        return worker

    def _remove(self, worker: _Worker) -> None:
        worker.kill()
        worker.close()
        self._workers.discard(worker)


def _dropped(what: str) -> InterruptedWorkError:
    return InterruptedWorkError(f"the work that {what} was dropped, because the run ends")


class _GoneError(Exception):
    """The process has ended."""


class _LateError(Exception):
    """The job took longer than it may."""


class _Worker:
    """One process, and the parent's end of what it talks through."""

    def __init__(self, start: Callable[..., Fork | _Spawned], loaded_first: tuple[str, ...]) -> None:
        ours, theirs = socket.socketpair()
        watched, held_open = os.pipe()
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # of this thread, and of what it starts
        try:
            self._process = start(theirs.fileno(), watched, held_open, loaded_first)
        except BaseException:
            ours.close()
            os.close(held_open)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)
            theirs.close()
            os.close(watched)
        self._ours = ours
        self._connection = Connection(os.dup(ours.fileno()))

    def messages(self, head: Any, job: Any, seconds: float) -> Iterator[tuple[str, Any]]:
        """What the process sends while it works at a job; the last is `returned` or `failed`.

        Args:
            head: what the process must know before it can read the job: what it is, the folder, the level of logs.

        Raises:
            _LateError: the job took longer.
            _GoneError: the process has ended.
        """
        deadline = time.monotonic() + seconds
        try:
            self._connection.send(head)
            self._connection.send(job)
            while True:
                left = deadline - time.monotonic()
                if self._connection.poll(max(0.0, min(SECONDS_BETWEEN_LOOKS, left))):
                    yield self._connection.recv()
                elif not self.runs():
                    raise _GoneError
                if left < 0:
                    raise _LateError
        except (EOFError, OSError):
            raise _GoneError from None

    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def status(self) -> int:
        """How the process ended, as subprocess has it."""
        try:
            return self._process.wait(SECONDS_TO_DIE)
        except subprocess.TimeoutExpired:  # it has closed its socket, but lives
            self.kill()
            return self._process.wait(SECONDS_TO_DIE)

    def kill(self) -> None:
        """Ends the process at once, and lets go who talks with it."""
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self._process.kill()

    def close(self) -> None:
        """Gives up the parent's ends."""
        self._connection.close()
        self._ours.close()
        self._process.close()


class _Spawned(subprocess.Popen[bytes]):
    """A worker's process, started by itself."""

    def __init__(self, talks: int, watched: int, held_open: int, loaded_first: tuple[str, ...]) -> None:
        self._held_open = held_open
        code = _calling(f"serve({talks}, {watched}, {loaded_first!r})")
        # multiprocessing would run the user's script once more
        super().__init__([sys.executable, "-c", code], pass_fds=(talks, watched), stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        super().kill()
        self.wait()

    def close(self) -> None:
        self.kill()
        os.close(self._held_open)


def _calling(call: str) -> str:
    imported = f"from noiseflow.trials.workers import {call.partition('(')[0]}"
    return f"import sys; sys.path[:] = {sys.path!r}; {imported}; {call}"


_fork_servers: dict[tuple[str, ...], ForkServer] = {}
"""By what they have loaded. They stay until this process ends, or for ten idle minutes: the next run starts at once."""
_retired: list[ForkServer] = []
_fork_server_lock = Lock()


def _forked(talks: int, watched: int, held_open: int, loaded_first: tuple[str, ...]) -> Fork:
    code = _calling(f"serve_workers(*map(int, sys.argv[1:]), {loaded_first!r})")
    with _fork_server_lock:
        for other in [other for other in _retired if not other.runs()]:
            other.end()
            _retired.remove(other)
        server = _fork_servers.get(loaded_first)
        if server is not None and server.suits(code):
            with suppress(OSError):  # it has just ended
                return server.fork(talks, watched, held_open)
        if server is not None:
            server.retire()
            _retired.append(server)
        server = _fork_servers[loaded_first] = ForkServer(code)
        return server.fork(talks, watched, held_open)


@atexit.register
def _end_fork_servers() -> None:
    while _fork_servers:
        _retired.append(_fork_servers.popitem()[1])
    while _retired:
        _retired.pop().end()


def load(names: tuple[str, ...]) -> None:
    """Imports these modules."""
    with silenced(), _absent("matplotlib") if names == LOADED_FIRST else nullcontext():
        for name in names:
            import_module(name)


def serve_workers(requests: int, watched: int, loaded_first: tuple[str, ...]) -> None:
    """What a fork server does; see `serve_forks`."""
    end_with(watched)
    load(loaded_first)
    serve_forks(requests, watched, serve)


def serve(talks: int, watched: int, loaded_first: tuple[str, ...] = ()) -> None:
    """What a worker process does: one job after another, until its parent is gone.

    Args:
        talks: descriptor of the socket.
        watched: descriptor of the pipe that the parent holds open.
        loaded_first: modules that it imports before.
    """
    os.set_inheritable(talks, False)
    os.set_inheritable(watched, False)
    _end_with_parent(watched)
    load(loaded_first)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all forks draw the same numbers; random sees to itself
    connection, lock = Connection(talks), Lock()

    def send(kind: str, content: Any) -> None:
        with lock:
            connection.send((kind, content))

    _send_logs_and_warnings(send)
    while True:
        try:
            current_thread().name, folder, level = connection.recv()
            os.chdir(folder)
            logging.getLogger().setLevel(level)
            function, arguments, reports = connection.recv()
            named = {"progress": lambda done: send("progress", done)} if reports else {}
            send("returned", function(*arguments, **named))
        except (EOFError, ConnectionError):
            return
        except BaseException as error:  # noqa: BLE001 - it is raised in the parent
            send("failed", _portable(error))


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """Within it, a module that was not imported before cannot be: Keras does without pyplot, which takes a second to import.

    Its functions that draw galleries say, in this process, that matplotlib is not installed.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment] # which Python takes as: there is none
    try:
        yield
    finally:
        sys.modules.pop(name, None)


def _end_with_parent(watched: int) -> None:
    """Has this process killed when the other end of the pipe is closed; on Linux also where Python does not get to run."""
    if sys.platform == "linux":
        end_with(watched)

    def wait() -> None:
        os.read(watched, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    Thread(target=wait, daemon=True).start()


def _send_logs_and_warnings(send: Callable[[str, Any], None]) -> None:
    class Sender(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            where = record.name, record.levelno, record.pathname, record.lineno
            send("logged", logging.LogRecord(*where, self.format(record), None, None, record.funcName))

    def show(message: Any, category: Any, filename: str, lineno: int, *_: Any) -> None:
        known = category if category.__module__ == "builtins" else UserWarning  # the parent need not load what has it
        send("warned", (str(message), known, filename, lineno))

    logging.getLogger().addHandler(Sender())
    warnings.showwarning = show  # type: ignore[assignment] # what it is called with comes by position


def _portable(error: BaseException) -> Exception:
    """The exception as the parent can read it, which need not load what raised it."""
    error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    if isinstance(error, Exception) and type(error).__module__.partition(".")[0] in ("builtins", "noiseflow"):
        with suppress(Exception):
            if str(pickle.loads(pickle.dumps(error))) == str(error):  # noqa: S301 - our own
                return error
    plain = RuntimeError(f"{type(error).__name__}: {error}")
    plain.__notes__ = error.__notes__
    return plain


_lock = Lock()
_pools: list[Workers] = []


@contextmanager
def worker_processes(n: int) -> Iterator[Workers]:
    """Within it, `in_worker` has n worker processes; those of the block around it, where there is one."""
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
    """What `Workers.run` gives in the pool of this process; where there is none, one worker that stays is started."""
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
