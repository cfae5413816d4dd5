"""A process that has imported what worker processes need and does nothing else: each worker is a fork of it.

TensorFlow takes seconds to import, and forks share what it then holds in memory. Forks are safe here because the server has
run no TensorFlow operation and has started no thread of Python. (multiprocessing's own fork server would run the user's
script once more, with the environment of its first start.)

Linux only: where the parent's end of a pipe closes, the kernel kills its reader, which is how a fork is killed.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait

IDLE_SECONDS = 600.0
"""After so long without a fork the server ends, for it holds some 0.3 GB."""


class ForkServer:
    """The server, as its parent sees it.

    Args:
        code: what it runs, in Python. It calls `serve_forks`, which takes the two numbers of `sys.argv[1:]`.
    """

    def __init__(self, code: str) -> None:
        self._born_with = _surroundings(code)
        self._requests, theirs = socket.socketpair()
        watched, self._held_open = os.pipe()
        given = (theirs.fileno(), watched)
        command = [sys.executable, "-c", code, *map(str, given)]
        try:
            self._process = subprocess.Popen(command, pass_fds=given, stdin=subprocess.DEVNULL)  # noqa: S603 - ours
        finally:
            theirs.close()
            os.close(watched)

    def suits(self, code: str) -> bool:
        """Whether it runs, was made with this code, and its forks would have today's environment."""
        return self.runs() and self._born_with == _surroundings(code)

    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def fork(self, talks: int, watched: int, held_open: int) -> Fork:
        """A new process, which begins as soon as the server has loaded its modules.

        Args:
            talks: descriptor of the socket that it talks through.
            watched: descriptor of the pipe; the process is killed when its other end closes.
            held_open: that other end.
        """
        told, tells = os.pipe()
        try:
            with suppress(OSError):  # the server is gone: so is the fork, as `Fork.poll` finds
                socket.send_fds(self._requests, [b"."], [talks, watched, tells])
        finally:
            os.close(tells)
        return Fork(told, held_open, self._process)

    def retire(self) -> None:
        """Has the server end after the last of its forks."""
        self._requests.close()

    def end(self) -> None:
        """Kills the server; how its forks end is not known then."""
        self._requests.close()
        os.close(self._held_open)
        self._process.wait()


def _surroundings(code: str) -> tuple[str, dict[str, str]]:
    environment = dict(os.environ)
    environment.pop("PYTEST_CURRENT_TEST", None)  # it changes with every test
    return code, environment


class Fork:
    """A process that the server has forked or will fork, with what `subprocess.Popen` has to look after it."""

    def __init__(self, told: int, held_open: int, server: subprocess.Popen[bytes]) -> None:
        self._told = told
        self._held_open: int | None = held_open
        self._server = server
        self._heard = b""
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended, as in `subprocess.Popen.returncode`; None while it runs or is still to be forked."""
        return self._listen(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, once it has.

        Raises:
            subprocess.TimeoutExpired: it runs on, after so many seconds.
        """
        if (status := self._listen(timeout)) is None:
            raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
        return status

    def kill(self) -> None:
        """Ends it at once; what is still to be forked ends as soon as it begins."""
        if self._held_open is not None:
            os.close(self._held_open)
            self._held_open = None
        self.poll()
        if self._heard:
            self.wait()

    def close(self) -> None:
        """Kills it, and gives up what was held for it."""
        self.kill()
        os.close(self._told)

    def _listen(self, seconds: float | None) -> int | None:
        """The server says `.` when it has forked, and then the status; when both it and the fork are gone, the pipe ends."""
        while self.returncode is None and wait([self._told], seconds):
            if said := os.read(self._told, 64):
                self._heard += said
            if not said or said.endswith(b"\n"):
                status = self._heard.strip(b".\n")
                self.returncode = int(status) if status else self._server.wait() or 1
        return self.returncode


def serve_forks(requests: int, watched: int, run: Callable[[int, int], None]) -> None:
    """What the server does: a fork at each request, and its status at its end, until the parent is gone.

    Args:
        requests: descriptor of the socket that brings the descriptors of a fork.
        watched: descriptor of the pipe that the parent holds open.
        run: what a fork does, given its own two descriptors, `talks` and `watched`.
    """
    end_with(watched)
    asked: socket.socket | None = socket.socket(fileno=requests)
    woken, wakes = os.pipe()
    for end in (woken, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    alive: dict[int, int] = {}
    while asked or alive:
        ready, _, _ = select.select([woken, requests] if asked else [woken], [], [], IDLE_SECONDS)
        if not ready and not alive:
            return
        if woken in ready:
            os.read(woken, 4096)
            _report(alive)
        if asked and requests in ready:
            _, given, _, _ = socket.recv_fds(asked, 1, 3)
            if given:
                _fork(run, given, alive, [requests, woken, wakes, watched])
            else:
                asked = None


def _fork(run: Callable[[int, int], None], given: list[int], alive: dict[int, int], of_the_server: list[int]) -> None:
    """Forks; in the fork it does not return."""
    for descriptor in given:
        os.set_inheritable(descriptor, False)
    talks, watched, tells = given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 counts the threads of libraries, which know of forks
        number = os.fork()
    if not number:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (*of_the_server, *alive.values()):
            os.close(descriptor)
        _end_after(run, talks, watched)
    os.write(tells, b".")
    alive[number] = tells
    os.close(talks)
    os.close(watched)


def _report(alive: dict[int, int]) -> None:
    """Tells of the forks that have ended."""
    while alive:
        number, status = os.waitpid(-1, os.WNOHANG)
        if not number:
            return
        tells = alive.pop(number)
        with suppress(OSError):  # nobody listens any more
            os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(tells)


def _end_after(run: Callable[[int, int], None], talks: int, watched: int) -> None:
    """Ends this process when the function does; nothing of the server runs in it."""
    status = 1
    try:
        run(talks, watched)
        status = 0
    except BaseException:  # noqa: BLE001 - said, as Python says it at the end of a script
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def end_with(watched: int) -> None:
    """Has the kernel kill this process when the other end of the pipe closes, also where Python does not get to run."""
    fcntl.fcntl(watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watched, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(watched, fcntl.F_SETFL, fcntl.fcntl(watched, fcntl.F_GETFL) | os.O_ASYNC)
