"""The task that generates a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from noiseflow.run import Context, store_rows
from noiseflow.study import Dataset
from tasks.training import worth_retrying


@task(
    task_run_name="data {dataset.name}",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=worth_retrying,
    persist_result=False,
    cache_policy=NO_CACHE,
    result_serializer="json",
)
def generate_dataset(dataset: Dataset, data_seeds: Sequence[int], context: Context) -> str:
    """Generates the rows of each data seed and writes them to the store; the key that they lie under."""
    return store_rows(dataset, data_seeds, context)
