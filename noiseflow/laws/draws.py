"""What the laws of the draws share: a fit whose weights are the noise itself."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from noiseflow.engine.result import SeedsFit
from noiseflow.laws.law import STANDARD_ERRORS, Array, Figure, Train, float64, rounding
from noiseflow.noise.injection import Injection

STDDEV = 0.5
N_UNITS = 1024
N_HIDDEN = 64  # units of an identity layer, whose weights are quadratic in them
N_STEPS = 32
LIFT = 32.0  # keeps relu linear: noise never reaches so far down
PLACES = ("input", "before_activation", "after_activation")
SALMON = "Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3"


def noise_fit(train: Train, hidden_layers: int, places: tuple[str, ...], **arguments: Any) -> SeedsFit:
    """A fit whose trained weights (n_seeds, n_units, n_steps) are the draws, negated and lifted.

    With the loss y·output and learning rate 1, a step on the target e_i takes what enters the output layer off its i-th
    column. The rows are zeros: what enters is noise, which identity layers hand on. Those are not trained: in a graph
    that is not compiled, TensorFlow 2.21 now and then updates a layer before the backward pass has read its weights.
    """

    def build() -> keras.Model:
        hidden = [_identity(0.0 if i else LIFT) for i in range(hidden_layers)]
        output = keras.layers.Dense(N_STEPS, use_bias=False, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((n_units,)), *hidden, output])
        model.compile(loss=product_loss, optimizer=keras.optimizers.SGD(1.0))
        return model

    n_units = N_HIDDEN if hidden_layers else N_UNITS
    x, y = np.zeros((N_STEPS, n_units)), np.eye(N_STEPS)
    noise = injections(places, STDDEV)
    return train(build, x, y, epochs=1, batch_size=1, shuffle=False, noise=noise, **arguments)


def noise_draws(train: Train, hidden_layers: int, places: tuple[str, ...]) -> Array:
    """The draws of a `noise_fit`: (n_seeds, n_units, n_steps)."""
    fit = noise_fit(train, hidden_layers, places)
    return -float64(fit.weights[-1])[0] - (LIFT if hidden_layers else 0.0)


def product_loss(y: Any, output: Any) -> Any:
    """Of a row, y·output."""
    return keras.ops.sum(y * output, axis=-1)


def _identity(lift: float) -> keras.layers.Layer:
    bias = keras.initializers.Constant(lift)
    return keras.layers.Dense(
        N_HIDDEN, activation="relu", kernel_initializer="identity", bias_initializer=bias, trainable=False
    )


def injections(places: tuple[str, ...], stddev: float) -> list[Injection]:
    """Gaussian noise at each of the places."""
    return [Injection(place=place, stddev=stddev) for place in places]


def moment(draws: Array, power: int, expected: float, variance: float, **words: Any) -> Figure:
    """The figure of a moment of the draws; `variance` is that of one draw to this power, in closed form."""
    chance = float(STANDARD_ERRORS * np.sqrt(variance / draws.size))
    measured = float((draws**power).mean())
    return Figure(**words, expected=expected, measured=measured, tolerance=chance + rounding(variance**0.5, 1))
