"""Max-norm: the weights into a unit never grow longer than a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noiseflow.base.values import setting
from noiseflow.controls.kind import ControlKind

EPSILON = 1e-7  # as `keras.constraints.MaxNorm` has it


class MaxNorm(ControlKind):
    """Scales the weights into a unit down to the length `max_value` after each step, where they are longer.

    References:
        Srivastava et al. (2014), Dropout, section 5.1; keras.constraints.MaxNorm, over all axes of a kernel but the last.
    """

    name = "max_norm"
    fields = {"max_value": setting(float, "Longest that the weights into a unit may be", 3.0, gt=0, le=1e6)}
    strength = "max_value"
    strength_label = "longest weights into a unit"
    steps = True
    probe_strength = 3.0
    neutral = 1e30
    sentence = "after each step, scales the weights into a unit down to the length `max_value` where they are longer"

    def after_step(self, argument: Any, weights: Sequence[Any]) -> list[Any]:
        """The weights; with two axes or more, each unit's are scaled down to the limit."""
        import tensorflow as tf

        def limited(value: Any) -> Any:
            if len(value.shape) < 2:
                return value
            limit = tf.cast(argument, value.dtype)
            norm = tf.sqrt(tf.reduce_sum(tf.square(value), axis=list(range(len(value.shape) - 1)), keepdims=True))
            return tf.where(norm > limit, value * (limit / (norm + EPSILON)), value)

        return [limited(value) for value in weights]

    def fit_lines(self, control: Any) -> list[str]:
        return [
            f"# in each Dense layer: kernel_constraint=keras.constraints.MaxNorm({control.max_value:g}),",
            "# in a Conv2D with axis=[0, 1, 2]",
            "model.fit(x, y, epochs=epochs)",
        ]
