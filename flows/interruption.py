"""How a run ends before its time: by Ctrl-C, by SIGTERM, or by being cancelled in Prefect's UI.

All three reach the flow as an exception in its main thread, while others wait for the worker processes that train. Prefect
then waits for those threads. So the worker processes are killed, and the threads come back at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import get_run_logger
from prefect.exceptions import TerminationSignal
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from noiseflow.run import GO_ON
from noiseflow.trials.workers import end_work


@contextmanager
def stoppable(runner: TaskRunner[Any]) -> Iterator[None]:
    """Within it, batches in training are dropped as soon as the flow is interrupted, or fails.

    Args:
        runner: what they were submitted to.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | TerminationSignal):
            get_run_logger().warning("interrupted: the batches in training are dropped. %s", GO_ON)
        end_work()
        if isinstance(runner, ThreadPoolTaskRunner):  # a cluster drops its tasks when it is left
            runner.cancel_all()  # those that wait
        raise
