"""How long a plan will take and how much memory, roughly, before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, nan

import pandas as pd

from noiseflow.architectures import architecture_kind
from noiseflow.datasets import Data, generate
from noiseflow.datasets.rows import INNER_FRACTION
from noiseflow.statistics.pairs import CELL
from noiseflow.trials.plan import Cell, Plan, Trial

NUMBERS_A_SECOND = 0.55e9  # of noise
SECONDS_A_STEP = 2e-6  # of one seed, however small the model
SECONDS_TO_COMPILE = 5.0  # a form of cell; strengths share one
BYTES_OF_PROCESS = 1.2e9  # Python, TensorFlow and Prefect


@dataclass(frozen=True)
class Forecast:
    """Seconds to train the trials, and bytes of memory at the peak; NaN where a model's size is not known."""

    seconds: float
    memory: float


def forecast(plan: Plan, missing: Sequence[Trial], done: pd.DataFrame | None = None) -> Forecast:
    """What the missing trials will take on two cores, within a factor of three or so.

    Args:
        done: trials of the plan that are stored, with names and train_seconds: a cell that has some is not guessed.
    """
    measured = {} if done is None else done.groupby(CELL)["train_seconds"].median().to_dict()
    data = {dataset.name: generate(dataset, dataset.data_seed) for dataset in plan.study.datasets}
    seconds = 0.0
    counts = Counter(id(trial.cell) for trial in missing)
    for cell, n in [(cell, counts[id(cell)]) for cell in plan.cells if id(cell) in counts]:
        each = measured.get(tuple(cell.names[name] for name in CELL))
        seconds += n * (_seconds(cell, data[cell.dataset.name]) if each is None else each)
    forms = {(t.cell.dataset.name, t.cell.architecture.name, t.cell.family) for t in missing}
    n_data_seeds = max(len(seeds) for dataset in plan.study.datasets for seeds in plan.data_seeds(dataset))
    rows = sum(_bytes(part) for part in data.values()) * n_data_seeds
    return Forecast(seconds + SECONDS_TO_COMPILE * len(forms), BYTES_OF_PROCESS + 3 * rows)


def _seconds(cell: Cell, data: Data) -> float:
    """Seconds of one trial: three passes over the training rows an epoch, one over all where it is recorded."""
    kind = architecture_kind(cell.architecture.kind)
    cost = kind.cost(cell.architecture, data.X_train.shape[1:], max(1, data.n_classes))
    if cost is None:
        return nan
    multiply_adds, numbers = cost
    training = cell.training
    n_train, n_all = len(data.X_train), len(data.X_train) + len(data.X_test)
    rows = 3 * n_train * training.epochs + n_all * training.epochs / training.record_every
    rows += 0 if data.X_eval is None else len(data.X_eval)
    noisy = bool(cell.variant.injections)
    n_fits = 1 + cell.inner * (1 - INNER_FRACTION)
    return n_fits * (
        rows * multiply_adds / kind.multiply_adds_a_second
        + noisy * n_train * training.epochs * numbers / NUMBERS_A_SECOND
        + ceil(n_train / training.batch_size) * training.epochs * SECONDS_A_STEP
    )


def _bytes(data: Data) -> int:
    return sum(part.nbytes for pair in data.parts.values() for part in pair)
