"""Noise on targets, weights and gradients, and the l2 penalty, in one step of one replica."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import tensorflow as tf

from noiseflow.engine.sites import Site, Sites
from noiseflow.noise import kind_of
from noiseflow.noise.kind import Numbers

Tensor = Any


@dataclass(frozen=True)
class StepNoise:
    """What is done in one step outside the model; without a site and without l2 nothing at all.

    numbers: drawn for this step, with the scales of the sites; l2: factor of the penalty.
    """

    sites: Sites
    numbers: Numbers
    l2: Tensor

    def targets(self, y: Any) -> Any:
        """The targets that the minimised loss compares with."""
        flat = keras.tree.flatten(y)
        for i, site in self._at("labels"):
            flat[site.output] = kind_of(site.kind).apply_to_labels(
                flat[site.output], site.target, self.numbers.scales[i], self.numbers, site.stream
            )
        return keras.tree.pack_sequence_as(y, flat)

    def weights(self, values: Sequence[Tensor]) -> Sequence[Tensor]:
        """The trainable weights that the loss and its gradient are computed at (Graves et al., 2013)."""
        return self._added("weights", values)

    def gradients(self, values: Sequence[Tensor]) -> Sequence[Tensor]:
        """The gradients that the optimizer gets (Neelakantan et al., 2015, equation 1)."""
        return self._added("gradients", values)

    def loss(self, loss: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """What is minimised: the loss and factor × Σ kernel², over weights of two axes or more."""
        if not self.sites.l2:
            return loss
        squares = [tf.reduce_sum(tf.square(value)) for value in weights if len(value.shape) > 1]
        return loss + tf.cast(self.l2, loss.dtype) * sum(squares)

    def _at(self, place: str) -> list[tuple[int, Site]]:
        return [(i, site) for i, site in self.sites.outside if site.place == place]

    def _added(self, place: str, values: Sequence[Tensor]) -> Sequence[Tensor]:
        for i, site in self._at(place):
            values = self._with_noise(site.stream, self.numbers.scales[i], values)
        return values

    def _with_noise(self, stream: str, scale: Tensor, values: Sequence[Tensor]) -> Sequence[Tensor]:
        """One draw for all the values: each costs XLA a generator to compile."""
        sizes = [0 if value is None else prod(value.shape) for value in values]
        noise = scale * self.numbers.normal(stream, (sum(sizes),), scale.dtype)
        return [
            value
            if value is None
            else tf.convert_to_tensor(value) + tf.cast(tf.reshape(part, value.shape), value.dtype)
            for value, part in zip(values, tf.split(noise, sizes), strict=True)
        ]
