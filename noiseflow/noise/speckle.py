"""Speckle: multiplies by normal numbers around 1."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of


class Speckle(Kind):
    """Multiplies by normal numbers of mean 1 and standard deviation `stddev`.

    Gaussian dropout of a rate is speckle of stddev √(rate / (1 - rate)). With `draws: channel` it is the scaling of a series.

    References:
        Iwana and Uchida (2021), An empirical survey of data augmentation for time series classification, section 3.1: scaling.
    """

    name = "speckle"
    strength = "stddev"
    sentence = "multiplies by normal numbers of mean 1 and standard deviation `stddev`"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """X × (1 + stddev × ξ), ξ standard normal."""
        return x * (1 + strength * numbers.normal(stream, shape_of(x), x.dtype))

    def expression(self, strength: float) -> str:
        return f"x * (1 + {strength:g} * keras.random.normal(keras.ops.shape(x)))"

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        return x, (strength * x) ** 2
