"""A small network with a connection around its second layer."""

from __future__ import annotations

import keras


def residual(*, shape: tuple[int, ...], n_classes: int, units: int = 32, learning_rate: float = 0.005) -> keras.Model:
    """The compiled model for rows of that shape; n_classes is 0 for a regression.

    noiseflow initialises it anew for each seed, adds its own metric, and trains it with this loss and this optimizer.
    """
    inputs = keras.Input(shape)
    x = keras.layers.Flatten()(inputs) if len(shape) > 1 else inputs
    first = keras.layers.Dense(units, activation="relu", name="first")(x)
    second = keras.layers.Dense(units, activation="relu", name="second")(first)
    joined = keras.layers.Add(name="joined")([first, second])
    width = n_classes if n_classes > 2 else 1
    outputs = keras.layers.Dense(width, name="output")(joined)
    model = keras.Model(inputs, outputs)
    model.compile(loss=_loss(n_classes), optimizer=keras.optimizers.Adam(learning_rate))
    return model


def _loss(n_classes: int) -> keras.losses.Loss:
    """The output layer has no activation, so the losses of classes are set to take logits."""
    if n_classes == 0:
        return keras.losses.MeanSquaredError()
    if n_classes == 2:
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
