"""What the laws of the training loss share: with a learning rate of 0 each epoch's loss is one more draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from noiseflow.engine.result import SeedsFit
from noiseflow.laws.law import Array, Train
from noiseflow.noise.injection import Injection

STDDEV = 0.5
N_ROWS = 256
EPOCHS = 40


def frozen(layers: list[Any], metrics: list[Any] | None = None) -> keras.Model:
    """A model that training leaves as it is; its loss is the squared error."""
    model = keras.Sequential(layers)
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0), metrics=metrics)
    return model


def loss_draws(train: Train, build: Callable[[], keras.Model], x: Array, y: Array, place: str) -> SeedsFit:
    """A fit of a frozen model with noise at one place: the loss of each epoch is one more draw."""
    return train(build, x, y, epochs=EPOCHS, batch_size=len(x), noise=[Injection(place=place, stddev=STDDEV)])
