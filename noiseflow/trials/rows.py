"""The rows of a batch's trials, as the engine takes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from noiseflow.datasets import Data, generate
from noiseflow.engine.problem import Array
from noiseflow.trials.plan import Batch

Part = tuple[Array, Array]


@dataclass(frozen=True)
class BatchRows:
    """What the trials of a batch train on and are measured on.

    data: one for each trial; per_trial: whether they differ, so that arrays have a trial axis in front.
    """

    data: tuple[Data, ...]
    per_trial: bool

    @classmethod
    def of(cls, batch: Batch) -> BatchRows:
        """The rows of a batch, each data seed's generated once."""
        made = {seed: generate(batch.cell.dataset, seed) for seed in dict.fromkeys(t.data_seed for t in batch.trials)}
        return cls(tuple(made[trial.data_seed] for trial in batch.trials), len(made) > 1)

    @property
    def first(self) -> Data:
        """The rows of the first trial: their number and kind are those of all."""
        return self.data[0]

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Train and test: X and y each, (n_rows, ...) or with a trial axis in front."""
        return {name: self._stacked(*[d.parts[name] for d in self.data]) for name in self.first.parts}

    @cached_property
    def fresh(self) -> Part | None:
        """The fresh rows that are scored, if any."""
        if self.first.X_eval is None:
            return None
        return self._stacked(*[(d.X_eval, d.y_eval) for d in self.data])

    @property
    def target_scales(self) -> Array:
        """Units of the target per unit of y: (n_trials,)."""
        return np.array([d.target_scale for d in self.data])

    def truth(self, part: Part) -> Array:
        """The y of a part for each trial: (n_trials, n_rows)."""
        y = part[1]
        return y if self.per_trial else np.broadcast_to(y, (len(self.data), *y.shape))

    def _stacked(self, *parts: tuple[Array | None, Array | None]) -> Part:
        chosen = parts if self.per_trial else parts[:1]
        X, y = (np.stack([np.asarray(part[i]) for part in chosen]) for i in (0, 1))
        if self.first.n_classes > 2:
            y = y.astype(np.int32)
        return (X, y) if self.per_trial else (X[0], y[0])
