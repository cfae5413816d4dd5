"""How well predicted probabilities agree with what came true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def brier_score(probability: Array, y: Array) -> Array:
    """Mean squared difference of probability and outcome: probability's shape without its last axis.

    For two classes told by one number; half of what `brier_score_of_classes` gives for the same as two columns.

    Args:
        probability: (..., n_rows), of class 1.
        y: (n_rows,), 0 or 1.

    References:
        Brier (1950), Verification of forecasts expressed in terms of probability.
    """
    return np.asarray(np.mean((probability - y) ** 2, axis=-1))


def expected_calibration_error(probability: Array, y: Array, n_bins: int = 10) -> Array:
    """Mean gap between confidence and accuracy over equal bins of confidence, weighted by their rows.

    The confidence of a row is the probability of the class predicted for it, so the bins span [1/2, 1]. The result has
    probability's shape without its last axis.

    Args:
        probability: (..., n_rows), of class 1.
        y: (n_rows,), 0 or 1.
        n_bins: number of bins.

    References:
        Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, eq. 3.
    """
    predicted = probability > 0.5
    confidence = np.where(predicted, probability, 1 - probability)
    return _binned_gap(confidence, predicted == y, 0.5, n_bins)


def brier_score_of_classes(probability: Array, y: Array) -> Array:
    """Squared differences of probability and outcome, summed over classes, mean over rows: probability's leading axes.

    In [0, 2], as Brier defined it.

    Args:
        probability: (..., n_rows, n_classes).
        y: (n_rows,), the index of the class that came true.

    References:
        Brier (1950), Verification of forecasts expressed in terms of probability, equation 2.
    """
    outcome = np.eye(probability.shape[-1])[np.asarray(y, np.int64)]
    return np.asarray(np.mean(np.sum((probability - outcome) ** 2, axis=-1), axis=-1))


def expected_calibration_error_of_classes(probability: Array, y: Array, n_bins: int = 10) -> Array:
    """As `expected_calibration_error`, for any number of classes: probability's leading axes.

    The confidence of a row is the probability of the class predicted for it, the highest; the bins are equal parts of
    [1/n_classes, 1], the range that it can take. For two classes that is `expected_calibration_error`.

    Args:
        probability: (..., n_rows, n_classes), each row summing to 1.
        y: (n_rows,), the index of the class that came true.
        n_bins: number of bins.

    References:
        Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, equations 2 and 3.
    """
    confidence, correct = probability.max(axis=-1), probability.argmax(axis=-1) == y
    return _binned_gap(confidence, correct, 1 / probability.shape[-1], n_bins)


def _binned_gap(confidence: Array, correct: Array, lowest: float, n_bins: int) -> Array:
    """Sum over equal bins of [lowest, 1] of |Σ confidence − correct| over the number of rows."""
    gap = confidence - correct
    bin_of = np.clip(((confidence - lowest) / (1 - lowest) * n_bins).astype(np.int64), 0, n_bins - 1)
    totals = [np.abs(np.where(bin_of == k, gap, 0).sum(axis=-1)) for k in range(n_bins)]
    return np.asarray(np.sum(totals, axis=0) / confidence.shape[-1])
