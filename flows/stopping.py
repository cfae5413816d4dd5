"""How a run ends before its time: by Ctrl-C, by SIGTERM, or by being cancelled in Prefect's UI.

All three reach the flow as an exception in its main thread, while batches train in others. Prefect then waits for those,
which may take hours. Here they are left behind at once; one that begins at that moment ends at the first look at its
progress, and what is still there after a grace goes with its process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from prefect import get_run_logger, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Crashed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from noiseflow.plan import Batch
from noiseflow.engine.deadline import give_up_all
from noiseflow.engine.problem import Progress
from tasks.progress import watched_by

GO_ON = "Run it again: what was trained is kept."
SECONDS_TO_STOP = 15.0  # with those below less than 30, after which Prefect's worker kills a cancelled run
SECONDS_TO_TELL = 8.0
EXIT_STATUS = 1
_watches: list[subprocess.Popen[bytes]] = []


@contextmanager
def stoppable(runner: TaskRunner[Any], seconds: float = SECONDS_TO_STOP) -> Iterator[None]:
    """Within it, batches in training are dropped soon after the flow is interrupted.

    Args:
        runner: what they were submitted to.
        seconds: after which the process ends, if they have not.
    """
    stopping = threading.Event()

    def look(_batch: Batch, _progress: Progress) -> None:
        if stopping.is_set():
            raise TerminationSignal(signal.SIGTERM)  # of all exceptions Prefect does not retry a task after this one

    with watched_by(look):
        try:
            yield
        except (KeyboardInterrupt, TerminationSignal):
            stopping.set()
            get_run_logger().warning("interrupted: the batches in training are dropped. %s", GO_ON)
            with _deadline(seconds, _leave(UUID(runtime.flow_run.id))):
                give_up_all()
                if isinstance(runner, ThreadPoolTaskRunner):  # a cluster drops its tasks when it is left
                    runner.cancel_all()  # those that wait; waits for what began meanwhile
            raise
        except BaseException:
            give_up_all()
            raise


@contextmanager
def _deadline(seconds: float, late: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _leave(flow_run_id: UUID) -> Callable[[], None]:
    """Ends this process at once, with what it has started, after it has said so."""

    def leave() -> None:
        teller = threading.Thread(target=_say_so, args=(flow_run_id,), daemon=True)
        teller.start()
        teller.join(SECONDS_TO_TELL)  # a busy server is not waited for
        sys.stderr.write(f"noiseflow: stopped. {GO_ON}\n")
        sys.stderr.flush()
        try:
            _end_temporary_server()
        finally:
            os._exit(EXIT_STATUS)

    return leave


def _say_so(flow_run_id: UUID) -> None:
    """Sets the last state of a run that did not end in time."""
    with suppress(Exception), get_client(sync_client=True) as client:
        now = client.read_flow_run(flow_run_id).state
        last = Cancelled if now is not None and now.is_cancelling() else Crashed
        state: State[Any] = last(message=f"Interrupted; a batch could not be told, and ended with its process. {GO_ON}")
        client.set_flow_run_state(flow_run_id, state, force=True)


def _end_temporary_server() -> None:
    if not PREFECT_API_URL.value():
        from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - is loaded where there is one

        SubprocessASGIServer().stop()  # the one of this process


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within it, SIGTERM is what Ctrl-C is: without this, Python ends at once and leaves Prefect's temporary server behind."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def start_temporary_server() -> None:
    """Starts the server that Prefect runs beside a flow where no other is named, deaf to Ctrl-C.

    A terminal sends Ctrl-C to all processes of the command. The server would end before the run's last state is told to it,
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
