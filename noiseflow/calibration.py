"""How well predicted probabilities agree with what came true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def brier_score(probability: Array, y: Array) -> Array:
    """Mean squared difference of probability and outcome: probability's shape without its last axis.

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
    gap = confidence - (predicted == y)
    bin_of = np.clip(((confidence - 0.5) * 2 * n_bins).astype(np.int64), 0, n_bins - 1)
    totals = [np.abs(np.where(bin_of == k, gap, 0).sum(axis=-1)) for k in range(n_bins)]
    return np.asarray(np.sum(totals, axis=0) / probability.shape[-1])
