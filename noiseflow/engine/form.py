"""What a program is compiled for, and the tensors that it is called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine.problem import Array, Samples

Tensor = Any
MOST_BYTES_REPEATED = 2**28


class ProgramInputs(NamedTuple):
    """The task of the replicas of one shard, as tensors.

    Attributes:
        seeds: uint32, (width,).
        scales: (width, n_sites), the full strength of each site.
        schedules: (n_sites, 3), start, final and step_at of each.
        decays: (n_sites,), how fast the variance of gradient noise falls; 0 of other sites.
        arguments: of the hooks of the controls that act in every step.
        average_from: the first epoch of the average of weights, int32 scalar.
        patience: int32 scalar.
        parts: the rows to train on, those to measure, then those that are held back, if any.
        epochs, record_every: int32 scalars.
        randomness_off: 1 where all randomness is off, else 0.
        steps: most steps of an epoch that are taken.
    """

    seeds: Tensor
    scales: Tensor
    schedules: Tensor
    decays: Tensor
    arguments: tuple[Tensor, ...]
    average_from: Tensor
    patience: Tensor
    parts: tuple[Any, ...]
    epochs: Tensor
    record_every: Tensor
    randomness_off: Tensor
    steps: Tensor


@dataclass(frozen=True)
class RowLayout:
    """How the program finds the rows of a part: one set for each replica, or one that all share."""

    n_rows: int
    stacked: bool

    @classmethod
    def of(cls, rows: Samples, width: int, *, gathered: bool) -> RowLayout:
        """Few shared rows are copied once for each replica, since XLA multiplies them faster.

        Args:
            gathered: whether each replica picks its rows by index; then they are not copied.
        """
        size = sum(a.nbytes for a in keras.tree.flatten(rows.parts))
        return cls(rows.n_rows, rows.per_seed or (not gathered and size * width <= MOST_BYTES_REPEATED))

    def arrays(self, rows: Samples, indices: Sequence[int]) -> Any:
        """The part as the program takes it, for the seeds at these indices."""

        def array(values: Array) -> Array:
            if rows.per_seed:
                return values[list(indices)]
            return np.broadcast_to(values, (len(indices), *values.shape)) if self.stacked else values

        return keras.tree.map_structure(array, rows.parts)

    def slice(self, part: Any, start: Tensor, length: int) -> Any:
        """Consecutive rows, their number known while compiling."""
        axis = 1 if self.stacked else 0

        def cut(values: Tensor) -> Tensor:
            begin, size = [0] * values.shape.rank, list(values.shape)
            begin[axis], size[axis] = start, length
            return values if length == self.n_rows else tf.slice(values, begin, size)

        return keras.tree.map_structure(cut, part)


@dataclass(frozen=True)
class ProgramSpec:
    """All that a program is compiled for, beside the model and what is done to its training."""

    width: int
    batch_size: int
    shuffle: bool
    train: RowLayout
    evaluations: tuple[tuple[str, RowLayout], ...]
    held: RowLayout | None = None
    averages: bool = False
