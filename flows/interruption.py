"""How a run ends before its time: by Ctrl-C, by SIGTERM, or by being cancelled in Prefect's UI.

All three reach the flow as an exception in its main thread, while others wait for the worker processes that train. Prefect
then waits for those threads. So the worker processes are killed, and the threads come back at once.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from noiseflow.run import GO_ON
from noiseflow.trials.workers import end_work

_watches: list[subprocess.Popen[bytes]] = []


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


def start_temporary_server() -> None:
    """Starts the server that Prefect runs beside a flow where no other is named, deaf to Ctrl-C.

    A terminal sends Ctrl-C to all processes of the command. The server would end before it hears of the run's last state,
    and the run would stay Running for ever.
    """
    if PREFECT_API_URL.value():
        return
    failed: list[BaseException] = []

    def start() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # of this thread, and of what it starts
        try:
            get_client(sync_client=True)
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - is loaded now

    server = SubprocessASGIServer().server_process  # the one of this process
    if server is not None:
        _end_with_us(server.pid)


def _end_with_us(pid: int) -> None:
    """Has a process end when this one is gone, killed or not: a shell waits for the end of a pipe that only we hold open."""
    command = ["/bin/sh", "-c", 'cat; kill -TERM "$0" 2>/dev/null', str(pid)]
    nothing = subprocess.DEVNULL
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, start_new_session=True)  # noqa: S603
    _watches.append(watch)  # or Python would close the pipe
