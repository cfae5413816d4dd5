"""Dropout: sets a share of the elements to zero."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of


class Dropout(Kind):
    """Sets a share `rate` of the elements to 0 and multiplies the others by 1 / (1 - rate).

    References:
        Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting.
    """

    name = "dropout"
    strength = "rate"
    keras_layer = "Dropout"
    sentence = "sets a share `rate` of the elements to 0 and multiplies the others by 1 / (1 - rate)"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """X / (1 - rate) where a uniform number is at least rate, else 0."""
        from keras import ops

        kept = numbers.uniform(stream, shape_of(x), x.dtype) >= strength
        return ops.where(kept, x / (1 - strength), ops.zeros_like(x))

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        return x, strength / (1 - strength) * x**2
