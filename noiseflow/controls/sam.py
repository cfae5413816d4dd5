"""Sharpness-aware minimisation: the gradient is taken where the loss nearby is highest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noiseflow.base.values import setting
from noiseflow.controls.kind import ControlKind


class Sam(ControlKind):
    """Takes the gradient at the weights + rho × gradient / ‖gradient‖, with the same rows and noise; a step costs twice.

    References:
        Foret et al. (2021), Sharpness-aware minimization for efficiently improving generalization, algorithm 1.
    """

    name = "sam"
    fields = {"rho": setting(float, "How far SAM climbs before it takes the gradient", 0.05, ge=0, le=100)}
    strength = "rho"
    strength_label = "rho"
    steps = True
    needs_fit_seeds = True
    probe_strength = 0.05
    sentence = "takes the gradient at the weights + rho × gradient / ‖gradient‖ (sharpness-aware minimisation)"

    def climb(self, argument: Any, gradients: Sequence[Any]) -> list[Any]:
        """What is added to the weights before the gradient that counts is taken; None for a weight without a gradient."""
        import tensorflow as tf

        dense = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
        norm = tf.sqrt(sum(tf.reduce_sum(tf.square(g)) for g in dense if g is not None))
        return [None if g is None else tf.cast(argument, g.dtype) * g / (norm + 1e-12) for g in dense]
