"""The task that generates a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from prefect import task

from noiseflow.datasets import generate, to_frame
from noiseflow.plan import dataset_key
from noiseflow.spec import Dataset
from noiseflow.store import Store


@task(task_run_name="data {dataset.name}", retries=2, retry_delay_seconds=5, timeout_seconds=600)
def generate_dataset(dataset: Dataset, data_seeds: Sequence[int], store: Store, footer: dict[str, str]) -> str:
    """Generates the rows of each data seed and writes them to the store; the key that they lie under."""
    key = dataset_key(dataset, data_seeds)
    frames = (to_frame(dataset, data_seed, generate(dataset, data_seed)) for data_seed in data_seeds)
    store.write_dataset(key, pd.concat(frames, ignore_index=True), footer)
    return key
