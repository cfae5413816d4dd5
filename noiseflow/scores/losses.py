"""The loss that networks minimise, in float64, for all seeds at once."""

from __future__ import annotations

import numpy as np

from noiseflow.scores.score import Array, aligned, mean_of_targets

EPSILON = 1e-7
"""Where Keras clips probabilities (`keras.backend.epsilon`)."""


def loss(outputs: Array, y: Array, n_classes: int) -> Array:
    """The mean cross-entropy, or the mean squared error where n_classes is 0, of each seed: (n_seeds,).

    Probabilities are clipped, and those of several classes are scaled to the sum 1, as Keras does.

    Args:
        outputs: (n_seeds, n_rows, n_outputs).
        y: (n_rows,) or (n_seeds, n_rows); of several targets, whose mean it is, (n_seeds or 1, n_rows, n_targets).
    """
    outputs, y = aligned(outputs, y)
    return -mean_of_targets(log_likelihood if n_classes else _negative_squares, outputs, y)


def _negative_squares(outputs: Array, y: Array) -> Array:
    return np.asarray(-np.mean((outputs[..., 0] - y) ** 2, axis=1))


def log_likelihood(outputs: Array, y: Array) -> Array:
    """The mean logarithm of the probability that each row's class was given: (n_seeds,)."""
    probability = np.clip(outputs, EPSILON, 1 - EPSILON)
    if outputs.shape[2] == 1:
        likelihood = np.where(y == 1, probability[..., 0], 1 - probability[..., 0])
    else:
        chosen = np.take_along_axis(probability, y.astype(int)[..., None], axis=2)[..., 0]
        likelihood = chosen / probability.sum(axis=2)
    return np.asarray(np.mean(np.log(likelihood), axis=1))
