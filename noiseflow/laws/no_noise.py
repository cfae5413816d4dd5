"""Where there is no noise, nothing differs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from noiseflow.engine.result import SeedsFit
from noiseflow.laws.draws import PLACES, STDDEV, injections
from noiseflow.laws.law import Array, Figure, Law, Train, equality_figure, float64, rounding


def no_noise(train: Train) -> list[Figure]:
    """Inference has no noise, and noise of stddev 0 changes nothing: bit for bit."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(64, 2)), rng.integers(0, 2, 64).astype(np.float64)

    def build() -> keras.Model:
        output = keras.layers.Dense(1, activation="sigmoid", trainable=False)  # as in draws.noise_fit
        network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16, activation="relu"), output])
        network.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.1))
        return network

    data: dict[str, Any] = {"validation_data": (x, y), "epochs": 4, "batch_size": 64}
    bare = train(build, x, y, **data)
    silent = train(build, x, y, noise=injections(PLACES, 0.0), **data)
    noisy = train(build, x, y, noise=injections(PLACES, STDDEV), **data)
    pairs = [*zip(bare.weights, silent.weights, strict=True)]
    pairs += [(bare.history[name], silent.history[name]) for name in bare.history]
    return [
        equality_figure(
            [(bare.initial["val_loss"], noisy.initial["val_loss"])],
            name="inference: losses that differ",
            statement="at equal weights, inference with and without noise in the model gives the same loss",
            reference="keras.layers.GaussianNoise: only active at training time",
        ),
        Figure(
            name="inference: after training",
            statement="what is measured is the loss of the network without noise",
            reference="numpy, in double precision",
            expected=0.0,
            measured=float(np.abs(noisy.history["val_loss"][:, -1] / _loss(noisy, x, y) - 1).max()),
            tolerance=rounding(1.0, len(x) * 16),
        ),
        equality_figure(
            pairs,
            name="stddev 0: numbers that differ",
            statement="noise of stddev 0 leaves every loss and weight as without the layer",
            reference="keras.layers.GaussianNoise",
        ),
    ]


def _loss(fit: SeedsFit, x: Array, y: Array) -> Array:
    """The clean loss of each seed's network, from its weights."""
    kernel, bias, output, shift = float64(*fit.weights)
    z = (np.maximum(x @ kernel + bias[:, None], 0) @ output + shift[:, None])[..., 0]
    return np.asarray((np.logaddexp(0, z) - y * z).mean(axis=1))


LAW = Law("no noise", no_noise, finds_wrong_stddev=False)
