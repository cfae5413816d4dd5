"""The task that trains a batch of trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from noiseflow import run
from noiseflow.engine.halving import SeedTooLargeError
from noiseflow.run import Context
from noiseflow.trials.plan import Batch
from noiseflow.trials.workers import InterruptedWorkError, WorkerDiedError, WorkTimeoutError
from tasks import KEEPS_NOTHING
from tasks.listeners import notify
from tasks.run_logs import send_logs_to_prefect

P = ParamSpec("P")
R = TypeVar("R")
FINAL = (WorkTimeoutError, InterruptedWorkError, WorkerDiedError, SeedTooLargeError)
"""What would only happen again."""


def worth_retrying(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a batch that failed may succeed at the next attempt."""
    del task, task_run
    return not isinstance(state.data, FINAL)


def training_task(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """What makes a task of a function that trains a batch."""
    return task(
        task_run_name=name,
        retries=2,
        retry_delay_seconds=10,
        retry_condition_fn=worth_retrying,
        **KEEPS_NOTHING,
    )


@training_task("train {batch.label}")
def train_batch(batch: Batch, context: Context) -> int:
    """Trains the batch and publishes its rows; the number of trials that were new to the store."""
    send_logs_to_prefect()  # on Ray this is another process than the flow's
    return run.train(batch, context, notify)


@training_task("replay {batch.label}")
def replay_batch(batch: Batch, context: Context, campaign: str | None) -> int:
    """Trains trials again that are stored, for a campaign that looks whether they come out the same; how many."""
    send_logs_to_prefect()
    return run.replay(batch, context, campaign, notify)
