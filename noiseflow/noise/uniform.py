"""Uniform noise: adds numbers from an interval around 0."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import STATE, WITHIN, Kind, Numbers, shape_of

HALF_WIDTH = 3**0.5
"""Half the width of the interval in which uniform numbers have the standard deviation 1."""


class Uniform(Kind):
    """Adds uniform numbers of mean 0 and standard deviation `stddev`, those within ± √3 · stddev."""

    name = "uniform"
    strength = "stddev"
    places = (*WITHIN, STATE)
    adds = True
    sentence = "adds uniform numbers of mean 0 and standard deviation `stddev`, within ± √3 · stddev"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The tensor plus √3 · stddev times a number uniform in (-1, 1)."""
        return x + strength * HALF_WIDTH * (2 * numbers.uniform(stream, shape_of(x), x.dtype) - 1)

    def expression(self, strength: float) -> str:
        half = f"{HALF_WIDTH * strength:.4g}"
        return f"x + keras.random.uniform(keras.ops.shape(x), -{half}, {half})"

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        return x, 0 * x + strength**2
