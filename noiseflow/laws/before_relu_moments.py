"""Noise before a relu."""

from __future__ import annotations

import keras
import numpy as np
from scipy import stats

from noiseflow.laws.law import Figure, Law, Train, mean_figure
from noiseflow.laws.losses import STDDEV, frozen, loss_draws


def before_relu_moments(train: Train) -> list[Figure]:
    """Noise before a relu biases what comes out of it: the moments of a rectified normal number."""
    a = np.repeat(np.linspace(-1, 1, 41), 10)

    def build() -> keras.Model:
        layers = [_ones(1, activation="relu"), _ones(1)]
        return frozen([keras.Input((1,)), *layers], metrics=[keras.metrics.MeanAbsoluteError(name="mean")])

    fit = loss_draws(train, build, a[:, None], np.zeros(len(a)), "before_activation")
    below, density = stats.norm.cdf(a / STDDEV), stats.norm.pdf(a / STDDEV)
    reference = "Johnson, Kotz and Balakrishnan (1994), Continuous Univariate Distributions 1, section 13.10.1"
    return [
        mean_figure(
            fit.history["mean"],
            (a * below + STDDEV * density).mean(),
            n_terms=len(a),
            name="noise before a relu: mean",
            statement="E[relu(a + sξ)] = aΦ(a/s) + sφ(a/s)",
            reference=reference,
        ),
        mean_figure(
            fit.history["loss"],
            ((a**2 + STDDEV**2) * below + a * STDDEV * density).mean(),
            n_terms=len(a),
            name="noise before a relu: second moment",
            statement="E[relu(a + sξ)²] = (a² + s²)Φ(a/s) + asφ(a/s)",
            reference=reference,
        ),
    ]


def _ones(units: int, activation: str | None = None) -> keras.layers.Layer:
    return keras.layers.Dense(units, activation=activation, use_bias=False, kernel_initializer="ones")


LAW = Law("before-relu moments", before_relu_moments, finds_wrong_stddev=True)
