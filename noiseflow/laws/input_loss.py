"""Noise on the input of a linear model."""

from __future__ import annotations

import keras
import numpy as np

from noiseflow.laws.law import Figure, Law, Train, float64, mean_figure
from noiseflow.laws.losses import N_ROWS, STDDEV, frozen, loss_draws


def input_loss(train: Train) -> list[Figure]:
    """Noise on the input of a linear model adds s²‖w‖² to its squared error, whatever its weights."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(N_ROWS, 4)), rng.normal(size=N_ROWS)

    def build() -> keras.Model:
        output = keras.layers.Dense(1, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0))
        return frozen([keras.Input((4,)), output])

    fit = loss_draws(train, build, x, y, "input")
    w, b = float64(*fit.weights)  # (n_seeds, 4, 1), (n_seeds, 1)
    clean = ((x @ w)[..., 0] + b - y) ** 2
    return [
        mean_figure(
            fit.history["loss"],
            clean.mean(axis=1, keepdims=True) + STDDEV**2 * (w**2).sum(axis=1),
            n_terms=N_ROWS,
            name="input noise: MSE, linear model",
            statement="E[loss] = clean loss + s²‖w‖², at any weights w",
            reference="Bishop (1995), Training with noise is equivalent to Tikhonov regularization",
        )
    ]


LAW = Law("input loss", input_loss, finds_wrong_stddev=True)
