"""The order of the rows: each of them once an epoch, and anew in each epoch and for each seed."""

from __future__ import annotations

import keras
import numpy as np

from noiseflow.engine.result import SeedsFit
from noiseflow.laws.draws import uncorrelated
from noiseflow.laws.law import Array, Figure, Law, Train, equality_figure, float64

N_ROWS = 256


def shuffle(train: Train) -> list[Figure]:
    """Each epoch visits each row once; two epochs, and each two seeds, visit them in orders that are independent.

    The i-th row moves the i-th weight alone, by the number of its step as learning rate: the weights are when it came.
    Keras' own shuffle, in a fit after `keras.utils.set_random_seed`, takes the same order in each epoch: of the engine
    `reference` that figure is left out.
    """
    x, y = np.eye(N_ROWS), np.ones(N_ROWS)

    def fit(epochs: int) -> SeedsFit:
        return train(_build, x, y, epochs=epochs, batch_size=1, shuffle=True)

    first = fit(1)
    visited, rows = _steps(first), np.arange(1, N_ROWS + 1)
    alike = "the orders of each two {} are independent"
    figures = [
        equality_figure(
            [(np.sort(visited, axis=1), np.broadcast_to(rows, visited.shape))],
            name="shuffle: rows not visited once",
            statement="the order of an epoch is a permutation of the rows",
            reference="Model.fit",
        ),
        uncorrelated("shuffle: all pairs of seeds", alike.format("seeds"), visited),
        uncorrelated(
            "shuffle: from the given order",
            "the order of an epoch is not the rows' own",
            np.stack([np.tile(rows, len(visited)), visited.ravel()]),
        ),
    ]
    if first.engine == "reference":
        return figures
    second = _steps(fit(2)) - visited
    both = np.stack([visited.ravel(), second.ravel()])
    return [*figures, uncorrelated("shuffle: two epochs", alike.format("epochs"), both)]


def _build() -> keras.Model:
    output = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((N_ROWS,)), output])
    number_of_step = keras.optimizers.schedules.PolynomialDecay(1.0, 2**20, 1.0 + 2**20)
    model.compile(loss=_output_loss, optimizer=keras.optimizers.SGD(number_of_step))
    return model


def _output_loss(y: object, output: object) -> object:
    del y
    return -keras.ops.sum(output, axis=-1)


def _steps(fit: SeedsFit) -> Array:
    """Numbers from 1 of the steps that visited each row, summed over the epochs: (n_seeds, n_rows)."""
    return np.round(float64(fit.weights[0])[0][..., 0])


LAW = Law("shuffle", shuffle, finds_wrong_stddev=False)
