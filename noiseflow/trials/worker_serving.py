"""What runs in a worker's process: one job after another; logs, warnings and errors go to the parent."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from threading import Lock, Thread, current_thread
from typing import Any

from noiseflow.trials.fork_server import FORKS_WORKERS, end_with, serve_forks
from noiseflow.trials.silence import silenced

LOADED_FIRST = ("noiseflow.trials.training",)
"""What is imported for workers while their parent prepares the first job: TensorFlow takes seconds."""
KERAS_DOES_WITHOUT = ("matplotlib", "sklearn", "IPython")
"""What Keras imports where it is installed, for galleries of pictures, wrappers and notebooks: a fifth of the time."""


def load(names: tuple[str, ...]) -> None:
    """Imports these modules.

    They hold no garbage, and all of it stays. So the garbage collector skips it now and later: that saves a
    seventh of the time here, and a tenth of the time of the first fits.
    """
    with silenced(), _absent(KERAS_DOES_WITHOUT) if names == LOADED_FIRST else nullcontext():
        gc.disable()
        try:
            for name in names:
                import_module(name)
        finally:
            gc.freeze()
            gc.enable()


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
def _absent(packages: tuple[str, ...]) -> Iterator[None]:
    """Within it, those that were not imported before cannot be.

    What Keras does with them says, in this process, that they are not installed; all else imports them afterwards.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None, which Python takes as: there is none
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _end_with_parent(watched: int) -> None:
    """Has this process killed when the other end of the pipe is closed; on Linux also where Python does not get to run."""
    if FORKS_WORKERS:
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
    warnings.showwarning = show  # type: ignore[assignment] # its arguments come by position


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
