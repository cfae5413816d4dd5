"""How many seeds it takes: from the spread seen so far to the n of the next study."""

from __future__ import annotations

from math import inf, isfinite, nan

from scipy import stats

from noiseflow.statistics.inference import ALPHA, least_n

POWER = 0.8
MOST = 1_000_000
"""More seeds than this are no plan: the answer is then infinity."""


def seeds_needed(std_of_differences: float, margin: float, comparisons: int = 1, power: float = POWER) -> float:
    """The least number of pairs with which a paired t test finds a true difference as large as the margin.

    A whole number as a float; infinity above MOST; NaN where std or margin are. The level is that of Holm's first step,
    .05 / comparisons; never below `least_n(comparisons)`. It is an estimate: the spread of few pairs is itself uncertain.

    Args:
        std_of_differences: standard deviation of the paired differences, in units of the score.
        margin: the least difference worth having, above 0, in the same units.
        comparisons: comparisons in the family.
        power: chance of finding it, in (0, 1).

    References: Cohen (1988), section 2.3, whose power it is but for the chance of finding the opposite sign, below
    10⁻⁵ where it matters, which scipy does not compute everywhere.
    """
    if not (isfinite(std_of_differences) and margin > 0):
        return nan
    least = least_n(comparisons)
    if std_of_differences <= margin * least**-0.5 / 10:  # ten standard errors: certain, and beyond what scipy computes
        return float(least)
    effect, level = margin / std_of_differences, ALPHA / max(comparisons, 1)

    def suffices(n: int) -> bool:
        return bool(stats.nct.sf(stats.t.isf(level / 2, n - 1), n - 1, effect * n**0.5) >= power)

    high = least
    while not suffices(high):
        high *= 2
        if high > MOST:
            return inf
    low = least - 1 if high == least else high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return float(high)
