"""How an interrupted run tells its batches to end; real processes are in tests/slow/test_operations_stop.py."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from prefect.exceptions import TerminationSignal
from prefect.task_runners import ThreadPoolTaskRunner

from flows import interruption
from noiseflow import run
from noiseflow.terminal import sigterm_interrupts
from noiseflow.trials import workers


def test_sigterm_interrupts_as_ctrl_c_does_and_only_within():
    before = signal.getsignal(signal.SIGTERM)

    def work():
        with sigterm_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGTERM) is before


class Logger:
    """Keeps the warnings of a run."""

    def __init__(self):
        self.lines = []

    def warning(self, line, *words):
        self.lines.append(line % words)


def hang():
    time.sleep(10**6)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TerminationSignal(signal.SIGTERM)])
def test_interrupted_flow_ends_the_batches_that_train(error, monkeypatch):
    """The batch would go on for ever; the runner waits for the thread that waits for it."""
    logger, ended = Logger(), []
    monkeypatch.setattr(interruption, "get_run_logger", lambda: logger)
    monkeypatch.setattr(workers, "LOADED_FIRST", ())

    def wait_for_it():
        try:
            workers.in_worker(hang, what="trained long", timeout_seconds=600)
        except workers.InterruptedWorkError as dropped:
            ended.append(str(dropped))

    batch = threading.Thread(target=wait_for_it)
    runner = ThreadPoolTaskRunner(max_workers=1)
    monkeypatch.setattr(runner, "cancel_all", lambda: batch.join(10))

    def flow():
        with workers.worker_processes(1), interruption.stoppable(runner):
            batch.start()
            time.sleep(0.5)
            raise error

    with pytest.raises(type(error)):
        flow()
    assert ended == ["the work that trained long was dropped, because the run ends"]
    assert logger.lines == ["interrupted: the batches in training are dropped. Run it again: what was trained is kept."]


def test_interrupted_run_without_prefect_ends_the_batches_that_train_and_those_that_wait(monkeypatch):
    ended = []

    def train(*_):
        try:
            workers.in_worker(hang, what="trained long", timeout_seconds=600)
        except workers.InterruptedWorkError as error:
            ended.append(str(error))

    def interrupted(_):
        time.sleep(0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "LOADED_FIRST", ())
    monkeypatch.setattr(run, "train", train)
    monkeypatch.setattr(run, "wait", interrupted)
    batches = [SimpleNamespace(trials=range(2))] * 5
    job = SimpleNamespace(batches=batches, replays=(), context=None, plan=SimpleNamespace(campaign=None))
    with workers.worker_processes(1), pytest.raises(KeyboardInterrupt):
        run.train_all(job)
    assert ended == ["the work that trained long was dropped, because the run ends"] * 2  # the other three never began


def test_flow_that_is_not_interrupted_keeps_its_workers():
    with workers.worker_processes(1) as pool:
        with interruption.stoppable(ThreadPoolTaskRunner(max_workers=1)):
            pass
        assert not pool.ended
