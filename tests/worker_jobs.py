"""What the tests have worker processes do."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

from noiseflow.base.faults import InvalidInputError
from noiseflow.engine.halving import SeedTooLargeError


def loaded(*names):
    """Which of these modules are imported."""
    return [name for name in names if name in sys.modules]


def draw():
    """What a model of somebody's own may do in a worker."""
    import matplotlib.pyplot as plt

    return plt.figure().number


def scale():
    """What a table's columns go through in a worker."""
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform([[1.0], [3.0]])[:, 0].tolist()


def add(a, b):
    return a + b


def process_id():
    return os.getpid()


def die(number):
    os.kill(os.getpid(), number)


def read_nowhere():
    ctypes.string_at(0)


def die_once(folder, number):
    """Dies at the first call; later gives the id of its process."""
    mark = Path(folder) / "died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), number)
    return os.getpid()


def leave():
    os._exit(3)


def hang():
    time.sleep(10**6)


def hang_in_c():
    """Python runs no more in this process: no thread of it, no handler of a signal."""
    ctypes.PyDLL(None).sleep(10**6)


def note(folder, seconds):
    """Writes down when it began and ended."""
    began = time.monotonic()
    time.sleep(seconds)
    (Path(folder) / f"{os.getpid()}-{began}").write_text(f"{began} {time.monotonic()}")


def note_and_die_once(folder, seconds):
    die_once(folder, signal.SIGSEGV)
    note(folder, seconds)


def tell(progress):
    for value in range(3):
        progress(value)
    logging.getLogger("noiseflow.there").warning("as it %s", "was")
    logging.getLogger("noiseflow.there").info("nobody asked for it")
    warnings.warn("careful", stacklevel=1)
    return "told"


class OwnError(Exception):
    """An error of the user's."""


def fail(kind):
    errors = {
        "ours": InvalidInputError(["a fault", "another"]),
        "memory": SeedTooLargeError("there"),
        "python": KeyError("lost"),
        "own": OwnError("what happened"),
        "not picklable": ValueError(threading.Lock()),
        "exit": SystemExit(4),
    }
    raise errors[kind]


def give_what_cannot_be_sent():
    return lambda: None


def take_two_of(batch, study, device, progress):
    """Stands in for the training of a batch: the kernel kills it where there are more than two trials."""
    import pandas as pd

    del study, device, progress
    if len(batch.trials) > 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"trials": pd.DataFrame({"trial_id": [trial.id for trial in batch.trials]})}
