"""Where there is no noise, nothing differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from noiseflow.laws.draws import PLACES, STDDEV, injections
from noiseflow.laws.law import Figure, Law, Train, equality_figure


def no_noise(train: Train) -> list[Figure]:
    """Inference knows no noise, and noise of stddev 0 is none: bit for bit."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(64, 2)), rng.integers(0, 2, 64).astype(np.float64)

    def build(learning_rate: float) -> Callable[[], keras.Model]:
        def model() -> keras.Model:
            output = keras.layers.Dense(1, activation="sigmoid", trainable=False)  # as in _noise_fit
            network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16, activation="relu"), output])
            network.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(learning_rate))
            return network

        return model

    data: dict[str, Any] = {"validation_data": (x, y), "epochs": 4, "batch_size": 64}
    bare = train(build(0.1), x, y, **data)
    silent = train(build(0.1), x, y, noise=injections(PLACES, 0.0), **data)
    noisy = train(build(0.0), x, y, noise=injections(PLACES, STDDEV), **data)
    pairs = [*zip(bare.weights, silent.weights, strict=True)]
    pairs += [(bare.history[name], silent.history[name]) for name in bare.history]
    return [
        equality_figure(
            [
                (bare.initial["val_loss"], noisy.initial["val_loss"]),
                (noisy.history["val_loss"], noisy.initial["val_loss"][:, None]),
            ],
            name="inference: losses that differ",
            statement="at equal weights, inference with and without noise in the model gives the same loss",
            reference="keras.layers.GaussianNoise: only active at training time",
        ),
        equality_figure(
            pairs,
            name="stddev 0: numbers that differ",
            statement="noise of stddev 0 leaves every loss and weight as without the layer",
            reference="keras.layers.GaussianNoise",
        ),
    ]


LAW = Law("no noise", no_noise, finds_wrong_stddev=False)
