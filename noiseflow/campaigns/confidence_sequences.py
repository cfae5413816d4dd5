"""Confidence sequences: intervals of a mean that stay valid however often they are looked at, and p-values that do."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from noiseflow.statistics.inference import ALPHA, RESOLUTION, Array, in_ticks

EFFECT_VARIANCE = 0.2
"""Variance of the effect size that the evidence is spread over: near the narrowest from 30 to 10,950 pairs (method.md)."""
LEAST_UNLIKE = 15
"""Least number of values unlike the commonest one: with fewer a sequence says nothing, if more than half are alike."""
MOST = 1_000_000
"""More pairs than this are no plan: the answer is then infinity."""


def log_evidence(mean: ArrayLike, std: ArrayLike, n: ArrayLike) -> Array:
    """Logarithm of the evidence against a true mean of 0: how much likelier a mixture of effects makes what was seen.

    With t = √n · mean/std, it is the likelihood ratio of t: of effect sizes (true mean over true std) distributed
    N(0, EFFECT_VARIANCE), against an effect of 0. For normal values it is a martingale under the null that starts at 1,
    whatever their variance, so it ever exceeds 1/α with a chance of α at most. NaN below 2 values.

    Args:
        mean: of the values seen so far, less the mean to be tested; any shape.
        std: their standard deviation, with n − 1; broadcast against it.
        n: their number.

    References: Lai (1976), On confidence sequences, Annals of Statistics 4; Rouder, Speckman, Sun, Morey and Iverson
    (2009), Bayesian t tests, Psychonomic Bulletin & Review 16: its Bayes factor averages this one over g; Hendriksen,
    de Heide and Grünwald (2021), Optional stopping with Bayes factors, Bayesian Analysis 16; Wang and Ramdas (2024),
    Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance.
    """
    centre, spread, count = _settled(mean, std, n)
    signal = count * _snapped(centre) ** 2  # t² = signal · (n − 1)/noise; written without a division by the spread
    noise = (count - 1) * spread**2
    gain = np.log1p(count * EFFECT_VARIANCE)
    least = np.where(signal + noise > 0, 0.0, 1.0)  # all values 0: no evidence, t = 0
    ratio = np.log(signal + noise + least) - np.log(signal * np.exp(-gain) + noise + least)
    return np.asarray(np.where(count >= 2, (count * ratio - gain) / 2, nan))


def always_valid_p(mean: ArrayLike, std: ArrayLike, n: ArrayLike) -> Array:
    """The p of a true mean of 0 that stays valid under any number of looks: 1 over the evidence, at most 1.

    P(it is ever α or less) is at most α. NaN below 2 values.

    Args: as for `log_evidence`.
    """
    return np.asarray(np.exp(-np.maximum(log_evidence(mean, std, n), 0.0)))


def half_width(std: ArrayLike, n: ArrayLike, alpha: ArrayLike = ALPHA) -> Array:
    """Half the width of the confidence sequence at n values: infinite while they are too few, and below 2 values.

    The means that the evidence does not exceed 1/α against: with r = ((1 + n g)/α²)^(1/n) and g = EFFECT_VARIANCE,
    std/√n · √((n − 1)(r − 1)/(1 − r/(1 + n g))), where r is below 1 + n g.

    Args:
        std: standard deviation of the values, with n − 1; any shape.
        n: their number; broadcast against it.
        alpha: the chance, over all looks together, that the sequence leaves the true mean out.

    References: as for `log_evidence`, solved for the mean.
    """
    _, spread, count = _settled(0.0, std, n)
    gain = np.log1p(count * EFFECT_VARIANCE)
    growth = (gain - 2 * np.log(alpha)) / np.maximum(count, 1)  # log r
    speaks = (count >= 2) & (growth < gain)
    left = np.where(speaks, -np.expm1(growth - gain), 1.0)
    wide = spread * np.sqrt((count - 1).clip(0) * np.expm1(np.where(speaks, growth, 0.0)) / left / np.maximum(count, 1))
    return np.asarray(np.where(speaks, wide, inf))


def confidence_sequence(mean: ArrayLike, std: ArrayLike, n: ArrayLike, alpha: ArrayLike = ALPHA) -> tuple[Array, Array]:
    """Low and high ends of the confidence sequence of a mean; NaN while values are too few to bound it.

    It covers the true mean at every n at once with a chance of 1 − alpha, for normal values; of no width where all are
    equal. It excludes 0 exactly where `always_valid_p` is below alpha.

    Args: as for `log_evidence` and `half_width`.
    """
    half = half_width(std, n, alpha)
    half = np.where(np.isfinite(half), half, nan)
    centre = np.asarray(mean, np.float64)
    return np.asarray(centre - half), np.asarray(centre + half)


def count_alike(values: Array) -> int:
    """How many of the values (n,) share the commonest one; 0 of none."""
    return int(np.unique(in_ticks(values), return_counts=True)[1].max(initial=0))


def are_telling(n_alike: ArrayLike, n: ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether values vary enough to be bounded: at most half are alike, or 15 differ from the commonest.

    Where nearly all differences are 0 and the rest lie on one side, the few that were seen say little about how many will
    come. They make the sequence's width, which is then too narrow (docs/method.md, "What the methods hold").

    Args:
        n_alike: how many share the commonest value, as of a look; any shape.
        n: the number of values as of that look; broadcast against it.
    """
    alike, count = np.broadcast_arrays(np.asarray(n_alike), np.asarray(n))
    return np.asarray((2 * alike <= count) | (count - alike >= LEAST_UNLIKE))


def pairs_needed(std: ArrayLike, margin: float, alpha: float = ALPHA) -> Array:
    """The least number of pairs at which the sequence is as narrow as ± margin, with these spreads (any shape).

    Whole numbers as floats; infinity above MOST; NaN where std or margin are, or the margin is not above 0.
    """
    spread = np.asarray(std, np.float64)
    known = np.isfinite(spread) & (margin > 0)
    reachable = known & (half_width(np.where(known, spread, 0.0), MOST, alpha) <= margin)
    low, high = np.ones(spread.shape, np.int64), np.full(spread.shape, MOST)  # too few, enough
    while reachable.any() and (high - low > 1).any():
        middle = (low + high) // 2
        narrow = half_width(np.where(reachable, spread, 0.0), middle, alpha) <= margin
        low, high = np.where(narrow, low, middle), np.where(narrow, middle, high)
    return np.asarray(np.where(reachable, high, np.where(known, inf, nan)), np.float64)


def _settled(mean: ArrayLike, std: ArrayLike, n: ArrayLike) -> tuple[Array, Array, Array]:
    """The arguments as float arrays of one shape. The spread is 0 where it is rounding only, or of a single value."""
    centre, spread, count = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (mean, std, n)))
    return centre, np.where(count >= 2, _snapped(spread), 0.0), count


def _snapped(values: Array) -> Array:
    return np.where(np.abs(values) <= RESOLUTION, 0.0, values)
