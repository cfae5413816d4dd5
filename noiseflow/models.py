"""Networks to train: one Keras builder for each kind of architecture, and the literal dict that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras

from noiseflow.spec import Architecture, Training


@dataclass(frozen=True)
class Builder:
    """A function without arguments that returns the compiled model, its weights drawn anew at each call.

    Two of equal settings are equal, so that what was compiled for one serves the other.
    """

    architecture: Architecture
    training: Training
    n_features: int

    def __call__(self) -> keras.Model:
        """The model."""
        model = BUILDERS[self.architecture.kind](self.architecture, self.n_features)
        optimizer = keras.optimizers.get({"class_name": self.training.optimizer, "config": {}})
        optimizer.learning_rate = self.training.learning_rate
        model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        return model


def _mlp(architecture: Architecture, n_features: int) -> keras.Model:
    hidden = [
        keras.layers.Dense(units, activation=architecture.activation, name=f"hidden_{i}")
        for i, units in enumerate(architecture.units, start=1)
    ]
    output = keras.layers.Dense(1, activation="sigmoid", name="output")
    return keras.Sequential([keras.Input((n_features,)), *hidden, output])


BUILDERS: dict[str, Callable[[Architecture, int], keras.Model]] = {"mlp": _mlp}
