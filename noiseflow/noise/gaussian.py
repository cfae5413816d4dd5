"""Gaussian noise: adds normal numbers."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import WITHIN, Kind, Numbers, shape_of


class Gaussian(Kind):
    """Adds normal numbers of mean 0 and standard deviation `stddev`."""

    name = "gaussian"
    strength = "stddev"
    places = (*WITHIN, "labels", "weights", "gradients")
    keras_layer = "GaussianNoise"
    sentence = "adds normal numbers of mean 0 and standard deviation `stddev`"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """X + stddev × ξ, ξ standard normal."""
        return x + strength * numbers.normal(stream, shape_of(x), x.dtype)
