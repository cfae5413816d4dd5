"""Noise on targets, weights and gradients, and the l2 penalty, in one step of one replica."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import tensorflow as tf

from noiseflow.engine.sites import Site, Sites, Target
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
            flat[site.output] = self._noisy_target(i, site, flat[site.output])
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

    def _noisy_target(self, i: int, site: Site, y: Tensor) -> Tensor:
        scale, dtype = self.numbers.scales[i], self.numbers.scales[i].dtype
        if site.kind == "gaussian":
            y = tf.cast(y, dtype)
            return y + scale * self.numbers.normal(site.stream, _shape(y), dtype)
        shape = _shape(y)[:-1] if site.target.form == "one_hot" else _shape(y)
        flips = self.numbers.uniform(site.stream, shape, dtype) < scale
        if site.target.n_classes == 2:
            other = tf.zeros_like(flips, tf.int32)
        else:
            uniform = self.numbers.uniform(f"{site.stream}_class", shape, dtype)
            other = tf.cast(uniform * (site.target.n_classes - 1), tf.int32)
        return flipped(y, site.target, flips, other)


def flipped(y: Tensor, target: Target, flips: Tensor, other: Tensor) -> Tensor:
    """The targets, where `flips` says so those of another class.

    Args:
        flips: bool, and
        other: int32, which of the other classes, counted from the row's own one; both of the classes' shape.
    """
    if y.dtype == tf.bool:
        y = tf.cast(y, tf.int32)
    if target.form == "binary":
        return tf.where(flips, 1 - y, y)
    columns = tf.range(target.n_classes)
    one_hot = target.form == "one_hot"
    own = tf.reduce_sum(tf.cast(y, tf.int32) * columns, axis=-1) if one_hot else tf.cast(y, tf.int32)
    moved = own + 1 + tf.minimum(other, target.n_classes - 2)
    moved = tf.where(moved >= target.n_classes, moved - target.n_classes, moved)
    new = tf.where(flips, moved, own)
    return tf.cast(new[..., None] == columns if one_hot else new, y.dtype)


def _shape(values: Tensor) -> Any:
    return values.shape if values.shape.is_fully_defined() else tf.shape(values)
