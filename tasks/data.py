"""The task that generates a dataset."""

from __future__ import annotations

from prefect import task

from noiseflow.datasets import generate, to_frame
from noiseflow.plan import dataset_key
from noiseflow.spec import Dataset
from noiseflow.store import Store


@task(task_run_name="data {dataset.name} {data_seed}", retries=2, retry_delay_seconds=5, timeout_seconds=600)
def generate_dataset(dataset: Dataset, data_seed: int, store: Store, footer: dict[str, str]) -> str:
    """Generates the rows and writes them to the store; the key that they lie under."""
    key = dataset_key(dataset, data_seed)
    store.write_dataset(key, to_frame(dataset, data_seed, generate(dataset, data_seed)), footer)
    return key
