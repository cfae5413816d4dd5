"""Random layers that vectorise over replicas, and the Keras layers that they stand in for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from noiseflow.training.random import current_stream


class VectorizedGaussianNoise(keras.layers.Layer):
    """Adds zero-mean normal noise at train time; the identity at test time.

    Args:
        stream: what its numbers are called in the stream of its replica. Layers of one name draw the same numbers in two
            variants of one seed, which pairs them.
        stddev: standard deviation of the noise; or
        injection: index of the injection that says it, replica by replica.
    """

    def __init__(
        self, stream: str, *, stddev: float | None = None, injection: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.stream = stream
        self.stddev = stddev
        self.injection = injection
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        stream = current_stream()
        stddev = stream.strengths[self.injection] if self.injection is not None else self.stddev
        return inputs + stddev * stream.normal(self.stream, inputs.shape, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape


TWINS: dict[type[keras.layers.Layer], Callable[[Any, str], keras.layers.Layer]] = {
    keras.layers.GaussianNoise: lambda layer, stream: VectorizedGaussianNoise(
        stream, stddev=layer.stddev, name=layer.name
    ),
}
"""For each Keras layer that draws random numbers, how to make its vectorised twin."""


def twin(layer: keras.layers.Layer, position: int) -> keras.layers.Layer | None:
    """The vectorised twin of a random layer; None for any other.

    Its stream is named by the layer's position: Keras' automatic names change from build to build.
    """
    make = TWINS.get(type(layer))
    return None if make is None else make(layer, f"layer_{position}")
