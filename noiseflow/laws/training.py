"""Where noise takes the weights: what training under it converges to, and what it does to one step."""

from __future__ import annotations

import keras
import numpy as np
from sklearn.linear_model import Ridge

from noiseflow.laws.record import STANDARD_ERRORS, Array, Law, Train, chance_of_mean, float64, rounding
from noiseflow.spec import Injection

STDDEV = 0.7
N_ROWS = 64
COPIES = 16  # of the rows in a batch, each with noise of its own: the more, the less the weights wander
LEARNING_RATE = 0.03
EPOCHS = 10
STEPS_AN_EPOCH = 50  # so that the start is forgotten: the least curvature here is 1, and (1 - 0.03)^500 is 2e-7
N_TARGETS = 2000


def ridge(train: Train) -> list[Law]:
    """A linear model trained under input noise ends, on average over seeds, in ridge regression's weights.

    A step is linear in the weights, which the noise to come does not depend on; so the mean over seeds takes the very
    steps of gradient descent on the expected loss, at any learning rate that is stable.
    """
    rng = np.random.default_rng(3)
    x = rng.normal([1.0, -0.5], 1.0, size=(N_ROWS, 2))
    y = x @ [1.0, -2.0] + 3.0 + rng.normal(size=N_ROWS)
    expected = Ridge(alpha=N_ROWS * STDDEV**2).fit(x, y)

    def build() -> keras.Model:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(loss="mse", optimizer=keras.optimizers.SGD(LEARNING_RATE))
        return model

    copies = COPIES * STEPS_AN_EPOCH
    fit = train(
        build,
        np.tile(x, (copies, 1)),
        np.tile(y, copies),
        epochs=EPOCHS,
        batch_size=COPIES * N_ROWS,
        shuffle=False,
        noise=[Injection(place="input", stddev=STDDEV)],
        record_every=EPOCHS,
    )
    kernel, bias = float64(*fit.weights)
    ends = {"weight 1": kernel[:, 0, 0], "weight 2": kernel[:, 1, 0], "intercept": bias[:, 0]}
    targets = [*expected.coef_, expected.intercept_]
    return [_end(name, values, float(t)) for (name, values), t in zip(ends.items(), targets, strict=True)]


def _end(name: str, values: Array, expected: float) -> Law:
    return Law(
        name=f"input noise: ridge, {name}",
        statement="the minimiser is ridge regression with alpha = n·s², its intercept not penalised",
        reference="Bishop (1995); sklearn.linear_model.Ridge",
        expected=expected,
        measured=float(values.mean()),
        tolerance=chance_of_mean(values) + rounding(abs(expected), EPOCHS * STEPS_AN_EPOCH),
    )


def target_noise(train: Train) -> list[Law]:
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
        Law(
            name="target noise: MSE",
            statement="E[loss] = clean loss + s², a constant",
            reference="An (1996), The effects of adding noise during backpropagation training",
            expected=constant,
            measured=float(fit.history["loss"][0, 0]),
            tolerance=float(STANDARD_ERRORS * np.sqrt(variance)) + rounding(constant, N_ROWS * N_TARGETS),
        ),
        Law(
            name="target noise: gradient",
            statement="the expected gradient is the clean one (its component along that one, of one step)",
            reference="An (1996)",
            expected=float(2 * np.linalg.norm(residual @ x) / N_ROWS),
            measured=float(along @ gradients.mean(axis=1)),
            tolerance=chance_of_mean(along @ gradients) + rounding(float(np.abs(gradients).max()), N_ROWS),
        ),
    ]
