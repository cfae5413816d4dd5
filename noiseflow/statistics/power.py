"""How many seeds it takes: from the spread seen so far to the n of the next study."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from noiseflow.statistics.inference import ALPHA, LEAST_N, Array

POWER = 0.8
MOST = 1_000_000
"""More seeds than this are no plan: the answer is then infinity."""


def seeds_needed(
    std_of_differences: ArrayLike, margin: ArrayLike, comparisons: int = 1, power: float = POWER, ratio: float = 0.0
) -> Array:
    """The least number of pairs with which a paired t test finds a true difference as large as the margin.

    Whole numbers as floats, of the shape of the standard deviations; infinity above MOST; NaN where std or margin are. The
    level is .05 / comparisons; never below `LEAST_N`. It is an estimate: the spread
    of few pairs is itself uncertain.

    Args:
        std_of_differences: standard deviations of the paired differences, in units of the score; any shape.
        margin: the least difference worth having, above 0, in the same units; one for all, or one for each.
        comparisons: comparisons in the family.
        power: chance of finding it, in (0, 1).
        ratio: rows that test over rows that train, where seeds split the same rows again: the variance of the mean is then
            std² (1/n + ratio), which no number of splits brings to 0.

    References: Nadeau and Bengio (2003), on ratio; Cohen (1988), section 2.3, on the power. Left out is the chance
    of finding the opposite sign: it is below 10⁻⁵ where it matters, and scipy does not compute it everywhere.
    """
    std, margins = np.broadcast_arrays(np.asarray(std_of_differences, np.float64), np.asarray(margin, np.float64))
    least, level = LEAST_N, ALPHA / max(comparisons, 1)
    known = np.isfinite(std) & (margins > 0)
    # ten standard errors: certain, and beyond what scipy computes
    certain = std * (1 / least + ratio) ** 0.5 <= margins / 10
    effect = (margins / np.where(known & ~certain, std, 1.0)).ravel()

    def suffices(n: Array, at: NDArray[np.intp]) -> NDArray[np.bool_]:
        return np.asarray(
            stats.nct.sf(stats.t.isf(level / 2, n - 1), n - 1, effect[at] / (1 / n + ratio) ** 0.5) >= power
        )

    needed = np.where(certain, float(least), smallest_enough(suffices, known & ~certain, least, MOST))
    return np.asarray(np.where(known, needed, nan))


def needed_range(needed: float, n_pairs: int, confidence: float = 1 - ALPHA) -> tuple[float, float]:
    """The least and the largest number of pairs that may be needed, for the spread is itself an estimate, of n_pairs.

    The number grows with the variance; the interval of the variance assumes normal values.

    Args:
        needed: the number by the spread that was seen.
        n_pairs: what it was seen in, 2 at least.

    References: Browne (1995), On the use of a pilot sample for sample size determination, Statistics in Medicine 14.
    """
    tail, freedom = (1 - confidence) / 2, n_pairs - 1
    low, high = (needed * freedom / float(stats.chi2.ppf(p, freedom)) for p in (1 - tail, tail))
    return max(low, LEAST_N), max(high, LEAST_N)


def smallest_enough(
    suffices: Callable[[Array, NDArray[np.intp]], NDArray[np.bool_]], asked: NDArray[np.bool_], least: int, most: int
) -> Array:
    """The smallest whole number from `least` on that suffices, for each element asked for; infinity above most.

    Found by doubling, then halving. Where a number suffices so do all larger ones.

    Args:
        suffices: numbers (m,) and which elements (m,) they are tried for, as flat indices, to whether they suffice (m,).
        asked: elements to find it for; any shape. The others are infinity.
    """
    at = np.flatnonzero(asked)
    low, high = np.full(asked.size, least - 1), np.full(asked.size, least)
    while at.size:
        at = at[~suffices(high[at].astype(float), at)]
        low[at], high[at] = high[at], 2 * high[at]
        at = at[high[at] <= most]
    at = np.flatnonzero(asked.ravel() & (high <= most) & (high - low > 1))
    while at.size:
        middle = (low[at] + high[at]) // 2
        enough = suffices(middle.astype(float), at)
        high[at], low[at] = np.where(enough, middle, high[at]), np.where(enough, low[at], middle)
        at = at[high[at] - low[at] > 1]
    return np.where(asked.ravel() & (high <= most), high, inf).reshape(asked.shape)
