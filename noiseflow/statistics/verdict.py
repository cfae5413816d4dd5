"""A comparison: its pairs, what is said of them, and the verdict that is read off its band."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

import numpy as np
import pandas as pd

from noiseflow.statistics.dependence import dependent_values
from noiseflow.statistics.estimate import Estimate, estimate_mean
from noiseflow.statistics.inference import ALPHA, LEAST_N, Array

Verdict = Literal["equivalent", "better", "worse", "inconclusive"]

LEAST_CROSSED = 3
"""Data seeds, and seeds, that a crossed comparison takes: 2 data seeds cover .875."""
MOST_BROKEN = 0.05
"""Largest share of broken pairs that still allows a verdict on the mean; beyond it, what is left is a selection."""
FAILURES_ALPHA = 0.01
"""Level of the tests of failures, all comparisons together."""


@dataclass(frozen=True)
class Pairing:
    """What the pairs of one comparison hold.

    Attributes:
        differences: (n,), of the pairs with two finite scores; with crossed seeds, of the complete part only.
        n_broken: the other pairs.
        units: (n,); the signs of all pairs of a unit are flipped together.
        estimate: of their mean, where they depend on each other; else None.
        profile: one value for each independent unit (a data seed, or a test row); two estimates are as correlated as their
            profiles.
        n_units: how many independent units there are.
        least_n: how many a verdict needs.
    """

    differences: Array
    n_broken: int
    units: Array
    estimate: Estimate | None
    profile: Array | None
    n_units: int
    least_n: int = LEAST_N
    correlation: float = 0.0

    @property
    def n_pairs(self) -> int:
        """Pairs with two finite scores."""
        return self.differences.size

    @property
    def survivors_only(self) -> bool:
        """Whether so many pairs broke that the rest is a selection of survivors."""
        return self.n_broken > MOST_BROKEN * (self.n_pairs + self.n_broken)


def pair_up(pairs: pd.DataFrame, test_train_ratio: float | None = None, correlation: float = 0.0) -> Pairing:
    """The pairing of score and score_baseline of pairs (data_seed, seed), NaN where a trial is to be left out.

    Args:
        pairs: a row a pair.
        test_train_ratio: rows that test over rows that train, where data seeds split the same rows again.
        correlation: of the means of the two halves of the data seeds, where each chose its variant by the other's scores.
    """
    difference = (pairs["score"] - pairs["score_baseline"]).to_numpy(dtype=float)
    whole = np.isfinite(difference)
    values, units = difference[whole], pairs["seed"].to_numpy()[whole]
    found = dependent_values(pairs, np.where(whole, difference, nan), test_train_ratio) if values.size else None
    n_broken = int((~whole).sum())
    if found is None:
        estimate = estimate_mean(values).widened(correlation) if correlation and values.size else None
        profile = values if correlation else None
        return Pairing(values, n_broken, units, estimate, profile, values.size, correlation=correlation)
    least = LEAST_CROSSED if found.crossed else LEAST_N
    n_units = min(found.shape) if found.crossed else found.shape[0]
    estimate = found.estimate.widened(correlation)
    return Pairing(found.values, n_broken, units, estimate, found.profile, n_units, least, correlation)


def decide(low: float, high: float, margin: float, pairing: Pairing, failures: Verdict = "inconclusive") -> Verdict:
    """The verdict on a variant, by where its band lies; where many pairs broke, the verdict on its failures.

    Args:
        low, high: the band; NaN without one.
        margin: differences within it are not worth having; NaN where equivalence is not asked for.
        pairing: its pairs.
        failures: better where the variant is shown to fail less often than the baseline, worse where more often.
    """
    if pairing.survivors_only:
        return failures
    if pairing.n_units < pairing.least_n or not (isfinite(low) and isfinite(high)):
        return "inconclusive"
    if -margin < low and high < margin:
        return "equivalent"
    if low > 0 or high < 0:
        return "better" if low > 0 else "worse"
    return "inconclusive"


__all__ = ["ALPHA", "FAILURES_ALPHA", "LEAST_N", "Pairing", "Verdict", "decide", "pair_up"]
