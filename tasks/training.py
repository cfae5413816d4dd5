"""The task that trains a batch of trials."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from noiseflow.engine.halving import SeedTooLargeError
from noiseflow.plan import Batch
from noiseflow.spec import Resources
from noiseflow.store import Store
from noiseflow.trials.batches import Tables, train_in_worker
from noiseflow.trials.workers import InterruptedWorkError, WorkerDiedError, WorkTimeoutError
from tasks.progress import tell

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
        persist_result=False,  # results are in the store; Prefect would pickle them
        cache_policy=NO_CACHE,
        result_serializer="json",
    )


@training_task("train {batch.label}")
def train_batch(
    batch: Batch, store: Store, footer: dict[str, str], study: str, device: str, resources: Resources
) -> int:
    """Trains the batch and publishes its rows; the number of trials that were new to the store."""
    published = store.publish(_trained(batch, study, device, resources), footer)
    get_run_logger().info("%s: %d trials trained, %d new to the store", batch.label, len(batch.trials), published)
    return published


@training_task("replay {batch.label}")
def replay_batch(
    batch: Batch,
    store: Store,
    footer: dict[str, str],
    study: str,
    device: str,
    resources: Resources,
    campaign: str | None,
) -> int:
    """Trains trials again that are stored, for a campaign that looks whether they come out the same; how many."""
    trials = _trained(batch, study, device, resources)["trials"]
    return store.publish_replays(trials.assign(campaign=campaign), footer)


def _trained(batch: Batch, study: str, device: str, resources: Resources) -> Tables:
    return train_in_worker(
        batch,
        study=study,
        device=device,
        timeout_seconds=resources.timeout_seconds,
        progress=partial(tell, batch),
    )
