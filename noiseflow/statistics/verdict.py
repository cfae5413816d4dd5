"""A variant against its baseline: their paired difference, and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan, sqrt
from typing import Literal

import numpy as np
import pandas as pd

from noiseflow.statistics.dependence import dependent_mean
from noiseflow.statistics.estimate import Estimate, estimate_mean
from noiseflow.statistics.inference import (
    ALPHA,
    Array,
    cohen_dz,
    equivalence_p,
    least_n,
    probability_better,
    sign_flip_p,
    t_interval,
)
from noiseflow.statistics.robust import bca_interval, wilcoxon_p

Verdict = Literal["equivalent", "better", "worse", "inconclusive"]

MOST_BROKEN = 0.05
"""Largest share of broken pairs that still allows a verdict; beyond it, what is left is a selection of survivors."""


@dataclass(frozen=True)
class PairedDifference:
    """A variant against its baseline over pairs with the same data seed and seed; NaN where too few pairs are left.

    n_pairs: pairs with two finite scores; n_broken: pairs of which a member diverged or has no finite score. std: of the
    differences; planning_std: what √n times the error of their mean is, where that is so whatever n is. Where pairs depend
    on each other (crossed seeds, splits of the same rows, a choice of strengths) interval and p-values are Student's, with
    an error that allows for it, and there is no BCa interval and no Wilcoxon p.
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
    std: float = nan
    bca_low: float = nan
    bca_high: float = nan
    wilcoxon_p: float = nan
    planning_std: float = nan

    @property
    def survivors_only(self) -> bool:
        """True if so many pairs broke that the rest is a selection of survivors."""
        return self.n_broken > MOST_BROKEN * (self.n_pairs + self.n_broken)


def paired_difference(
    scores: Array,
    baseline_scores: Array,
    margin: float,
    *,
    pairs: pd.DataFrame | None = None,
    test_train_ratio: float | None = None,
    correlation: float = 0.0,
) -> PairedDifference:
    """The difference between paired scores, each of shape (n_seeds,), NaN where a trial is to be left out.

    Args:
        scores: of the variant.
        baseline_scores: of the same data seeds and seeds.
        margin: of equivalence; NaN where it is not asked for.
        pairs: data_seed and seed of each pair; unless given the pairs are independent.
        test_train_ratio: rows that test over rows that train, where data seeds split the same rows again.
        correlation: of the two halves of the data seeds, where each chose its variant by the other's scores.

    References: docs/method.md, sections 2 to 7 and 12 to 14.
    """
    difference = scores - baseline_scores
    difference = np.where(np.isfinite(difference), difference, nan)
    whole = difference[~np.isnan(difference)]
    counted = PairedDifference(whole.size, difference.size - whole.size)
    if whole.size == 0:
        return counted
    estimate = None if pairs is None else dependent_mean(pairs, difference, test_train_ratio)
    std = float(whole.std(ddof=1)) if whole.size > 1 else nan
    described = replace(
        counted,
        effect_size=cohen_dz(whole),
        prob_better=probability_better(whole),
        std=std,
        planning_std=std * sqrt(1 + correlation) if estimate is None else nan,
    )
    if estimate is None and correlation == 0:
        return _independent(described, whole, margin)
    return _dependent(described, (estimate or estimate_mean(whole)).widened(correlation), margin)


def _independent(described: PairedDifference, differences: Array, margin: float) -> PairedDifference:
    ci_low, ci_high = t_interval(differences)
    bca_low, bca_high = bca_interval(differences)
    return replace(
        described,
        mean=float(differences.mean()),
        ci_low=ci_low,
        ci_high=ci_high,
        p_value=sign_flip_p(differences),
        p_equivalence=equivalence_p(differences, margin),
        bca_low=bca_low,
        bca_high=bca_high,
        wilcoxon_p=wilcoxon_p(differences),
    )


def _dependent(described: PairedDifference, estimate: Estimate, margin: float) -> PairedDifference:
    ci_low, ci_high = estimate.interval
    return replace(
        described,
        mean=estimate.mean,
        ci_low=ci_low,
        ci_high=ci_high,
        p_value=estimate.p_value,
        p_equivalence=estimate.equivalence_p(margin),
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
