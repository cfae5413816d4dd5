"""What the laws of the draws share: a fit that ends with the noise as its weights."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import numpy as np
from scipy import stats

from noiseflow.engine.result import SeedsFit
from noiseflow.laws.law import CHANCE, STANDARD_ERRORS, Array, Figure, Train, float64, rounding
from noiseflow.noise.injection import Injection

STDDEV = 0.5
N_UNITS = 1024
N_HIDDEN = 64  # units of an identity layer, which has N_HIDDEN² weights
N_COLUMNS = 32  # rows; the noise of row i ends in column i of the weights
ROWS_A_STEP = 4
LIFT = 32.0  # keeps relu linear: noise never reaches so far down
PLACES = ("input", "before_activation", "after_activation")
SALMON = "Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3"


def noise_fit(train: Train, hidden_layers: int, places: tuple[str, ...], **arguments: Any) -> SeedsFit:
    """A fit that ends with the draws, negated and lifted, as its weights (n_seeds, n_units, n_columns).

    The trick: with the loss y·output and one-hot targets, a step of SGD subtracts what enters the output layer for row i from
    column i of its weights. (The loss is a mean over the rows of a step, so their number is the learning rate.) The rows are
    zeros, so what enters is the noise itself; identity layers pass it on. After training, minus the weights are the draws.
    The identity layers are not trained: in a graph that is not compiled, TensorFlow 2.21 now and then updates a
    layer before the backward pass has read its weights.
    """
    n_units = N_HIDDEN if hidden_layers else N_UNITS
    x, y = np.zeros((N_COLUMNS, n_units)), np.eye(N_COLUMNS)
    settings: dict[str, Any] = {"epochs": 1, "batch_size": ROWS_A_STEP, "shuffle": False}
    return train(_builder(hidden_layers), x, y, noise=injections(places, STDDEV), **(settings | arguments))


@lru_cache
def _builder(hidden_layers: int) -> Any:
    """What builds the model; the same object at each call, so that fits share one program."""

    def build() -> keras.Model:
        entering = inputs = keras.Input((N_HIDDEN if hidden_layers else N_UNITS,))
        for i in range(hidden_layers):
            entering = _identity(0.0 if i else LIFT)(entering)
        return recording_model(inputs, entering, N_COLUMNS, ROWS_A_STEP)

    return build


def recording_model(inputs: Any, entering: Any, n_columns: int, rows_a_step: int = 1) -> keras.Model:
    """A model that records: what enters its output layer for row i is subtracted from column i of the weights."""
    output = keras.layers.Dense(n_columns, use_bias=False, kernel_initializer="zeros")
    flat = keras.layers.Flatten()(entering) if len(entering.shape) > 2 else entering
    model = keras.Model(inputs, output(flat))
    model.compile(loss=product_loss, optimizer=keras.optimizers.SGD(float(rows_a_step)))
    return model


@lru_cache(maxsize=4)
def noise_draws(train: Train, hidden_layers: int, places: tuple[str, ...], epochs: int = 1) -> Array:
    """The draws of a `noise_fit`, summed over its epochs: (n_seeds, n_units, n_columns)."""
    fit = noise_fit(train, hidden_layers, places, epochs=epochs)
    return -float64(fit.weights[-1])[0] - (LIFT * epochs if hidden_layers else 0.0)


def product_loss(y: Any, output: Any) -> Any:
    """The loss of a row: y·output."""
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
    """The figure of a moment of the draws; `variance` is the variance of one draw to this power, in closed form."""
    chance = float(STANDARD_ERRORS * np.sqrt(variance / draws.size))
    measured = float((draws**power).mean())
    return Figure(**words, expected=expected, measured=measured, tolerance=chance + rounding(variance**0.5, 1))


def uncorrelated(name: str, statement: str, series: Array) -> Figure:
    """The figure that no two of some series (n_series, n) of independent draws are correlated: the largest correlation."""
    with np.errstate(invalid="ignore", divide="ignore"):  # draws without any spread have no correlation: NaN
        correlations = np.abs(np.asarray(np.corrcoef(series))[np.triu_indices(len(series), 1)])
    tolerance = stats.norm.isf(CHANCE / correlations.size) / np.sqrt(series.shape[1])
    return Figure(name, statement, SALMON, 0.0, float(correlations.max()), float(tolerance))
