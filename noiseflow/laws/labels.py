"""Noise on the targets."""

from __future__ import annotations

import keras
import numpy as np

from noiseflow.laws.draws import STDDEV, moment, uncorrelated
from noiseflow.laws.law import Figure, Law, Train, float64, mean_figure
from noiseflow.noise.injection import Injection

N_ROWS, N_TARGETS, ROWS_A_STEP = 32, 256, 4
N_CLASSES, RATE = 4, 0.3
AN = "An (1996), The effects of adding noise during backpropagation training"


def labels(train: Train) -> list[Figure]:
    """Noise on the targets adds its variance to the squared error, and nothing to the expected gradient.

    The i-th row moves the i-th row of the weights alone, from 0 to the very targets that the step compares with.
    """
    y = np.random.default_rng(4).normal(size=(N_ROWS, N_TARGETS))

    def build() -> keras.Model:
        return _of_rows(N_TARGETS, "mse", N_TARGETS / 2)  # Keras' MSE is a mean over the targets

    noise = [Injection(place="labels", stddev=STDDEV)]
    fit = train(build, np.eye(N_ROWS), y, epochs=1, batch_size=ROWS_A_STEP, shuffle=False, noise=noise)
    draws = float64(fit.weights[0])[0] - y
    rows = np.moveaxis(draws, 1, 0).reshape(N_ROWS, -1)
    expected = (y**2).mean() + STDDEV**2
    words = {"statement": "E[loss] = clean loss + s², a constant", "reference": AN}
    gradient = {"statement": "the expected gradient is the clean one", "reference": AN}
    spread = {
        "statement": "each target has its own number, of variance s²",
        "reference": "the moments of N(0, s²)",
    }
    return [
        mean_figure(fit.history["loss"], expected, N_ROWS * N_TARGETS, name="labels: MSE", **words),
        moment(draws, 1, 0.0, STDDEV**2, name="labels: gradient", **gradient),
        moment(draws, 2, STDDEV**2, 2 * STDDEV**4, name="labels: variance", **spread),
        uncorrelated("labels: all pairs of rows", "the numbers of each two rows are independent", rows),
        *_flips(train),
    ]


def _flips(train: Train) -> list[Figure]:
    """How often labels were flipped: a row counted as the class that got a larger weight."""
    n_rows = 1024
    y = np.random.default_rng(5).integers(0, N_CLASSES, n_rows)

    def build() -> keras.Model:
        return _of_rows(N_CLASSES, keras.losses.SparseCategoricalCrossentropy(from_logits=True), 1.0, n_rows)

    noise = [Injection(place="labels", kind="flip", rate=RATE)]
    fit = train(build, np.eye(n_rows), y, epochs=1, batch_size=n_rows, noise=noise)
    further = (float64(fit.weights[0])[0].argmax(axis=-1) - y) % N_CLASSES  # (n_seeds, n_rows), 0 where it stayed
    share = {"statement": "a row counts as another class with probability rate", "reference": "noiseflow.noise: flip"}
    which = {"statement": "each of the other classes is as likely", "reference": "noiseflow.noise: flip"}
    mean = RATE * N_CLASSES / 2
    return [
        mean_figure(further > 0, RATE, n_rows, name="labels: share that flips", **share),
        mean_figure(further, mean, n_rows, name="labels: classes flipped to", **which),
    ]


def _of_rows(units: int, loss: object, learning_rate: float, n_rows: int = N_ROWS) -> keras.Model:
    output = keras.layers.Dense(units, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((n_rows,)), output])
    rows_a_step = ROWS_A_STEP if n_rows == N_ROWS else n_rows
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(learning_rate * rows_a_step))
    return model


LAW = Law("labels", labels, finds_wrong_stddev=True)
