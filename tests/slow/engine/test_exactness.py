"""The vectorised engine against `Model.fit` where nothing is random: 100 steps of an MLP, a CNN, an LSTM and a model that
normalises its batches."""

import keras
import numpy as np
import pytest

from noiseflow import Injection, fit_seeds
from noiseflow.engine.keras_state import floatx

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
L = keras.layers
ROWS = 64


def sequential(shape, *layers, loss="sparse_categorical_crossentropy", units=3):
    def build():
        body = [make() for make in layers]
        head = L.Dense(units, activation="softmax" if units > 1 else "sigmoid")
        model = keras.Sequential([keras.Input(shape), *body, head])
        model.compile(loss=loss, optimizer="adam", metrics=["accuracy"])
        return model

    return build


MODELS = {
    "mlp": ((2,), [lambda: L.Dense(50, activation="relu")]),
    "cnn": (
        (8, 8, 1),
        [
            lambda: L.Conv2D(8, 3, activation="relu"),
            lambda: L.Conv2D(8, 3, activation="relu", padding="same"),
            lambda: L.MaxPooling2D(2),
            L.Flatten,
        ],
    ),
    "lstm": ((12, 2), [lambda: L.LSTM(16), lambda: L.Activation("relu")]),
    "normalised": (
        (4,),
        [lambda: L.Dense(16), L.BatchNormalization, lambda: L.Activation("relu"), lambda: L.Dropout(0.0)],
    ),
}


def rows(shape):
    rng = np.random.default_rng(8)
    return rng.normal(size=(ROWS, *shape)), rng.integers(0, 3, ROWS)


CASES = [
    ("mlp", "float64", 1e-9),
    *(pytest.param(name, "float64", 1e-9, marks=pytest.mark.evidence) for name in ("lstm", "cnn", "normalised")),
    *(pytest.param(name, "float32", 1e-3, marks=pytest.mark.evidence) for name in ("cnn", "lstm")),
]
"""The other two are compared in float32 in test_parity.py, at greater length, and in test_coverage.py."""


@pytest.mark.parametrize(("name", "dtype", "tolerance"), CASES)
def test_hundred_steps_equal_model_fit(name, dtype, tolerance):
    shape, layers = MODELS[name]
    x, y = rows(shape)
    arguments = {"seeds": [0, 7], "epochs": 25, "batch_size": 16, "shuffle": False, "validation_data": (x[:30], y[:30])}
    with floatx(dtype):
        build = sequential(shape, *layers)
        ours, theirs = (
            fit_seeds(build, x, y, record_every=5, engine=engine, **arguments) for engine in ("vectorized", "reference")
        )
    assert ours.weights[0].dtype == dtype
    for quantity in ("loss", "val_loss"):
        np.testing.assert_allclose(ours.history[quantity], theirs.history[quantity], atol=tolerance, rtol=0)
    if dtype == "float64":
        for mine, expected in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(mine, expected, atol=tolerance, rtol=0)


@pytest.mark.evidence  # test_treatments_in_any_batch.py asks the same of one model, in more batches
@pytest.mark.parametrize("name", MODELS)
def test_rows_with_noise_repeat_in_any_batch_and_order(name):
    shape, layers = MODELS[name]
    x, y = rows(shape)
    build = sequential(shape, *layers, lambda: L.Dropout(0.2))
    arguments = {"epochs": 3, "batch_size": 16, "noise": [Injection(place="input", stddev=0.1)], "engine": "vectorized"}
    few = fit_seeds(build, x, y, seeds=[9, 2, 4], **arguments)
    many = fit_seeds(build, x, y, seeds=range(11), **arguments)
    for quantity in few.history:
        assert (few.history[quantity] == many.history[quantity][[9, 2, 4]]).all()
    for ours, theirs in zip(few.weights, many.weights, strict=True):
        assert (ours == theirs[[9, 2, 4]]).all()
