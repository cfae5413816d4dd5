"""L2 weight decay: a penalty on the squares of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noiseflow.base.values import setting
from noiseflow.controls.kind import ControlKind


class L2(ControlKind):
    """Adds factor × Σ kernel² to the loss that is minimised; measured losses are without it."""

    name = "l2"
    fields = {"factor": setting(float, "Factor of the l2 penalty", 0.001, ge=0, le=1e3, allow_inf_nan=False)}
    strength = "factor"
    strength_label = "L2 factor"
    penalises = True
    steps = True
    sentence = (
        "adds factor × Σ kernel² to the loss that is minimised, over all weights with two axes or more (biases have one); "
        "measured losses are without it"
    )

    def penalty(self, weights: Sequence[Any]) -> Any:
        """Σ kernel², over weights of two axes or more."""
        import tensorflow as tf

        return sum(tf.reduce_sum(tf.square(value)) for value in weights if len(value.shape) > 1)

    def regularizer(self, strength: float) -> str:
        return f"keras.regularizers.L2({strength:g})"
