"""Noise between an activation and a linear output."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from noiseflow.laws.law import Array, Figure, Law, Train, float64, mean_figure
from noiseflow.laws.losses import N_ROWS, STDDEV, frozen, loss_draws

NODES = 80  # Gauss-Hermite with so many is exact to double precision for a softplus


def after_activation_loss(train: Train) -> list[Figure]:
    """Noise between an activation and a linear output with weights v makes the logit N(z, s²‖v‖²)."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(N_ROWS, 4)), rng.integers(0, 2, (N_ROWS, 1)).astype(np.float64)

    def build() -> keras.Model:
        layers = [keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1)]
        cross_entropy = keras.metrics.BinaryCrossentropy(from_logits=True, name="bce")
        return frozen([keras.Input((4,)), *layers], metrics=[cross_entropy])

    fit = loss_draws(train, build, x, y, "after_activation")
    kernel, bias, v, c = float64(*fit.weights)
    z = (np.maximum(x @ kernel + bias[:, None], 0) @ v)[..., 0] + c  # (n_seeds, n_rows)
    spread = STDDEV * np.sqrt((v**2).sum(axis=1))  # (n_seeds, 1)
    labels = y[:, 0]
    squared = ((z - labels) ** 2).mean(axis=1, keepdims=True) + spread**2
    entropy = _gauss_hermite(lambda xi: np.logaddexp(0, z + spread * xi)) - labels * z
    return [
        mean_figure(
            fit.history["loss"],
            squared,
            n_terms=N_ROWS,
            name="noise after the activation: MSE",
            statement="E[loss] = clean loss + s²‖v‖², v the weights of the linear output",
            reference="the logit noise is N(0, s²‖v‖²), being a sum of independent normal numbers",
        ),
        mean_figure(
            fit.history["bce"],
            entropy.mean(axis=1, keepdims=True),
            n_terms=N_ROWS,
            name="noise after the activation: BCE",
            statement="E[loss] = mean of E[softplus(z + s‖v‖ξ)] - yz, by Gauss-Hermite quadrature",
            reference="as above; Abramowitz and Stegun (1964), 25.4.46",
        ),
    ]


def _gauss_hermite(function: Callable[[float], Array]) -> Array:
    """E[function(ξ)] of a standard normal ξ."""
    nodes, weights = hermegauss(NODES)
    total = sum(weight * function(node) for node, weight in zip(nodes, weights, strict=True))
    return np.asarray(total / weights.sum())


LAW = Law("after-activation loss", after_activation_loss, finds_wrong_stddev=True)
