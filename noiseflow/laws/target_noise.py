"""Noise on the targets."""

from __future__ import annotations

import keras
import numpy as np

from noiseflow.laws.law import STANDARD_ERRORS, Figure, Law, Train, chance_of_mean, float64, rounding

STDDEV = 0.7
N_ROWS = 64
N_TARGETS = 2000


def target_noise(train: Train) -> list[Figure]:
    """Noise on the targets adds its variance to the squared error, and nothing to the expected gradient.

    One step of gradient descent on N_TARGETS outputs with the same weights, each with targets of its own draw: the step
    of an output is one draw of the gradient.
    """
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(N_ROWS, 3)), rng.normal(size=N_ROWS)
    start = 0.5

    def build() -> keras.Model:
        initial = keras.initializers.Constant(start)
        output = keras.layers.Dense(N_TARGETS, use_bias=False, kernel_initializer=initial)
        model = keras.Sequential([keras.Input((3,)), output])
        model.compile(loss="mse", optimizer=keras.optimizers.SGD(float(N_TARGETS)))  # Keras' MSE is a mean over outputs
        return model

    targets = y[:, None] + STDDEV * rng.normal(size=(N_ROWS, N_TARGETS))
    fit = train(build, x, targets, epochs=1, batch_size=N_ROWS)
    residual = start * x.sum(axis=1) - y
    gradients = start - float64(fit.weights[0])[0][0]  # (3, n_targets), of the first seed: all are alike
    along = residual @ x / np.linalg.norm(residual @ x)  # the clean gradient's direction
    constant = float((residual**2).mean() + STDDEV**2)
    variance = (4 * STDDEV**2 * residual**2 + 2 * STDDEV**4).mean() / (N_ROWS * N_TARGETS)
    return [
        Figure(
            name="target noise: MSE",
            statement="E[loss] = clean loss + s², a constant",
            reference="An (1996), The effects of adding noise during backpropagation training",
            expected=constant,
            measured=float(fit.history["loss"][0, 0]),
            tolerance=float(STANDARD_ERRORS * np.sqrt(variance)) + rounding(constant, N_ROWS * N_TARGETS),
        ),
        Figure(
            name="target noise: gradient",
            statement="the expected gradient is the clean one (its component along that one, of one step)",
            reference="An (1996)",
            expected=float(2 * np.linalg.norm(residual @ x) / N_ROWS),
            measured=float(along @ gradients.mean(axis=1)),
            tolerance=chance_of_mean(along @ gradients) + rounding(float(np.abs(gradients).max()), N_ROWS),
        ),
    ]


LAW = Law("target noise", target_noise, finds_wrong_stddev=False)
