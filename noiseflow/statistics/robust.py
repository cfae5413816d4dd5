"""Second methods for paired differences, beside the t interval and the sign-flip test."""

from __future__ import annotations

from functools import lru_cache
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from noiseflow.statistics.inference import (
    PERMUTATION_SEED,
    TAIL,
    Array,
    by_size,
    in_ticks,
    is_constant,
    sign_flip_p,
)

BCA_LEAST_N = 20
"""Below it BCa covers .83 to .91 at a nominal .95 (docs/method.md)."""
N_BOOTSTRAP = 9_999
MOST_FLIPPED = 16
"""Most signed ranks for which all sign flips are computed: scipy does so one by one, a thousand times slower."""
DRAWN, GATHERED = 2_000_000, 100_000  # indices that are drawn at a time, and values gathered, which stay in the cache
LEFT_OUT = 128  # leave-one-out means at a time


def bca_interval(differences: Array, n_resamples: int = N_BOOTSTRAP) -> tuple[Array, Array]:
    """The 95 % bias-corrected and accelerated bootstrap interval of the mean of differences (..., n): low and high (...).

    NaN below BCA_LEAST_N values, and where all are equal. Equals scipy.stats.bootstrap bit for bit, which draws the same
    resamples anew for each row; here all rows share them.

    References: Efron (1987), Better bootstrap confidence intervals, JASA 82; Efron and Tibshirani (1993), An Introduction
    to the Bootstrap, section 14.3.
    """
    n = differences.shape[-1]
    bounds = np.full((2, *differences.shape[:-1]), nan)
    varied = ~is_constant(differences) if n >= BCA_LEAST_N else np.zeros(differences.shape[:-1], np.bool_)
    rows = np.ascontiguousarray(differences[varied], np.float64)
    with np.errstate(all="ignore"):  # answered by NaN
        low, high = _bca_of_rows(rows, n_resamples)
    bounds[:, varied] = np.where(np.isfinite(low) & np.isfinite(high), [low, high], nan)
    return bounds[0], bounds[1]


def _bca_of_rows(rows: Array, n_resamples: int) -> Array:
    """Low and high (2, k) of rows (k, n) that are not constant; NaN or infinite where the bootstrap degenerates."""
    bounds = np.full((2, len(rows)), nan)
    if len(rows):
        means = _resampled_means(rows, n_resamples)
        mean = rows.mean(axis=-1, keepdims=True)
        below = np.count_nonzero(means < mean, axis=-1) + np.count_nonzero(means <= mean, axis=-1)
        bias = special.ndtri(below / (2 * n_resamples))
        skew = np.array([_acceleration(row) for row in rows])
        ends = [bias + z for z in (special.ndtri(TAIL), -special.ndtri(TAIL))]
        levels = np.stack([special.ndtr(bias + end / (1 - skew * end)) for end in ends], axis=-1)
        sound = np.isfinite(levels).all(axis=-1)
        bounds[:, sound] = stats.quantile(means[sound], levels[sound], axis=-1).T
    return bounds


def _resampled_means(rows: Array, n_resamples: int) -> Array:
    """Means (k, n_resamples) of resamples of rows (k, n), drawn in the order in which scipy draws them."""
    n = rows.shape[-1]
    rng = np.random.default_rng(PERMUTATION_SEED)
    means = np.empty((len(rows), n_resamples))
    block = max(1, DRAWN // n)
    for begin in range(0, n_resamples, block):
        chosen = rng.integers(0, n, (min(block, n_resamples - begin), n))
        step = max(1, GATHERED // n)
        for first in range(0, len(chosen), step):
            part = chosen[first : first + step]
            drawn = np.empty(part.shape)
            for row, out in zip(rows, means[:, begin + first :], strict=True):
                np.take(row, part, out=drawn, mode="clip")
                np.mean(drawn, axis=-1, out=out[: len(part)])
    return means


def _acceleration(values: Array) -> float:
    """The skewness of the mean of values (n,) from its n leave-one-out means (the jackknife)."""
    n = values.size
    means = np.concatenate([values[_all_but(n, begin)].mean(axis=-1) for begin in range(0, n, LEFT_OUT)])
    pull = (n - 1.0) * (means.mean() - means)
    return float(1 / 6 * ((pull**3).sum() / float(n) ** 3) / ((pull**2).sum() / float(n) ** 2) ** (3 / 2))


@lru_cache(maxsize=4)
def _all_but(n: int, begin: int) -> NDArray[np.intp]:
    """Indices (LEFT_OUT, n − 1) of n values, each row leaving out one of those from `begin` on."""
    left_out = np.arange(begin, min(begin + LEFT_OUT, n))[:, np.newaxis]
    kept = np.arange(n - 1)[np.newaxis]
    return np.asarray(kept + (kept >= left_out))


def wilcoxon_p(differences: Array) -> Array:
    """Two-sided p (...) of Wilcoxon's signed-rank test of differences (..., n), zeros left out; 1 if all are, NaN below 2.

    Up to 16 it is the sign-flip test of their signed ranks, exact with ties too; beyond, scipy's choice.

    References: Wilcoxon (1945); scipy.stats.wilcoxon.
    """
    if differences.shape[-1] < 2:
        return np.full(differences.shape[:-1], nan)
    ticks = in_ticks(differences).reshape(-1, differences.shape[-1])
    p = np.ones(len(ticks))
    for places, whole in by_size([row[row != 0] for row in ticks]):
        n = whole.shape[-1]
        sizes = np.sort(np.abs(whole), axis=-1)
        tied = (sizes[:, 1:] == sizes[:, :-1]).any(axis=-1)  # scipy's choice hangs on it, and is one for all rows
        for alike in (tied, ~tied):
            rows, at = whole[alike], np.asarray(places)[alike]
            if len(rows) and n > MOST_FLIPPED:
                p[at] = stats.wilcoxon(rows, axis=-1).pvalue
            elif len(rows) and n > 1:
                p[at] = sign_flip_p(np.sign(rows) * stats.rankdata(np.abs(rows), axis=-1))
    return np.asarray(p.reshape(differences.shape[:-1]))


def interquartile_mean(scores: Array) -> Array:
    """The mean (...) of the middle half of scores (..., n): a quarter is cut off at each end; NaN of none.

    References: Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice, section 4.3;
    scipy.stats.trim_mean.
    """
    if scores.shape[-1] == 0:
        return np.full(scores.shape[:-1], nan)
    return np.asarray(stats.trim_mean(scores, 0.25, axis=-1))
