"""Linear models trained on a few rows: the least that `fit_seeds` can be asked for."""

import keras

from noiseflow import fit_seeds

L = keras.layers


def linear(optimizer="sgd", layers=(), **compilation):
    def build():
        model = keras.Sequential([keras.Input((2,)), *(make() for make in layers), L.Dense(1, name="out")])
        model.compile(loss="mse", optimizer=optimizer, **compilation)
        return model

    return build


build_linear = linear()
"""One function, so that its program is compiled once for all tests that take it."""


def rows(rng):
    """x: (12, 2), y: (12, 1)."""
    return rng.normal(size=(12, 2)), rng.normal(size=(12, 1))


def refit(build, data, **changes):
    return fit_seeds(
        build, *data, **({"seeds": range(3), "epochs": 4, "shuffle": False, "engine": "vectorized"} | changes)
    )
