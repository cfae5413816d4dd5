"""Alpha dropout: dropout that keeps mean and variance after a selu."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of

SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805
"""What a selu gives for minus infinity."""


class AlphaDropout(Kind):
    """Sets a share `rate` of the elements to the floor of a selu, and rescales so that mean and variance stay.

    References:
        Klambauer et al. (2017), Self-normalizing neural networks, equation 6.
    """

    name = "alpha_dropout"
    strength = "rate"
    keras_layer = "AlphaDropout"
    sentence = "sets a share `rate` of the elements to the floor of a selu, and keeps mean and variance"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """A × (x or the floor) + b, with a and b as in the paper."""
        from keras import ops

        a = ((1 - strength) * (1 + strength * SELU_FLOOR**2)) ** -0.5
        b = -a * SELU_FLOOR * strength
        kept = numbers.uniform(stream, shape_of(x), x.dtype) >= strength
        return a * ops.where(kept, x, SELU_FLOOR * ops.ones_like(x)) + b

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        a = ((1 - strength) * (1 + strength * SELU_FLOOR**2)) ** -0.5
        mean = a * ((1 - strength) * x + strength * SELU_FLOOR) - a * SELU_FLOOR * strength
        return mean, a**2 * strength * (1 - strength) * (x - SELU_FLOOR) ** 2
