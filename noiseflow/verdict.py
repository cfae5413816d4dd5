"""A variant against its baseline: their paired difference, and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal

import numpy as np

from noiseflow.inference import (
    ALPHA,
    Array,
    cohen_dz,
    equivalence_p,
    least_n,
    probability_better,
    sign_flip_p,
    t_interval,
)

Verdict = Literal["equivalent", "better", "worse", "inconclusive"]

MOST_BROKEN = 0.05
"""Largest share of broken pairs that still allows a verdict; beyond it, what is left is a selection of survivors."""


@dataclass(frozen=True)
class PairedDifference:
    """A variant against its baseline over pairs with the same data seed and seed; NaN where too few pairs are left.

    n_pairs: pairs with two finite scores; n_broken: pairs of which a member diverged or has no finite score.
    """

    n_pairs: int
    n_broken: int
    mean: float = nan
    ci_low: float = nan
    ci_high: float = nan
    p_value: float = nan
    p_equivalence: float = nan
    effect_size: float = nan
    prob_better: float = nan

    @property
    def survivors_only(self) -> bool:
        """True if so many pairs broke that the rest is a selection of survivors."""
        return self.n_broken > MOST_BROKEN * (self.n_pairs + self.n_broken)


def paired_difference(scores: Array, baseline_scores: Array, margin: float) -> PairedDifference:
    """The difference between paired scores, each of shape (n_seeds,), NaN where a trial is to be left out.

    References: docs/method.md, sections 2 to 6.
    """
    whole = np.isfinite(scores) & np.isfinite(baseline_scores)
    a, b = scores[whole], baseline_scores[whole]
    n_pairs, n_broken = int(whole.sum()), int((~whole).sum())
    if n_pairs == 0:
        return PairedDifference(n_pairs, n_broken)
    difference = a - b
    ci_low, ci_high = t_interval(difference)
    return PairedDifference(
        n_pairs,
        n_broken,
        mean=float(difference.mean()),
        ci_low=ci_low,
        ci_high=ci_high,
        p_value=sign_flip_p(difference),
        p_equivalence=equivalence_p(difference, margin),
        effect_size=cohen_dz(difference),
        prob_better=probability_better(difference),
    )


def decide(pair: PairedDifference, p_adjusted: float, p_equivalence_adjusted: float, comparisons: int) -> Verdict:
    """The verdict on a variant, from adjusted p-values and the number of comparisons in the family."""
    if pair.n_pairs < least_n(comparisons) or pair.survivors_only:
        return "inconclusive"
    if p_equivalence_adjusted < ALPHA:
        return "equivalent"
    if p_adjusted < ALPHA:
        return "better" if pair.mean > 0 else "worse"
    return "inconclusive"
