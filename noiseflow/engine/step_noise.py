"""Noise on targets, weights and gradients, and what controls do, in one step of one replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import tensorflow as tf

from noiseflow.controls import control_kind
from noiseflow.controls.kind import Part
from noiseflow.engine.sites import Site, Sites, Target
from noiseflow.noise import kind_of
from noiseflow.noise.kind import Numbers

Tensor = Any


def penalised(loss: Tensor, penalties: Mapping[str, Any], weights: Sequence[Tensor]) -> Tensor:
    """The loss with each kind's penalty on the weights, times its factor."""
    for name, strength in penalties.items():
        if (kind := control_kind(name)).penalises:
            loss = loss + tf.cast(strength, loss.dtype) * kind.penalty(weights)
    return loss


@dataclass(frozen=True)
class StepNoise:
    """What one step does outside the model: nothing without a site and a control that acts in a step.

    Attributes:
        sites: of the fit.
        numbers: drawn for this step, with the scales of the sites.
        arguments: of the controls, in the order of `sites.step_controls`.
    """

    sites: Sites
    numbers: Numbers
    arguments: Sequence[Tensor]

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
        return penalised(loss, dict(self._step_controls), weights)

    def batch(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, list[Part]]:
        """The inputs that are trained on, and the parts of the loss: share, targets and the rows' weights."""
        parts: list[Part] = [(1.0, self.targets(y), sample_weight)]
        for name, argument in self._step_controls:
            if control_kind(name).mixes:
                x, parts = self._mixed(name, argument, x, parts)
        for name, argument in self._step_controls:
            parts = list(control_kind(name).losses(argument, parts, self._of_class, self._n_classes))
        return x, parts

    def climb(self, gradients: Sequence[Tensor]) -> Sequence[Tensor] | None:
        """What is added to the weights for a second gradient; None where one is enough."""
        found = [control_kind(name).climb(argument, gradients) for name, argument in self._step_controls]
        return next((climb for climb in found if climb is not None), None)

    def after_step(self, weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """The weights that a step ends with."""
        for name, argument in self._step_controls:
            weights = control_kind(name).after_step(argument, weights)
        return weights

    @property
    def _step_controls(self) -> list[tuple[str, Tensor]]:
        return list(zip(self.sites.step_controls, self.arguments, strict=True))

    @property
    def _n_classes(self) -> int:
        return next((target.n_classes for target in self.sites.targets if target.form != "values"), 0)

    def _of_class(self, y: Any, k: int) -> Any:
        flat = keras.tree.flatten(y)
        pairs = zip(flat, self.sites.targets, strict=True)
        return keras.tree.pack_sequence_as(y, [_of_class(values, target, k) for values, target in pairs])

    def _mixed(self, name: str, argument: Tensor, x: Any, parts: list[Part]) -> tuple[Any, list[Part]]:
        n = keras.tree.flatten(x)[0].shape[0] or tf.shape(keras.tree.flatten(x)[0])[0]
        uniform = self.numbers.uniform(name, (2,), argument.dtype)
        share = control_kind(name).share(argument, uniform[0])
        by = 1 + tf.cast(uniform[1] * tf.cast(tf.maximum(n - 1, 1), uniform.dtype), tf.int32)
        others = (tf.range(n) + tf.minimum(by, tf.maximum(n - 1, 0))) % n

        def blended(values: Tensor) -> Tensor:
            own = tf.cast(share, values.dtype)
            return own * values + (1 - own) * tf.gather(values, others)

        def moved(values: Any) -> Any:
            return keras.tree.map_structure(lambda v: None if v is None else tf.gather(v, others), values)

        mixed = [(share * part, y, weight) for part, y, weight in parts]
        mixed += [((1 - share) * part, moved(y), moved(weight)) for part, y, weight in parts]
        return keras.tree.map_structure(blended, x), mixed

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


def _of_class(y: Tensor, target: Target, k: int) -> Tensor:
    """Targets of one output that are class k everywhere; values stay as they are."""
    y = tf.convert_to_tensor(y)
    if target.form == "values":
        return y
    if target.form == "one_hot":
        return tf.broadcast_to(tf.one_hot(k, target.n_classes, dtype=y.dtype), tf.shape(y))
    return tf.zeros_like(y) + tf.cast(k, y.dtype)
