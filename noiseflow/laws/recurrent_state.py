"""Noise on the state of a recurrent layer."""

from __future__ import annotations

import keras
import numpy as np

from noiseflow.laws.draws import N_COLUMNS, STDDEV, moment, recording_model
from noiseflow.laws.law import Figure, Law, Train, float64
from noiseflow.noise.injection import Injection

N_UNITS = 64
N_TIMES = 48  # more than a simple recurrence is written out for: the loop is looked at


def recurrent_state(train: Train) -> list[Figure]:
    """A state that is passed on unchanged collects the noise of all its steps: their variances add."""

    def build() -> keras.Model:
        recurrence = keras.layers.SimpleRNN(
            N_UNITS, activation="linear", use_bias=False, recurrent_initializer="identity", trainable=False
        )
        inputs = keras.Input((N_TIMES, 1))
        return recording_model(inputs, recurrence(inputs), N_COLUMNS)

    noise = [Injection(place="recurrent_state", stddev=STDDEV)]
    x, y = np.zeros((N_COLUMNS, N_TIMES, 1)), np.eye(N_COLUMNS)
    fit = train(build, x, y, epochs=1, batch_size=1, shuffle=False, seeds=range(4), noise=noise)
    draws, variance = -float64(fit.weights[-1])[0], N_TIMES * STDDEV**2
    return [
        moment(
            draws,
            2,
            variance,
            2 * variance**2,
            name=f"recurrent state: {N_TIMES} steps add",
            statement="the state after T steps of an identity recurrence has variance T·s²",
            reference="Dieng et al. (2018), Noisin: unbiased regularization for recurrent neural networks",
        )
    ]


LAW = Law("recurrent state", recurrent_state, finds_wrong_stddev=True)
