"""The task that trains a batch of trials."""

from __future__ import annotations

from functools import partial

from prefect import get_run_logger, task

from noiseflow.plan import Batch
from noiseflow.store import Store
from noiseflow.training.trials import train_trials
from tasks.progress import tell

TIMEOUT_SECONDS = 4 * 3600


@task(task_run_name="train {batch.label}", retries=2, retry_delay_seconds=10, timeout_seconds=TIMEOUT_SECONDS)
def train_batch(batch: Batch, store: Store, footer: dict[str, str], study: str, device: str) -> int:
    """Trains the batch and publishes its rows; the number of trials that were new to the store."""
    records = train_trials(batch, study=study, device=device, progress=partial(tell, batch))
    published = store.publish(vars(records), footer)
    get_run_logger().info("%s: %d trials trained, %d new to the store", batch.label, len(batch.trials), published)
    return published


@task(task_run_name="replay {batch.label}", retries=2, retry_delay_seconds=10, timeout_seconds=TIMEOUT_SECONDS)
def replay_batch(
    batch: Batch, store: Store, footer: dict[str, str], study: str, device: str, campaign: str | None
) -> int:
    """Trains trials again that are stored, for a campaign that looks whether they come out the same; how many."""
    records = train_trials(batch, study=study, device=device, progress=partial(tell, batch))
    return store.publish_replays(records.trials.assign(campaign=campaign), footer)
