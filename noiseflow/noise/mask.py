"""Masking: sets a share of the elements to zero and leaves the others."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of


class Mask(Kind):
    """Sets a share `rate` of the elements to 0; the others stay as they are, unlike in dropout.

    References:
        Vincent et al. (2010), Stacked denoising autoencoders, section 4.1: masking noise.
    """

    name = "mask"
    strength = "rate"
    sentence = "sets a share `rate` of the elements to 0 and leaves the others as they are"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """X where a uniform number is at least rate, else 0."""
        from keras import ops

        return ops.where(numbers.uniform(stream, shape_of(x), x.dtype) >= strength, x, ops.zeros_like(x))

    def expression(self, strength: float) -> str:
        return f"keras.ops.where(keras.random.uniform(keras.ops.shape(x)) < {strength:g}, 0.0, x)"

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        return (1 - strength) * x, strength * (1 - strength) * x**2
