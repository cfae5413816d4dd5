"""Gaussian noise: adds normal numbers."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import OUTSIDE, WITHIN, Kind, Numbers, shape_of


class Gaussian(Kind):
    """Adds normal numbers of mean 0 and standard deviation `stddev`."""

    name = "gaussian"
    strength = "stddev"
    places = (*WITHIN, *OUTSIDE)
    keras_layer = "GaussianNoise"
    adds = True
    labels = "values"
    sentence = "adds normal numbers of mean 0 and standard deviation `stddev`"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The tensor plus stddev times standard normal numbers."""
        return x + strength * numbers.normal(stream, shape_of(x), x.dtype)

    def apply_to_labels(self, y: Any, target: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The same, for targets that are numbers."""
        from keras import ops

        del target
        return self.apply(ops.cast(y, strength.dtype), strength, numbers, stream)
