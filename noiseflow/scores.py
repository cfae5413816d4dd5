"""How good outputs are, for all seeds at once: larger scores are better, smaller losses are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
EPSILON = 1e-7
"""Where Keras clips probabilities (`keras.backend.epsilon`)."""


def score(score_name: str, outputs: Array, y: Array, target_scale: float | Array = 1.0) -> Array:
    """The score of each seed, larger being better: (n_seeds,).

    Args:
        score_name: accuracy, balanced_accuracy, auc, -log_loss, r2 or -rmse (`Dataset.score_name`).
        outputs: (n_seeds, n_rows, n_outputs): the probability of class 1, or that of each class, or the value predicted.
        y: (n_rows,), or (n_seeds, n_rows) where each seed has its own rows: class indices, or values.
        target_scale: units of the target per unit of y, one number or (n_seeds,); -rmse is in units of the target.

    Returns:
        NaN for a seed whose outputs are not all finite, and where the rows leave a score without meaning: an auc where only
        one class is there, an r2 of a constant target.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        values = SCORES[score_name](*_aligned(outputs, y))
    finite = np.isfinite(outputs).all(axis=(1, 2))
    return np.where(finite, values * (target_scale if score_name == "-rmse" else 1.0), np.nan)


def loss(outputs: Array, y: Array, n_classes: int) -> Array:
    """The mean cross-entropy, or the mean squared error where n_classes is 0, of each seed: (n_seeds,).

    Probabilities are clipped, and those of several classes brought to the sum 1, as Keras does; shapes as for `score`.
    """
    outputs, y = _aligned(outputs, y)
    return -_negative_log_loss(outputs, y) if n_classes else np.mean((outputs[..., 0] - y) ** 2, axis=1)


def _aligned(outputs: Array, y: Array) -> tuple[Array, Array]:
    """Both in float64, y with the seeds' axis."""
    outputs = np.asarray(outputs, dtype=np.float64)
    return outputs, np.broadcast_to(np.asarray(y, dtype=np.float64), outputs.shape[:2])


def _predicted(outputs: Array) -> NDArray[Any]:
    """The likeliest class: as Keras has it, class 1 above .5, and the first of equal ones."""
    return outputs[..., 0] > 0.5 if outputs.shape[2] == 1 else outputs.argmax(axis=2)


def _accuracy(outputs: Array, y: Array) -> Array:
    return np.asarray(np.mean(_predicted(outputs) == y, axis=1))


def _balanced_accuracy(outputs: Array, y: Array) -> Array:
    """The mean over the classes that there are of the share of their rows that is recognised."""
    hits = _predicted(outputs) == y
    is_class = _is_class(outputs, y)
    n = is_class.sum(axis=2)
    recall = (is_class & hits).sum(axis=2) / n
    return np.asarray(np.where(n > 0, recall, 0).sum(axis=0) / (n > 0).sum(axis=0))


def _auc(outputs: Array, y: Array) -> Array:
    """The area under the ROC curve: how often a row of the class outranks one of the others, ties counting half.

    That of several classes is the mean over the classes, each against all others.

    References:
        Hanley and McNeil (1982), The meaning and use of the area under a receiver operating characteristic (ROC) curve.
        Provost and Domingos (2000), Well-trained PETs, with equal weights of the classes.
    """
    marks = np.moveaxis(outputs, 2, 0)
    is_class = _is_class(outputs, y)
    if len(is_class) == 2:
        marks, is_class = marks[-1:], is_class[1:]
    n = is_class.sum(axis=2)
    ranks = (rankdata(marks, axis=2) * is_class).sum(axis=2)
    return np.asarray(np.mean((ranks - n * (n + 1) / 2) / (n * (y.shape[1] - n)), axis=0))


def _is_class(outputs: Array, y: Array) -> NDArray[np.bool_]:
    """Which rows are of which class: (n_classes, n_seeds, n_rows)."""
    return np.asarray(np.arange(max(2, outputs.shape[2]))[:, None, None] == y)


def _negative_log_loss(outputs: Array, y: Array) -> Array:
    probability = np.clip(outputs, EPSILON, 1 - EPSILON)
    if outputs.shape[2] == 1:
        likelihood = np.where(y == 1, probability[..., 0], 1 - probability[..., 0])
    else:
        chosen = np.take_along_axis(probability, y.astype(int)[..., None], axis=2)[..., 0]
        likelihood = chosen / probability.sum(axis=2)
    return np.asarray(np.mean(np.log(likelihood), axis=1))


def _r2(outputs: Array, y: Array) -> Array:
    spread = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2, axis=1)
    explained = 1 - np.sum((outputs[..., 0] - y) ** 2, axis=1) / spread
    return np.asarray(np.where(np.ptp(y, axis=1) > 0, explained, np.nan))


def _negative_rmse(outputs: Array, y: Array) -> Array:
    return np.asarray(-np.sqrt(np.mean((outputs[..., 0] - y) ** 2, axis=1)))


SCORES: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "auc": _auc,
    "-log_loss": _negative_log_loss,
    "r2": _r2,
    "-rmse": _negative_rmse,
}
