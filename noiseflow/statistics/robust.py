"""Second opinions on paired differences, beside the t interval and the sign-flip test."""

from __future__ import annotations

import warnings
from math import isfinite, nan

import numpy as np
from scipy import stats

from noiseflow.statistics.inference import ALPHA, PERMUTATION_SEED, Array, in_ticks, is_constant, sign_flip_p

BCA_LEAST_N = 20
"""Below it BCa covers .83 to .91 at a nominal .95 (docs/method.md)."""
N_BOOTSTRAP = 9_999
MOST_FLIPPED = 16
"""Signed ranks whose sign flips are all gone through: scipy does so one by one, a thousand times slower."""


def bca_interval(differences: Array, n_resamples: int = N_BOOTSTRAP) -> tuple[float, float]:
    """The 95 % bias-corrected and accelerated bootstrap interval of the mean of differences (n,), from a fixed seed.

    NaN below BCA_LEAST_N values, and where all are equal.

    References: Efron (1987), Better bootstrap confidence intervals, JASA 82; scipy.stats.bootstrap.
    """
    if differences.size < BCA_LEAST_N or is_constant(differences):
        return nan, nan
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # answered by NaN below
        interval = stats.bootstrap(
            (differences,),
            np.mean,
            n_resamples=n_resamples,
            batch=max(1, 2_000_000 // differences.size),
            confidence_level=1 - ALPHA,
            method="BCa",
            rng=np.random.default_rng(PERMUTATION_SEED),
        ).confidence_interval
    low, high = float(interval.low), float(interval.high)
    return (low, high) if isfinite(low) and isfinite(high) else (nan, nan)


def wilcoxon_p(differences: Array) -> float:
    """Two-sided p of Wilcoxon's signed-rank test of differences (n,), zeros left out; 1 if all are, NaN below 2.

    Up to 16 it is the sign-flip test of their signed ranks, exact with ties too; beyond, scipy's choice.

    References: Wilcoxon (1945); scipy.stats.wilcoxon.
    """
    if differences.size < 2:
        return nan
    ticks = in_ticks(differences)
    ticks = ticks[ticks != 0]
    if ticks.size < 2:
        return 1.0
    if ticks.size > MOST_FLIPPED:
        return float(stats.wilcoxon(ticks).pvalue)
    return sign_flip_p(np.sign(ticks) * stats.rankdata(np.abs(ticks)))


def interquartile_mean(scores: Array) -> float:
    """The mean of the middle half of scores (n,): a quarter is cut off at each end; NaN of none.

    References: Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice, section 4.3;
    scipy.stats.trim_mean.
    """
    return float(stats.trim_mean(scores, 0.25)) if scores.size else nan
