"""What is wrong with a dataset before anything is trained, and what is worth a warning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from noiseflow.datasets import arrays, table
from noiseflow.datasets.bundled import bundled_rows
from noiseflow.datasets.data import Data
from noiseflow.datasets.entry import entry_point_data
from noiseflow.datasets.generators import GENERATED
from noiseflow.datasets.rows import Rows, seed_faults, split_faults, target_faults
from noiseflow.faults import InvalidInputError
from noiseflow.scores import scores_of
from noiseflow.spec import Dataset

MAX_SEED = 2**32  # what scikit-learn and Keras take
MAX_LOOKED_AT = 20_000_000
"""Numbers that are generated to be looked at; of more, only the first data seeds are."""
SKEWED = 0.75
"""Share of the rows from which on a class is pointed out."""


def faults(dataset: Dataset, data_seeds: Sequence[int], where: str) -> list[str]:
    """Every fault of a dataset's file, entry point or content, for these data seeds, as sentences.

    Args:
        where: the dataset's place in the study, such as `datasets[0]`, which each sentence begins with.
    """
    if max(data_seeds) >= MAX_SEED:
        text = f"must leave the last data seed below {MAX_SEED:,}; received {dataset.data_seed}, the last is {max(data_seeds)}"
        return [f"{where}.data_seed {text}. Lower it."]
    check = _generated_faults
    if dataset.kind not in GENERATED:
        check = _returned_faults if dataset.kind == "entry_point" else _finite_faults
    try:
        found = check(dataset, list(data_seeds))
    except InvalidInputError as error:
        found = error.faults
    return [f"{where}.{text}" for text in found]


def _finite_faults(dataset: Dataset, data_seeds: list[int]) -> list[str]:
    rows = rows_of(dataset)
    return split_faults(rows, dataset) or seed_faults(rows, dataset, data_seeds)


def rows_of(dataset: Dataset) -> Rows:
    """All rows of a finite dataset that this package reads.

    Raises:
        InvalidInputError: the file or its content is faulty.
    """
    if dataset.kind == "table":
        return table.read(dataset).rows
    return arrays.read(dataset) if dataset.kind == "arrays" else bundled_rows(dataset.kind)


def _generated_faults(dataset: Dataset, data_seeds: list[int]) -> list[str]:
    without_fresh = dataset.model_copy(update={"n_eval": None})
    n_train = dataset.n_train or 0
    n_samples = dataset.n_samples or 0
    smallest = min(n_train, n_samples - n_train)
    affordable = max(1, MAX_LOOKED_AT // (n_samples * dataset.n_values))
    # half of the rows are of each class: that 60 of them are all of one happens once in 10^18 data seeds
    for data_seed in data_seeds[:affordable] if smallest < 60 else data_seeds[:1]:
        found = _data_faults(dataset, GENERATED[dataset.kind](without_fresh, data_seed))
        if found:
            return [f"n_train must leave {text} (data seed {data_seed})" for text in found]
    return []


def _returned_faults(dataset: Dataset, data_seeds: list[int]) -> list[str]:
    shapes: dict[tuple[object, ...], int] = {}
    for data_seed in data_seeds:
        data = entry_point_data(dataset, data_seed)
        shapes.setdefault((data.X_train.shape, data.X_test.shape, data.n_classes), data_seed)
        found = _data_faults(dataset, data)
        if found:
            return [f"entry_point must leave {text} (data seed {data_seed})" for text in found]
    if len(shapes) < 2:
        return []
    (one, seed), (other, another) = list(shapes.items())[:2]
    received = f"{one} for {seed} and {other} for {another}"
    must = "entry_point must return rows of the same number, shape and classes whatever the data seed"
    return [f"{must}; received {received}. Mend the function."]


def _data_faults(dataset: Dataset, data: Data) -> list[str]:
    labels = tuple(str(i) for i in range(data.n_classes))
    return target_faults(data.y_train, data.y_test, labels, dataset.scored_by)


def warnings(dataset: Dataset, data: Data) -> list[str]:
    """What a reader of the results should know about these rows."""
    return [*_skew(dataset, data), *(_counters(dataset) if dataset.kind == "table" else [])]


def _skew(dataset: Dataset, data: Data) -> list[str]:
    if not data.n_classes:
        return []
    y = np.concatenate([data.y_train, data.y_test]).astype(int)
    share = np.bincount(y, minlength=data.n_classes) / len(y)
    first = int(share.argmax())
    if share[first] < SKEWED:
        return []
    labels = rows_of(dataset).labels if dataset.is_finite and dataset.kind != "entry_point" else ()
    name = labels[first] if labels else str(first)
    text = f"The classes are skewed: {100 * share[first]:.0f} % of the rows are class {name!r}."
    score = dataset.scored_by
    if not score.is_share_of_rows:
        return [text]
    others = " or ".join(other.name for other in scores_of(score.task) if other.weighs_classes_alike)
    return [f"{text} {score.name.capitalize()} rewards guessing it always; consider score: {others}."]


def _counters(dataset: Dataset) -> list[str]:
    X = table.read(dataset).rows.X
    found = [str(name) for name in X.columns if is_counter(X[name])]
    if not found:
        return []
    names = ", ".join(map(repr, found))
    return [f"{names} counts the rows. Unless that means something, remove it: the order may give the target away."]


def is_counter(column: pd.Series) -> bool:
    """Whether a column of numbers goes up by 1 from row to row, as an index does."""
    is_number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    return len(column) > 2 and is_number and bool((np.diff(column.to_numpy(dtype=float, na_value=np.nan)) == 1).all())
