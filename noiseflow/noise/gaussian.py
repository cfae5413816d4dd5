"""Gaussian noise: adds normal numbers."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import OUTSIDE, STATE, WITHIN, Kind, Numbers, shape_of


class Gaussian(Kind):
    """Adds normal numbers of mean 0 and standard deviation `stddev`."""

    name = "gaussian"
    strength = "stddev"
    places = (*WITHIN, STATE, *OUTSIDE)
    keras_layer = "GaussianNoise"
    adds = True
    labels = "values"
    sentence = "adds normal numbers of mean 0 and standard deviation `stddev`"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The tensor plus stddev times standard normal numbers."""
        return x + strength * numbers.normal(stream, shape_of(x), x.dtype)

    def layer(self, strength: float) -> str | None:
        """Keras' own refuses a stddev above 1."""
        return super().layer(strength) if strength <= 1 else None

    def expression(self, strength: float) -> str:
        return f"x + {strength:g} * keras.random.normal(keras.ops.shape(x))"

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        return x, 0 * x + strength**2

    def apply_to_labels(self, y: Any, target: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """Adds the noise to targets that are numbers."""
        from keras import ops

        del target
        return self.apply(ops.cast(y, strength.dtype), strength, numbers, stream)
