"""The average of several networks beside one, from their predictions; and how much seeds disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from noiseflow.statistics.inference import Array

Measure = Callable[[Array], Array]
"""Outputs (n_networks, n_rows, n_outputs) to a score each, larger being better."""
SIZES = (1, 2, 5, 10)


def ensemble_scores(outputs: Array, measure: Measure, size: int) -> Array:
    """The scores of ensembles: the mean outputs of `size` networks each, none in two of them: (n_seeds // size,).

    Args:
        outputs: (n_seeds, n_rows, n_outputs), probabilities or values.

    References: Lakshminarayanan, Pritzel and Blundell (2017), Simple and scalable predictive uncertainty estimation using
    deep ensembles, section 2.4.
    """
    n = len(outputs) // size
    if not n:
        return np.empty(0)
    return measure(outputs[: n * size].reshape(n, size, *outputs.shape[1:]).mean(axis=1))


def grouped_means(scores: Array, size: int) -> Array:
    """The mean scores (n_seeds // size,) of the networks that each ensemble is made of."""
    n = len(scores) // size
    return np.asarray(scores[: n * size].reshape(n, size).mean(axis=1))


def disagreement(classes: Array) -> float:
    """The share of rows on which two networks, each pair counted once, name different classes; NaN below two networks.

    Args:
        classes: (n_seeds, n_rows).
    """
    n = len(classes)
    if n < 2:
        return float("nan")
    alike = sum((np.square((classes == k).sum(axis=0)) for k in np.unique(classes)), np.zeros(classes.shape[1]))
    return float(1 - ((alike - n) / (n * (n - 1))).mean())


def bias_and_variance(outputs: Array, truth: Array) -> tuple[float, float]:
    """Mean over rows of (mean output - truth)², noise in the truth included, and of the variance over networks.

    Their sum is the mean squared error of one network (the Brier score of probabilities), up to the variance's n - 1.

    Args:
        outputs: (n_seeds, n_rows, n_outputs).
        truth: (n_rows, n_outputs): values, or 1 for the class that is true.

    References: Geman, Bienenstock and Doursat (1992), Neural networks and the bias/variance dilemma, section 3.
    """
    bias = np.square(outputs.mean(axis=0) - truth).sum(axis=-1).mean()
    variance = outputs.var(axis=0, ddof=1).sum(axis=-1).mean() if len(outputs) > 1 else np.nan
    return float(bias), float(variance)


def sizes_of(n_seeds: Sequence[int]) -> list[int]:
    """The sizes with at least two ensembles of every variant."""
    least = min(n_seeds, default=0)
    return [size for size in SIZES if least // size >= 2]
