"""The random layers that vectorise over replicas, and the Keras layers that they stand in for.

At train time each draws from the stream of its replica (`random.current_stream`); at test time it is the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from noiseflow.training.random import Stream, current_stream

Effect = Callable[[Any, Stream, str], Any]
"""(inputs, stream, name of the layer's numbers in it) to what the layer gives at train time."""

Strength = Callable[[Stream], Any]
"""The stddev or rate, of a layer's own or, replica by replica, of the stream."""

SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805  # what a selu gives for minus infinity


class RandomLayer(keras.layers.Layer):
    """A layer that changes its inputs at random at train time only.

    Args:
        stream: what its numbers are called in the stream of its replica. Layers of one name draw the same numbers in two
            variants of one seed, which pairs them.
        effect: what it does at train time.
    """

    def __init__(self, stream: str, effect: Effect, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stream = stream
        self.effect = effect
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.effect(inputs, current_stream(), self.stream) if training else inputs

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape


def injected_noise(kind: str, site: int) -> Effect:
    """What an injection of this kind does at a site, whose strength is that of the replica's stream."""
    layer = INJECTED[kind](0.0)
    return EFFECTS[type(layer)](layer, lambda stream: stream.scales[site])


def _gaussian_noise(_: Any, stddev: Strength) -> Effect:
    return lambda inputs, stream, name: inputs + stddev(stream) * stream.normal(name, inputs.shape, inputs.dtype)


def _gaussian_dropout(_: Any, rate: Strength) -> Effect:
    """Factors of mean 1 and variance rate / (1 - rate) (Srivastava et al., 2014, section 10)."""

    def effect(inputs: Any, stream: Stream, name: str) -> Any:
        stddev = (rate(stream) / (1 - rate(stream))) ** 0.5
        return inputs * (1 + stddev * stream.normal(name, inputs.shape, inputs.dtype))

    return effect


def _dropout(layer: Any, rate: Strength, noise_shape: Callable[[Any], Sequence[int]] | None = None) -> Effect:
    """Zeroes a share of the elements and scales the others by 1 / (1 - rate) (Srivastava et al., 2014)."""

    def effect(inputs: Any, stream: Stream, name: str) -> Any:
        shape = noise_shape(inputs) if noise_shape else _concrete(layer.noise_shape, inputs)
        kept = stream.uniform(name, shape, inputs.dtype) >= rate(stream)
        return keras.ops.where(kept, inputs / (1 - rate(stream)), keras.ops.zeros_like(inputs))

    return effect


def _spatial_dropout(layer: Any, rate: Strength) -> Effect:
    """Zeroes whole feature maps (Tompson et al., 2014)."""
    return _dropout(layer, rate, noise_shape=layer._get_noise_shape)  # noqa: SLF001 - the layer's own rule


def _alpha_dropout(layer: Any, rate: Strength) -> Effect:
    """Sets a share to the floor of a selu, and keeps mean and variance (Klambauer et al., 2017, equation 6)."""

    def effect(inputs: Any, stream: Stream, name: str) -> Any:
        share = rate(stream)
        a = ((1 - share) * (1 + share * SELU_FLOOR**2)) ** -0.5
        b = -a * SELU_FLOOR * share
        kept = stream.uniform(name, _concrete(layer.noise_shape, inputs), inputs.dtype) >= share
        return a * keras.ops.where(kept, inputs, SELU_FLOOR * keras.ops.ones_like(inputs)) + b

    return effect


def _concrete(noise_shape: Sequence[int | None] | None, inputs: Any) -> Sequence[int]:
    if noise_shape is None:
        return inputs.shape
    return [own if given is None else given for given, own in zip(noise_shape, inputs.shape, strict=True)]


EFFECTS: dict[type[keras.layers.Layer], Callable[[Any, Strength], Effect]] = {
    keras.layers.GaussianNoise: _gaussian_noise,
    keras.layers.GaussianDropout: _gaussian_dropout,
    keras.layers.Dropout: _dropout,
    keras.layers.SpatialDropout1D: _spatial_dropout,
    keras.layers.SpatialDropout2D: _spatial_dropout,
    keras.layers.SpatialDropout3D: _spatial_dropout,
    keras.layers.AlphaDropout: _alpha_dropout,
}
"""For each Keras layer that draws random numbers, its effect, made from the layer's settings and its strength."""

INJECTED: dict[str, type[keras.layers.Layer]] = {
    "gaussian": keras.layers.GaussianNoise,
    "gaussian_dropout": keras.layers.GaussianDropout,
    "dropout": keras.layers.Dropout,
    "alpha_dropout": keras.layers.AlphaDropout,
}
"""For each kind of injection within a model, the Keras layer that does the same."""


def random_twin(layer: keras.layers.Layer, position: int) -> keras.layers.Layer:
    """The vectorised twin of a random layer.

    Its stream is named by the layer's position: Keras' automatic names change from build to build.
    """
    strength = layer.stddev if isinstance(layer, keras.layers.GaussianNoise) else layer.rate
    if strength == 0:
        return keras.layers.Identity(name=layer.name)
    return RandomLayer(f"layer_{position}", EFFECTS[type(layer)](layer, lambda stream: strength), name=layer.name)
