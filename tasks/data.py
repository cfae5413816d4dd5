"""The task that generates a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from noiseflow.datasets import generate, to_frame
from noiseflow.plan import dataset_key
from noiseflow.spec import Dataset, Resources
from noiseflow.store import Store
from noiseflow.trials.workers import in_worker
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
def generate_dataset(
    dataset: Dataset, data_seeds: Sequence[int], store: Store, footer: dict[str, str], resources: Resources
) -> str:
    """Generates the rows of each data seed and writes them to the store; the key that they lie under."""
    what, seconds = f"generated {dataset.name}", resources.timeout_seconds
    return in_worker(_write, dataset, tuple(data_seeds), store, footer, what=what, timeout_seconds=seconds)


def _write(dataset: Dataset, data_seeds: Sequence[int], store: Store, footer: dict[str, str]) -> str:
    key = dataset_key(dataset, data_seeds)
    frames = (to_frame(dataset, data_seed, generate(dataset, data_seed)) for data_seed in data_seeds)
    store.write_dataset(key, pd.concat(frames, ignore_index=True), footer)
    return key
