"""A linear model under input noise converges to ridge regression."""

from __future__ import annotations

import keras
import numpy as np
from sklearn.linear_model import Ridge

from noiseflow.laws.law import Array, Figure, Law, Train, chance_of_mean, float64, rounding
from noiseflow.noise.injection import Injection

STDDEV = 0.7
N_ROWS = 64
COPIES = 16  # of the rows in a batch, each with its own noise: the more, the less the weights wander
LEARNING_RATE = 0.03
EPOCHS = 10
STEPS_AN_EPOCH = 50  # so that the start is forgotten: the least curvature here is 1, and (1 - 0.03)^500 is 2e-7


def ridge(train: Train) -> list[Figure]:
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


def _end(name: str, values: Array, expected: float) -> Figure:
    return Figure(
        name=f"input noise: ridge, {name}",
        statement="the minimiser is ridge regression with alpha = n·s², its intercept not penalised",
        reference="Bishop (1995); sklearn.linear_model.Ridge",
        expected=expected,
        measured=float(values.mean()),
        tolerance=chance_of_mean(values) + rounding(abs(expected), EPOCHS * STEPS_AN_EPOCH),
    )


LAW = Law("ridge", ridge, finds_wrong_stddev=True)
