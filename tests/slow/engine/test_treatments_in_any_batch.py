"""Injections and controls of every kind on models of more than one form: rows alike in any batch, and both engines alike."""

import keras
import numpy as np
import pytest

from noiseflow import fit_seeds
from noiseflow.study import Control, Injection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
L = keras.layers
NOISE = [
    Injection(place="input", stddev=0.1, relative=True, schedule="linear", final=0.5),
    Injection(place="before_activation", kind="dropout", rate=0.2),
    Injection(place="labels", kind="flip", rate=0.1),
    Injection(place="weights", stddev=0.05),
    Injection(place="gradients", stddev=0.01),
]
CONTROLS = [Control(kind="l2", factor=0.001), Control(kind="early_stopping", patience=3, validation_fraction=0.25)]


def cnn():
    layers = [L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2), L.BatchNormalization(), L.Flatten()]
    model = keras.Sequential([keras.Input((6, 6, 1)), *layers, L.Dense(3, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(60, 6, 6, 1)), rng.integers(0, 3, 60)
    x[:, 0, 0, 0] += 2 * y
    return x, y


def fit(rows, seeds, engine="vectorized", **changes):
    arguments = {"epochs": 12, "batch_size": 15, "noise": NOISE, "controls": CONTROLS, "validation_data": rows}
    return fit_seeds(cnn, *rows, seeds=seeds, engine=engine, **(arguments | changes))


def test_rows_are_bitwise_alike_in_batches_of_one_three_and_nine(rows):
    nine = fit(rows, range(9))
    for seeds in ([4], [8, 0, 3]):
        few = fit(rows, seeds)
        assert all((few.history[name] == nine.history[name][seeds]).all() for name in few.history)
        assert all((a == b[seeds]).all() for a, b in zip(few.weights, nine.weights, strict=True))
        assert (few.epochs_trained == nine.epochs_trained[seeds]).all()
        assert (few.best_epoch == nine.best_epoch[seeds]).all()


@pytest.mark.evidence  # kind by kind the laws and test_treatments.py ask for it
def test_engines_end_alike_on_average(rows):
    """Other draws, the same meaning: mean validation losses of four seeds differ by chance only."""
    ours, theirs = (
        fit(rows, range(4), engine, controls=CONTROLS[:1], epochs=6).history["val_loss"][:, -1].astype(float)
        for engine in ("vectorized", "reference")
    )
    error = np.sqrt(ours.var(ddof=1) / 4 + theirs.var(ddof=1) / 4)
    assert abs(ours.mean() - theirs.mean()) < 5 * error
