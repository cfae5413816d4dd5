"""Gaussian dropout: multiplies by normal numbers."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of


class GaussianDropout(Kind):
    """Multiplies by normal numbers of mean 1 and variance rate / (1 - rate).

    References:
        Srivastava et al. (2014), Dropout, section 10.
    """

    name = "gaussian_dropout"
    strength = "rate"
    keras_layer = "GaussianDropout"
    sentence = "multiplies by normal numbers of mean 1 and variance rate / (1 - rate)"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """X × (1 + √(rate / (1 - rate)) × ξ), ξ standard normal."""
        stddev = (strength / (1 - strength)) ** 0.5
        return x * (1 + stddev * numbers.normal(stream, shape_of(x), x.dtype))

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        return x, strength / (1 - strength) * x**2
