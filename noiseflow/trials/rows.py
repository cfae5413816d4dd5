"""The rows of a batch's trials, as the engine takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from noiseflow.datasets import Data, dataset_kind, generate
from noiseflow.engine.noise_at_test import noised
from noiseflow.engine.problem import Array
from noiseflow.noise.injection import Injection
from noiseflow.trials.plan import Batch

Part = tuple[Array, Array]
TEST_NOISE_STREAM = 0x74657374
"""Distinguishes the random numbers of noise at test time from all others of a seed."""
COPIES = 10
"""Draws that a score is the mean of, where noise acts at test too."""


@dataclass(frozen=True)
class BatchRows:
    """What the trials of a batch train on and are measured on.

    Attributes:
        data: of each trial.
        per_trial: whether they differ, so that arrays have a trial axis in front.
        data_seeds: of each trial.
        at_test: injections that act at test time too.
        masked: whether rows are sequences with padded steps.
    """

    data: tuple[Data, ...]
    per_trial: bool
    data_seeds: tuple[int, ...] = ()
    at_test: tuple[Injection, ...] = ()
    masked: bool = False

    @classmethod
    def of(cls, batch: Batch) -> BatchRows:
        """The rows of a batch, each data seed's generated once."""
        seeds = tuple(trial.data_seed for trial in batch.trials)
        made = {seed: generate(batch.cell.dataset, seed) for seed in dict.fromkeys(seeds)}
        at_test = tuple(injection for injection in batch.cell.injections if "test" in injection.at)
        return cls(tuple(made[seed] for seed in seeds), len(made) > 1, seeds, at_test, batch.cell.dataset.is_masked)

    @property
    def first(self) -> Data:
        """The rows of the first trial; all trials have equal numbers and kinds of rows."""
        return self.data[0]

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Train and test: X and y each, (n_rows, ...) or with a trial axis in front."""
        return {name: self._stacked(*[d.parts[name] for d in self.data]) for name in self.first.parts}

    @cached_property
    def measured(self) -> dict[str, Part]:
        """What is measured: the parts; where noise acts at test too, COPIES of their rows, each with its own draws."""
        if not self.at_test:
            return self.parts
        return {name: self.made(partial(self._copies, name)) for name in self.first.parts}

    @cached_property
    def fresh(self) -> Part | None:
        """The fresh rows that are scored, if any; where noise acts at test too, with one draw."""
        if self.first.X_eval is None:
            return None
        if not self.at_test:
            return self._stacked(*[(d.X_eval, d.y_eval) for d in self.data])
        return self.made(partial(self._copies, "eval"))

    def made(self, make: Callable[[Data, np.random.Generator], Part], *stream: int) -> Part:
        """Rows that are made of each data seed's own, the same for all trials of it.

        Args:
            stream: numbers of another stream are others.
        """
        found: dict[int, Part] = {}
        for seed, data in zip(self.data_seeds, self.data, strict=True):
            if seed not in found:
                found[seed] = make(data, np.random.default_rng([seed, TEST_NOISE_STREAM, *stream]))
        return self._stacked(*[found[seed] for seed in self.data_seeds])

    def _copies(self, name: str, data: Data, rng: np.random.Generator) -> Part:
        """COPIES of the rows of a part, or one of the fresh ones, each with its own draws."""
        X, y = (np.asarray(getattr(data, f"{axis}_{name}")) for axis in "Xy")
        copies = [
            noised(X, self.at_test, data.X_train, rng, masked=self.masked)
            for _ in range(1 if name == "eval" else COPIES)
        ]
        return np.concatenate(copies), np.concatenate([y] * len(copies))

    def inner(self, batch: Batch) -> dict[str, Part]:
        """The training rows split again: train and held, X and y each with an axis of all trials by inner split in front."""
        dataset = batch.cell.dataset
        kind, found = dataset_kind(dataset.kind), {}
        for seed, data in dict(zip(self.data_seeds, self.data, strict=True)).items():
            cuts = [kind.inner_split(dataset, seed, data, number) for number in range(batch.cell.inner)]
            found[seed] = [[(data.X_train[at], data.y_train[at]) for at in cut] for cut in cuts]
        parts = {}
        for i, name in enumerate(("train", "held")):
            chosen = [found[seed][number][i] for number in range(batch.cell.inner) for seed in self.data_seeds]
            X, y = (np.stack([part[axis] for part in chosen]) for axis in (0, 1))
            parts[name] = (X, y.astype(np.int32) if self.first.n_classes > 2 else y)
        return parts

    @property
    def target_scales(self) -> Array:
        """Units of the target per unit of y: (n_trials,); of several targets (n_trials, n_targets), which no score needs."""
        return np.array([d.target_scale for d in self.data])

    def truth(self, part: Part) -> Array:
        """The y of a part for each trial: (n_trials, n_rows), or (n_trials, n_rows, n_targets)."""
        y = part[1]
        return y if self.per_trial else np.broadcast_to(y, (len(self.data), *y.shape))

    def _stacked(self, *parts: tuple[Array | None, Array | None]) -> Part:
        chosen = parts if self.per_trial else parts[:1]
        X, y = (np.stack([np.asarray(part[i]) for part in chosen]) for i in (0, 1))
        if self.first.n_classes > 2:
            y = y.astype(np.int32)
        return (X, y) if self.per_trial else (X[0], y[0])
