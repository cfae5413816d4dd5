"""Rows that are made: as many as wanted, and fresh ones for each data seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseflow.base.values import Fields, setting
from noiseflow.datasets.data import Array, Data, grid_of, standardized
from noiseflow.datasets.kind import N_TRAIN, DatasetKind
from noiseflow.datasets.rows import target_faults

if TYPE_CHECKING:
    from noiseflow.study import Dataset

Rows = tuple[Array, Array]
MAX_VALUES = 100_000_000
"""Most numbers that a generator makes at once, 0.8 GB."""
MAX_LOOKED_AT = 20_000_000
"""Numbers that are generated to be looked at; of more, only the first data seeds are."""
FRESH: dict[str, Any] = {"n_eval": None}
NOISE: Fields = {"noise": setting(float, "Standard deviation of the noise of the coordinates", 0.1, ge=0, le=100)}


class Generated(DatasetKind):
    """A generator: it gives `rows`, from a state of scikit-learn's or a generator of numpy's."""

    fields: Fields = {
        "n_samples": setting(int, "Rows generated in all", 100, ge=4, le=1_000_000),
        **N_TRAIN,
        "n_eval": setting(int, "Fresh rows that are scored, if any", 10_000, ge=100, le=10_000_000),
    }
    takes_generator: bool = False
    """Whether `rows` takes numpy's Generator; else a seed, or a RandomState for fresh rows."""

    def rows(self, dataset: Dataset, n: int, state: Any) -> Rows:
        """X and y of n rows: class indices, or values."""
        raise NotImplementedError

    def n_values(self, dataset: Dataset) -> int:
        """Numbers in each row."""
        return 2

    def rules(self, dataset: Dataset) -> Iterator[tuple[str, str]]:
        """Rows are left to test, and all fit into memory."""
        n_values = self.n_values(dataset)
        if dataset.n_train > dataset.n_samples - 2:
            yield "rows", f"n_train must leave 2 rows for the test: at most {dataset.n_samples - 2}"
        if max(dataset.n_samples, dataset.n_eval or 0) * n_values > MAX_VALUES:
            yield "rows", f"must make at most {MAX_VALUES:,} numbers, {n_values:,} for each row"

    def data(self, dataset: Dataset, data_seed: int) -> Data:
        """Rows to train and to test, and fresh ones where they are wanted."""
        first, fresh = self._states(data_seed)
        X, y = self.rows(dataset, dataset.n_samples, first)
        n = dataset.n_train
        parts = [(X[:n], y[:n]), (X[n:], y[n:])]
        if dataset.n_eval:
            parts.append(self.rows(dataset, dataset.n_eval, fresh))
        n_classes = 0 if self.task == "regression" else max(2, 1 + int(y.max()))
        if dataset.standardize:
            return Data(**standardized(n_classes, *parts), n_classes=n_classes)
        names = ("train", "test", "eval")
        fields: dict[str, Any] = {
            f"{axis}_{name}": part[i] for name, part in zip(names, parts, strict=False) for i, axis in enumerate("Xy")
        }
        return Data(**fields, n_classes=n_classes, grid=grid_of(n_classes, X))

    def _states(self, data_seed: int) -> tuple[Any, Any]:
        """What the rows are drawn with, and what the fresh ones are.

        The stream of fresh rows is seeded with a child of the data seed's sequence, not with a whole number: no data seed,
        this one or another, makes its training and test rows from it, and those are the same whether fresh rows are drawn
        or not.
        """
        sequence = np.random.SeedSequence(data_seed, spawn_key=(1,))
        if self.takes_generator:
            return np.random.default_rng(data_seed), np.random.default_rng(sequence)
        return data_seed, np.random.RandomState(np.random.MT19937(sequence))

    def faults(self, dataset: Dataset, data_seeds: Sequence[int]) -> list[str]:
        """Training or test rows of one class only."""
        without_fresh = dataset.model_copy(update={"n_eval": None})
        smallest = min(dataset.n_train, dataset.n_samples - dataset.n_train)
        affordable = max(1, MAX_LOOKED_AT // (dataset.n_samples * self.n_values(dataset)))
        # half of the rows are of each class: that 60 of them are all of one happens once in 10^18 data seeds
        for data_seed in data_seeds[:affordable] if smallest < 60 else data_seeds[:1]:
            data = self.data(without_fresh, data_seed)
            labels = tuple(str(i) for i in range(data.n_classes))
            found = target_faults(data.y_train, data.y_test, labels, dataset.scored_by)
            if found:
                return [f"n_train must leave {text} (data seed {data_seed})" for text in found]
        return []
