"""Noise on targets, weights and gradients, and penalties, in one step of one replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import tensorflow as tf

from noiseflow.controls import control_kind
from noiseflow.engine.sites import Site, Sites
from noiseflow.noise import kind_of
from noiseflow.noise.kind import Numbers

Tensor = Any


def penalised(loss: Tensor, penalties: Mapping[str, Any], weights: Sequence[Tensor]) -> Tensor:
    """The loss with each kind's penalty on the weights, times its factor."""
    for kind, strength in penalties.items():
        loss = loss + tf.cast(strength, loss.dtype) * control_kind(kind).penalty(weights)
    return loss


@dataclass(frozen=True)
class StepNoise:
    """What is done in one step outside the model; without a site and a penalty nothing at all.

    numbers: drawn for this step, with the scales of the sites; factors: of the sites' penalties, scalars.
    """

    sites: Sites
    numbers: Numbers
    factors: Sequence[Tensor]

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
        """What is minimised: the loss and what controls add to it."""
        return penalised(loss, dict(zip(self.sites.penalties, self.factors, strict=True)), weights)

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
