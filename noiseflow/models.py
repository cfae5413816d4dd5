"""Networks to train: one Keras builder for each kind of architecture, and the literal dict that names them."""

from __future__ import annotations

from collections.abc import Callable

import keras

from noiseflow.spec import Architecture, Training


def builder(architecture: Architecture, training: Training, n_features: int) -> Callable[[], keras.Model]:
    """A function without arguments that returns the compiled model, its weights drawn anew at each call."""

    def build() -> keras.Model:
        model = BUILDERS[architecture.kind](architecture, n_features)
        optimizer = keras.optimizers.get({"class_name": training.optimizer, "config": {}})
        optimizer.learning_rate = training.learning_rate
        model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        return model

    return build


def _mlp(architecture: Architecture, n_features: int) -> keras.Model:
    hidden = [
        keras.layers.Dense(units, activation=architecture.activation, name=f"hidden_{i}")
        for i, units in enumerate(architecture.units, start=1)
    ]
    output = keras.layers.Dense(1, activation="sigmoid", name="output")
    return keras.Sequential([keras.Input((n_features,)), *hidden, output])


BUILDERS: dict[str, Callable[[Architecture, int], keras.Model]] = {"mlp": _mlp}
