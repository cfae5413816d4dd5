"""How an interrupted flow tells its batches to end; real processes are in tests/slow/test_operations_stop.py."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelling, Running
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stopping
from flows.stopping import sigterm_interrupts


def test_sigterm_interrupts_as_ctrl_c_does_and_only_within():
    before = signal.getsignal(signal.SIGTERM)

    def work():
        with sigterm_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGTERM) is before


def test_deadline_acts_only_on_what_is_late():
    late = threading.Event()
    with stopping._deadline(30, late.set):
        pass
    with stopping._deadline(0.01, late.set):
        assert late.wait(10)
    late.clear()
    with stopping._deadline(0.05, late.set):
        pass
    assert not late.wait(0.2)


class Logger:
    """Keeps the warnings of a run."""

    def __init__(self):
        self.lines = []

    def warning(self, line, *words):
        self.lines.append(line % words)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), TerminationSignal(signal.SIGTERM)])
def test_interrupted_flow_ends_the_batches_that_train(interruption, monkeypatch):
    """The batch goes on until it is told to end, and it is told while the flow waits for it."""
    logger, ended = Logger(), []
    monkeypatch.setattr(stopping, "get_run_logger", lambda: logger)
    monkeypatch.setattr("prefect.runtime.flow_run.id", "00000000-0000-0000-0000-000000000001", raising=False)

    def train():
        try:
            while True:
                stopping_tell()
                time.sleep(0.01)
        except TerminationSignal as told:
            ended.append(type(told))

    batch = threading.Thread(target=train)
    runner = ThreadPoolTaskRunner(max_workers=1)
    monkeypatch.setattr(runner, "cancel_all", lambda: batch.join(10))

    def flow():
        with stopping.stoppable(runner):
            batch.start()
            time.sleep(0.1)
            assert batch.is_alive()
            raise interruption

    with pytest.raises(type(interruption)):
        flow()
    assert ended == [TerminationSignal]
    assert logger.lines == ["interrupted: the batches in training are dropped. Run it again: what was trained is kept."]


def stopping_tell():
    from tasks.progress import tell

    tell(None, None)


def test_batches_of_a_flow_that_is_not_interrupted_are_left_alone():
    with stopping.stoppable(ThreadPoolTaskRunner(max_workers=1)):
        stopping_tell()
    stopping_tell()


@pytest.mark.parametrize(("now", "last"), [(Running(), "CRASHED"), (Cancelling(), "CANCELLED"), (None, "CRASHED")])
def test_late_run_is_cancelled_only_if_it_was_to_be(now, last, monkeypatch):
    class Client:
        state = now

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read_flow_run(self, _run):
            return self

        def set_flow_run_state(self, _run, state, *, force):
            said.append((state.type, force))

    said = []
    monkeypatch.setattr(stopping, "get_client", lambda **_: Client())
    stopping._say_so("a run")
    assert said == [(last, True)]
