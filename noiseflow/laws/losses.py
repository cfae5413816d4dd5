"""What noise adds to the training loss at fixed weights: with a learning rate of 0 each epoch's loss is one more draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy import stats

from noiseflow.engine.result import SeedsFit
from noiseflow.laws.record import Array, Law, Train, float64, mean_law
from noiseflow.spec import Injection

STDDEV = 0.5
N_ROWS = 256
EPOCHS = 40
NODES = 80  # Gauss-Hermite with so many is exact to double precision for a softplus


def input_loss(train: Train) -> list[Law]:
    """Noise on the input of a linear model adds s²‖w‖² to its squared error, whatever its weights."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(N_ROWS, 4)), rng.normal(size=N_ROWS)

    def build() -> keras.Model:
        output = keras.layers.Dense(1, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0))
        return _frozen([keras.Input((4,)), output])

    fit = _draw(train, build, x, y, "input")
    w, b = float64(*fit.weights)  # (n_seeds, 4, 1), (n_seeds, 1)
    clean = ((x @ w)[..., 0] + b - y) ** 2
    return [
        mean_law(
            fit.history["loss"],
            clean.mean(axis=1, keepdims=True) + STDDEV**2 * (w**2).sum(axis=1),
            n_terms=N_ROWS,
            name="input noise: MSE, linear model",
            statement="E[loss] = clean loss + s²‖w‖², at any weights w",
            reference="Bishop (1995), Training with noise is equivalent to Tikhonov regularization",
        )
    ]


def after_activation_loss(train: Train) -> list[Law]:
    """Noise between an activation and a linear output with weights v makes the logit N(z, s²‖v‖²)."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(N_ROWS, 4)), rng.integers(0, 2, (N_ROWS, 1)).astype(np.float64)

    def build() -> keras.Model:
        layers = [keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1)]
        cross_entropy = keras.metrics.BinaryCrossentropy(from_logits=True, name="bce")
        return _frozen([keras.Input((4,)), *layers], metrics=[cross_entropy])

    fit = _draw(train, build, x, y, "after_activation")
    kernel, bias, v, c = float64(*fit.weights)
    z = (np.maximum(x @ kernel + bias[:, None], 0) @ v)[..., 0] + c  # (n_seeds, n_rows)
    spread = STDDEV * np.sqrt((v**2).sum(axis=1))  # (n_seeds, 1)
    labels = y[:, 0]
    squared = ((z - labels) ** 2).mean(axis=1, keepdims=True) + spread**2
    entropy = _gauss_hermite(lambda xi: np.logaddexp(0, z + spread * xi)) - labels * z
    return [
        mean_law(
            fit.history["loss"],
            squared,
            n_terms=N_ROWS,
            name="noise after the activation: MSE",
            statement="E[loss] = clean loss + s²‖v‖², v the weights of the linear output",
            reference="the logit noise is N(0, s²‖v‖²), being a sum of independent normal numbers",
        ),
        mean_law(
            fit.history["bce"],
            entropy.mean(axis=1, keepdims=True),
            n_terms=N_ROWS,
            name="noise after the activation: BCE",
            statement="E[loss] = mean of E[softplus(z + s‖v‖ξ)] - yz, by Gauss-Hermite quadrature",
            reference="as above; Abramowitz and Stegun (1964), 25.4.46",
        ),
    ]


def before_relu_moments(train: Train) -> list[Law]:
    """Noise before a relu biases what comes out of it: the moments of a rectified normal number."""
    a = np.repeat(np.linspace(-1, 1, 41), 10)

    def build() -> keras.Model:
        layers = [_ones(1, activation="relu"), _ones(1)]
        return _frozen([keras.Input((1,)), *layers], metrics=[keras.metrics.MeanAbsoluteError(name="mean")])

    fit = _draw(train, build, a[:, None], np.zeros(len(a)), "before_activation")
    below, density = stats.norm.cdf(a / STDDEV), stats.norm.pdf(a / STDDEV)
    reference = "Johnson, Kotz and Balakrishnan (1994), Continuous Univariate Distributions 1, section 13.10.1"
    return [
        mean_law(
            fit.history["mean"],
            (a * below + STDDEV * density).mean(),
            n_terms=len(a),
            name="noise before a relu: mean",
            statement="E[relu(a + sξ)] = aΦ(a/s) + sφ(a/s)",
            reference=reference,
        ),
        mean_law(
            fit.history["loss"],
            ((a**2 + STDDEV**2) * below + a * STDDEV * density).mean(),
            n_terms=len(a),
            name="noise before a relu: second moment",
            statement="E[relu(a + sξ)²] = (a² + s²)Φ(a/s) + asφ(a/s)",
            reference=reference,
        ),
    ]


def _frozen(layers: list[Any], metrics: list[Any] | None = None) -> keras.Model:
    """A model that training leaves as it is; its loss is the squared error."""
    model = keras.Sequential(layers)
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0), metrics=metrics)
    return model


def _draw(train: Train, build: Callable[[], keras.Model], x: Array, y: Array, place: str) -> SeedsFit:
    return train(build, x, y, epochs=EPOCHS, batch_size=len(x), noise=[Injection(place=place, stddev=STDDEV)])


def _ones(units: int, activation: str | None = None) -> keras.layers.Layer:
    return keras.layers.Dense(units, activation=activation, use_bias=False, kernel_initializer="ones")


def _gauss_hermite(function: Callable[[float], Array]) -> Array:
    """E[function(ξ)] of a standard normal ξ."""
    nodes, weights = hermegauss(NODES)
    total = sum(weight * function(node) for node, weight in zip(nodes, weights, strict=True))
    return np.asarray(total / weights.sum())
