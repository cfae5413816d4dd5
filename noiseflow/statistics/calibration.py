"""How well predicted probabilities agree with what came true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Array = NDArray[Any]


def brier_score(probability: Array, y: Array) -> Array:
    """Mean squared difference of probability and outcome: probability's shape without its last axis.

    For two classes with one probability. It is half of what `brier_score_of_classes` gives for the same as two columns.

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
    probability's shape without its last axis. It is never below 0, so that few rows make it too large:
    `chance_calibration_error` says by how much.

    Args:
        probability: (..., n_rows), of class 1.
        y: (n_rows,), 0 or 1.
        n_bins: number of bins.

    References:
        Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, eq. 3.
    """
    return _binned_gap(_confidence(probability), (probability > 0.5) == y, 0.5, n_bins)


def chance_calibration_error(probability: Array, n_bins: int = 10) -> Array:
    """The mean of `expected_calibration_error` of a perfect model that gives these probabilities, on as many rows.

    What comes true in a bin is taken as binomial with the mean confidence there.

    References:
        De Moivre (1730); Diaconis and Zabell (1991), Closed form summation for classical distributions, equation 1.1.
        Bröcker and Smith (2007), Increasing the reliability of reliability diagrams.
    """
    return _chance(_confidence(probability), 0.5, n_bins)


def chance_calibration_error_of_classes(probability: Array, n_bins: int = 10) -> Array:
    """As `chance_calibration_error`, of `expected_calibration_error_of_classes`."""
    return _chance(probability.max(axis=-1), 1 / probability.shape[-1], n_bins)


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


def _confidence(probability: Array) -> Array:
    return np.where(probability > 0.5, probability, 1 - probability)


def _binned_gap(confidence: Array, correct: Array, lowest: float, n_bins: int) -> Array:
    """Sum over equal bins of [lowest, 1] of |Σ confidence − correct| over the number of rows."""
    totals = [np.abs(np.where(own, confidence - correct, 0).sum(axis=-1)) for own in _bins(confidence, lowest, n_bins)]
    return np.asarray(np.sum(totals, axis=0) / confidence.shape[-1])


def _chance(confidence: Array, lowest: float, n_bins: int) -> Array:
    """The mean of that sum where each row comes true as often as its confidence says."""
    totals = []
    for own in _bins(confidence, lowest, n_bins):
        n = own.sum(axis=-1)
        p = np.where(own, confidence, 0).sum(axis=-1) / np.maximum(n, 1)
        m = np.floor(n * p) + 1
        totals.append(np.where((n > 0) & (p < 1), 2 * m * (1 - p) * binom.pmf(m, n, np.minimum(p, 1)), 0))
    return np.asarray(np.sum(totals, axis=0) / confidence.shape[-1])


def _bins(confidence: Array, lowest: float, n_bins: int) -> list[Array]:
    """Which rows are in each of the equal bins of [lowest, 1]."""
    with np.errstate(invalid="ignore"):  # NaN of a training that diverged stays so, whatever its bin
        bin_of = np.clip(((confidence - lowest) / (1 - lowest) * n_bins).astype(np.int64), 0, n_bins - 1)
    return [bin_of == k for k in range(n_bins)]
