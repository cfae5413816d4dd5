"""Noise on the weights and on the gradients."""

from __future__ import annotations

import keras
import numpy as np

from noiseflow.laws.draws import STDDEV, moment, product_loss, uncorrelated
from noiseflow.laws.law import Array, Figure, Law, Train, float64
from noiseflow.noise.injection import GRADIENT_DECAY, Injection

N_ROWS, N_UNITS = 32, 256


def outside_the_model(train: Train) -> list[Figure]:
    """Noise on the weights is there while the gradient is computed only; that on gradients falls with the steps."""
    weights, gradients = _weights(train), _gradients(train)
    variance = float(STDDEV**2 * (np.arange(1, N_ROWS + 1) ** -GRADIENT_DECAY).sum())
    taken = {"statement": "a gradient is that at weights + N(0, s²); the weights themselves keep no noise"}
    decay = {"statement": f"after T steps the noise has variance s²·Σ (1 + step)^-{GRADIENT_DECAY}"}
    graves = {"reference": "Graves, Mohamed and Hinton (2013), Speech recognition with deep recurrent neural networks"}
    neelakantan = {"reference": "Neelakantan et al. (2015), Adding gradient noise improves learning, equation 1"}
    rows = np.moveaxis(weights, 1, 0).reshape(N_ROWS, -1)
    return [
        moment(weights, 2, STDDEV**2, 2 * STDDEV**4, name="weights: variance", **taken, **graves),
        uncorrelated("weights: all pairs of steps", "the numbers of each two steps are independent", rows),
        moment(gradients, 2, variance, 2 * variance**2, name="gradients: variance", **decay, **neelakantan),
        uncorrelated(
            "gradients: all pairs of seeds",
            "the numbers of each two seeds are independent",
            gradients.reshape(len(gradients), -1),
        ),
    ]


def _weights(train: Train) -> Array:
    """The draws (n_seeds, n_steps, n_units): the gradient of output²/2 is the output, at weights of 0 the noise alone."""

    def build() -> keras.Model:
        return _linear(lambda y, output: keras.ops.sum(output**2, axis=-1) / 2)

    return -_trained(train, build, Injection(place="weights", stddev=STDDEV))


def _gradients(train: Train) -> Array:
    """Sums of the draws over the steps (n_seeds, n_rows, n_units): the targets are 0, and so is the clean gradient."""

    def build() -> keras.Model:
        return _linear(product_loss)

    return -_trained(train, build, Injection(place="gradients", stddev=STDDEV))


def _linear(loss: object) -> keras.Model:
    output = keras.layers.Dense(N_UNITS, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((N_ROWS,)), output])
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(1.0))
    return model


def _trained(train: Train, build: object, injection: Injection) -> Array:
    targets = np.zeros((N_ROWS, N_UNITS))
    fit = train(build, np.eye(N_ROWS), targets, epochs=1, batch_size=1, shuffle=False, noise=[injection])
    return float64(fit.weights[0])[0]


LAW = Law("outside the model", outside_the_model, finds_wrong_stddev=True)
