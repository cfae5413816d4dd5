"""A process that has imported what worker processes need and does nothing else: each worker is a fork of it.

TensorFlow takes seconds to import, and forks share what it then holds in memory. Forks are safe here because the server has
run no TensorFlow operation and has started no thread of Python; libraries that start threads as they are loaded (OpenBLAS,
Arrow's allocator) have handlers for forks. (multiprocessing's own fork server would run the user's script once more, with the
environment of its first start.)

Linux only: a process that reads a pipe is killed by the kernel when the other end closes, so nothing outlives the parent.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from threading import Lock
from typing import Any, NoReturn

FORKS_WORKERS = sys.platform == "linux"
IDLE_SECONDS = 600.0
"""After so long without a fork the server ends, for it holds some 0.3 GB."""
SECONDS_TO_LOAD = 300.0
"""A server that has not loaded its modules after so long hangs, and is not asked again."""
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_DIE = 10.0
UNKNOWN = 1
"""The status of a fork that ended in an unknown way."""


class ForkServer:
    """The server, as its parent sees it.

    Args:
        code: what it runs, in Python. It calls `serve_forks`, which takes the two numbers of `sys.argv[1:]`.
    """

    def __init__(self, code: str) -> None:
        self._born_with, self._began = _surroundings(code), time.monotonic()
        self._requests, theirs = socket.socketpair()
        watched, held_open = os.pipe()
        self._held_open: int | None = held_open
        given = (theirs.fileno(), watched)
        command = [sys.executable, "-c", code, *map(str, given)]
        try:
            self._process = subprocess.Popen(command, pass_fds=given, stdin=subprocess.DEVNULL)  # noqa: S603 - ours
        except BaseException:
            os.close(held_open)
            self._requests.close()
            raise
        finally:
            theirs.close()
            os.close(watched)

    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def suits(self, code: str) -> bool:
        """Whether it runs, was made with this code, does not hang, and its forks would have today's environment."""
        return (
            self.runs()
            and self._born_with == _surroundings(code)
            and (self._has_loaded() or self._age() < SECONDS_TO_LOAD)
        )

    def _has_loaded(self) -> bool:
        """The server says so once, and then nothing: what it says is left unread."""
        return bool(wait([self._requests], 0))

    def _age(self) -> float:
        return time.monotonic() - self._began

    def fork(self, talks: int, watched: int, held_open: int) -> Fork:
        """A new process, which begins as soon as the server has loaded its modules.

        Args:
            talks: descriptor of the socket that it talks through.
            watched: descriptor of the pipe; the process is killed when its other end closes.
            held_open: that other end.

        Raises:
            OSError: the server takes no request any more.
        """
        read_end, write_end = os.pipe()
        try:
            socket.send_fds(self._requests, [b"."], [talks, watched, write_end])
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        return Fork(read_end, held_open, self._process)

    def retire(self) -> None:
        """Has the server end after the last of its forks."""
        self._requests.close()

    def end(self) -> None:
        """Kills the server; how its forks end is not known then."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        if self._held_open is not None:
            os.close(self._held_open)
            self._held_open = None


def _surroundings(code: str) -> Any:
    """What a fork has from the server's start; a process that is started anew has it from its own start."""
    environment = dict(os.environ)
    environment.pop("PYTEST_CURRENT_TEST", None)  # it changes with every test
    return code, environment, os.sched_getaffinity(0), [_file(descriptor) for descriptor in (1, 2)]


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        there = os.fstat(descriptor)
    except OSError:  # it is closed
        return None
    return there.st_dev, there.st_ino


class Fork:
    """A process that the server has forked or will fork, with what `subprocess.Popen` has to look after it."""

    def __init__(self, reports: int, held_open: int, server: subprocess.Popen[bytes]) -> None:
        self._reports = reports
        self._held_open: int | None = held_open
        self._server = server
        self._lock = Lock()
        self._heard = b""
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended, as in `subprocess.Popen.returncode`; None while it runs or is still to be forked."""
        with self._lock:
            return self._listened()

    def wait(self, timeout: float) -> int:
        """How it ended, once it has.

        Raises:
            subprocess.TimeoutExpired: it runs on, after so many seconds.
        """
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if (left := deadline - time.monotonic()) <= 0:
                raise subprocess.TimeoutExpired("a fork", timeout)
            wait([self._reports], min(left, SECONDS_BETWEEN_LOOKS))
        return status

    def kill(self) -> None:
        """Ends it at once; what is still to be forked is not."""
        with self._lock:
            if self._held_open is not None:
                os.close(self._held_open)
                self._held_open = None
            if self._listened() is None:
                number = self._heard.partition(b"\n")[0]
                if not number:  # the server finds the pipe closed
                    self.returncode = -signal.SIGKILL
                    return
                with suppress(ProcessLookupError):
                    os.kill(int(number), signal.SIGKILL)
        try:
            self.wait(SECONDS_TO_DIE)
        except subprocess.TimeoutExpired:  # the server reports nothing
            self.returncode = -signal.SIGKILL

    def close(self) -> None:
        """Kills it, and gives up what was held for it."""
        try:
            self.kill()
        finally:
            os.close(self._reports)

    def _listened(self) -> int | None:
        """The server writes the number of the process when it has forked, and then the status, a line each."""
        while self.returncode is None and wait([self._reports], 0):
            said = os.read(self._reports, 64)
            self._heard += said
            number, _, status = self._heard.partition(b"\n")
            if status.endswith(b"\n"):
                self.returncode = int(status)
            elif not said:  # neither the server nor the fork is there
                self.returncode = UNKNOWN if number else self._server.poll() or UNKNOWN
        return self.returncode


def serve_forks(requests: int, watched: int, run: Callable[[int, int], None]) -> None:
    """What the server does: a fork at each request, and its status at its end, until the parent wants no more.

    Args:
        requests: descriptor of the socket that brings the descriptors of a fork.
        watched: descriptor of the server's own pipe; a fork closes it.
        run: what a fork does, given its own two descriptors, `talks` and `watched`.
    """
    asked: socket.socket | None = (there := socket.socket(fileno=requests))
    with suppress(OSError):  # nobody asks any more
        there.send(b".")  # all is loaded
    woken, wakes = os.pipe()
    for end in (woken, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    alive: dict[int, int] = {}
    while asked or alive:
        ready = wait([woken, requests] if asked else [woken], IDLE_SECONDS)
        if asked and not ready and not alive:
            asked.shutdown(socket.SHUT_RD)  # what was asked before is still heard, and who asks later is refused
        if woken in ready:
            os.read(woken, 4096)
            _report(alive)
        if asked and requests in ready:
            given = _asked_for(asked)
            if given is None:
                asked = None
            else:
                _answer(run, given, alive, [requests, watched, woken, wakes])


def _asked_for(asked: socket.socket) -> list[int] | None:
    """The descriptors of a request; None when there will be no more."""
    try:
        word, given, _, _ = socket.recv_fds(asked, 1, 3)
    except ConnectionResetError:  # the parent has left unread that all is loaded
        return None
    return given if word else None


def _answer(run: Callable[[int, int], None], given: list[int], alive: dict[int, int], of_the_server: list[int]) -> None:
    """Forks, unless who asked has given it up; in the fork it does not return."""
    number = None
    try:
        for descriptor in given:
            os.set_inheritable(descriptor, False)
        talks, watched, reports = given  # fewer, where this process may open no more
        if not _is_closed(watched):
            number = _fork(run, talks, watched, [*of_the_server, *alive.values()])
            alive[number] = reports
            os.write(reports, b"%d\n" % number)
    except (OSError, ValueError):  # nobody listens, or the machine has no room for a process: the asker finds it gone
        pass
    finally:
        for descriptor in given if number is None else given[:2]:
            os.close(descriptor)


def _fork(run: Callable[[int, int], None], talks: int, watched: int, others: list[int]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 counts the threads of libraries, which know of forks
        number = os.fork()
    if number:
        return number
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in others:
            os.close(descriptor)
        run(talks, watched)
    except BaseException:  # noqa: BLE001 - said, as Python says it at the end of a script
        traceback.print_exc()
        _leave(1)
    finally:
        _leave(0)


def _leave(status: int) -> NoReturn:
    """Ends this process; nothing of the server runs in it."""
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _report(alive: dict[int, int]) -> None:
    """Writes the exit statuses of the forks that have ended."""
    with suppress(ChildProcessError):  # there is none
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            reports = alive.pop(ended[0], None)
            if reports is not None:
                with suppress(OSError):  # nobody listens any more
                    os.write(reports, b"%d\n" % os.waitstatus_to_exitcode(ended[1]))
                os.close(reports)


def _is_closed(watched: int) -> bool:
    """Whether the other end of a pipe is."""
    look = select.poll()
    look.register(watched, 0)
    return bool(look.poll(0))


def end_with(watched: int) -> None:
    """Has the kernel kill this process when the other end of the pipe closes, also where Python does not get to run."""
    fcntl.fcntl(watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watched, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(watched, fcntl.F_SETFL, fcntl.fcntl(watched, fcntl.F_GETFL) | os.O_ASYNC)
    if _is_closed(watched):
        os.kill(os.getpid(), signal.SIGKILL)
