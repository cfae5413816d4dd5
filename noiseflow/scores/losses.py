"""The loss that networks minimise, in float64, for all seeds at once."""

from __future__ import annotations

import numpy as np

from noiseflow.scores.score import Array, aligned, mean_of_targets

EPSILON = 1e-7
"""Where Keras clips probabilities that it has no logits for (`keras.backend.epsilon`)."""
RESOLUTION = 2.0**-53
"""The least probability that the number for one class leaves to the other, in float64: a row's loss is 36.7 at most."""
TINY = 1e-300
"""The least probability of a class that has its own output: a row's loss is 690 at most."""


def loss(outputs: Array, y: Array, n_classes: int) -> Array:
    """The mean cross-entropy, or the mean squared error where n_classes is 0, of each seed: (n_seeds,).

    Probabilities of several classes are scaled to the sum 1, as Keras does.

    Args:
        outputs: (n_seeds, n_rows, n_outputs).
        y: (n_rows,) or (n_seeds, n_rows); of several targets (n_seeds or 1, n_rows, n_targets), for their mean.
    """
    outputs, y = aligned(outputs, y)
    return -mean_of_targets(log_likelihood if n_classes else _negative_squares, outputs, y)


def _negative_squares(outputs: Array, y: Array) -> Array:
    return np.asarray(-np.mean((outputs[..., 0] - y) ** 2, axis=1))


def clipped(probability: Array) -> Array:
    """Probabilities clipped as in Keras' losses, where the logits are not known."""
    return np.clip(probability, EPSILON, 1 - EPSILON)


def log_likelihood(outputs: Array, y: Array) -> Array:
    """The mean logarithm of the probability that each row's class was given: (n_seeds,)."""
    if outputs.shape[2] == 1:
        likelihood = np.maximum(np.where(y == 1, outputs[..., 0], 1 - outputs[..., 0]), RESOLUTION)
    else:
        chosen = np.take_along_axis(outputs, y.astype(int)[..., None], axis=2)[..., 0]
        likelihood = np.maximum(chosen / outputs.sum(axis=2), TINY)
    return np.asarray(np.mean(np.log(likelihood), axis=1))
