"""A worker's process as its parent sees it: how it is started, what the two say to each other, and how it is killed.

On Linux workers are forks of a process that has loaded TensorFlow (`fork_server.py`); elsewhere each loads it by itself.

The parent and a worker talk through a socket. A second pipe is only held open by the parent: when the parent is gone, however
it ended, the worker is killed. Workers do not hear the terminal's Ctrl-C: the parent decides when they end.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from noiseflow.trials.fork_server import FORKS_WORKERS, SECONDS_TO_DIE, Fork, ForkServer

SECONDS_BETWEEN_LOOKS = 0.5


class GoneError(Exception):
    """The process has ended."""


class LateError(Exception):
    """The job took longer than it may."""


class WorkerProcess:
    """One process, and the parent's end of what it talks through."""

    def __init__(self, loaded_first: tuple[str, ...], *, forked: bool = FORKS_WORKERS) -> None:
        ours, theirs = socket.socketpair()
        watched, held_open = os.pipe()
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # of this thread, and of what it starts
        try:
            start: Callable[..., Fork | _Spawned] = _forked if forked else _Spawned
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
            head: what the process must know before it can read the job: its role, the folder, the level of logs.

        Raises:
            LateError: the job took longer.
            GoneError: the process has ended.
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
                    raise GoneError
                if left < 0:
                    raise LateError
        except (EOFError, OSError):
            raise GoneError from None

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
        """Ends the process at once, and releases whoever talks with it."""
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
    imported = f"from noiseflow.trials.worker_serving import {call.partition('(')[0]}"
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
