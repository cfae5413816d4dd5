"""The faults of a study's data that its declaration does not show; found without a network, and so without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from noiseflow import datasets
from noiseflow.datasets import Data, dataset_kind
from noiseflow.study import Study

Made = TypeVar("Made")


def datasets_of(study: Study, seeds: Sequence[int] | None = None) -> tuple[dict[str, Data], list[str]]:
    """The data of each sound dataset, by its name, for the first data seed; and the faults of the others."""
    data, found = {}, []
    for i, dataset in enumerate(study.datasets):
        where, data_seeds = f"datasets[{i}]", study.data_seeds(dataset, seeds)
        faults = datasets.faults(dataset, data_seeds, where)
        if not faults:
            made = attempt(datasets.generate, dataset, data_seeds[0])
            if isinstance(made, Exception):
                faults = [f"{where} must be data that can be generated; received {described(made)} ({dataset.name!r})."]
            else:
                data[dataset.name] = made
        found += faults
    return data, found


def row_faults(study: Study, data: Mapping[str, Data]) -> list[str]:
    """Files of fewer training rows than a step takes: the batch size is hardly meant."""
    at = {dataset.name: i for i, dataset in enumerate(study.datasets)}
    found = []
    for dataset, network, _, _ in study.parts():
        if dataset.name not in data or not dataset_kind(dataset.kind).is_users_file:
            continue
        n_rows, batch_size = len(data[dataset.name].y_train), study.training_of(dataset, network).batch_size
        if n_rows < batch_size:
            received = f"received {n_rows} (dataset {dataset.name!r})"
            must = f"datasets[{at[dataset.name]}] must have at least as many training rows as batch_size, {batch_size}"
            found.append(f"{must}; {received}. Lower training.batch_size, or bring more rows.")
    return list(dict.fromkeys(found))


def attempt(make: Callable[..., Made], *arguments: Any) -> Made | Exception:
    """What the function gives for the arguments, or the exception that it raises: code of the user's may raise any."""
    try:
        return make(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a fault of the study
        return error


def described(error: Exception) -> str:
    """An exception in one line: its kind and its message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
