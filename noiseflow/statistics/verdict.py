"""A variant against its baseline: their paired difference, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import nan, sqrt
from os import cpu_count
from typing import Literal

import numpy as np
import pandas as pd

from noiseflow.statistics.dependence import dependent_mean
from noiseflow.statistics.estimate import Estimate, estimate_mean
from noiseflow.statistics.inference import (
    ALPHA,
    Array,
    by_size,
    cohen_dz,
    equivalence_p,
    least_n,
    probability_better,
    sign_flip_p,
    t_interval,
)
from noiseflow.statistics.robust import bca_interval, wilcoxon_p

Verdict = Literal["equivalent", "better", "worse", "inconclusive"]

AT_ONCE = 200  # comparisons that are computed together: their resampled means take 16 MB
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


@dataclass(frozen=True)
class Pairing:
    """What the pairs of one comparison hold.

    differences: (n,), of the pairs with two finite scores. n_broken: the other pairs. dependent: their mean where they
    depend on each other, None where they do not. correlation: of the two halves of the data seeds, where each chose its
    variant by the other's scores.
    """

    differences: Array
    n_broken: int
    dependent: Estimate | None = None
    correlation: float = 0.0


def pair_up(
    scores: Array,
    baseline_scores: Array,
    *,
    pairs: pd.DataFrame | None = None,
    test_train_ratio: float | None = None,
    correlation: float = 0.0,
) -> Pairing:
    """The pairing of paired scores, each of shape (n_seeds,), NaN where a trial is to be left out.

    Args:
        scores: of the variant.
        baseline_scores: of the same data seeds and seeds.
        pairs: data_seed and seed of each pair; unless given the pairs are independent.
        test_train_ratio: rows that test over rows that train, where data seeds split the same rows again.
        correlation: as for `Pairing`.
    """
    difference = scores - baseline_scores
    difference = np.where(np.isfinite(difference), difference, nan)
    whole = difference[~np.isnan(difference)]
    estimate = None if pairs is None or not whole.size else dependent_mean(pairs, difference, test_train_ratio)
    return Pairing(whole, difference.size - whole.size, estimate, correlation)


def paired_difference(
    scores: Array,
    baseline_scores: Array,
    margin: float,
    *,
    pairs: pd.DataFrame | None = None,
    test_train_ratio: float | None = None,
    correlation: float = 0.0,
) -> PairedDifference:
    """The difference between paired scores: as for `pair_up`; margin: of equivalence, NaN where it is not asked for."""
    told = pair_up(scores, baseline_scores, pairs=pairs, test_train_ratio=test_train_ratio, correlation=correlation)
    return paired_differences([told], margin)[0]


def paired_differences(pairings: Sequence[Pairing], margin: float) -> list[PairedDifference]:
    """The difference of each comparison; those with as many pairs are computed together.

    Args:
        pairings: a comparison each.
        margin: of equivalence; NaN where it is not asked for.

    References: docs/method.md, sections 2 to 7 and 12 to 14.
    """
    found = [PairedDifference(pairing.differences.size, pairing.n_broken) for pairing in pairings]
    independent = []
    for places, differences in by_size([pairing.differences for pairing in pairings]):
        if differences.shape[-1] == 0:
            continue
        std = differences.std(axis=-1, ddof=1) if differences.shape[-1] > 1 else np.full(len(places), nan)
        _fill(found, places, effect_size=cohen_dz(differences), prob_better=probability_better(differences), std=std)
        alone = [k for k, at in enumerate(places) if _is_independent(pairings[at])]
        parts = [alone[begin : begin + AT_ONCE] for begin in range(0, len(alone), AT_ONCE)]
        independent += [([places[k] for k in part], std[part], differences[part]) for part in parts]
        for k in sorted(set(range(len(places))) - set(alone)):
            pairing = pairings[places[k]]
            estimate = pairing.dependent or estimate_mean(differences[k])
            planning_std = float(std[k]) * sqrt(1 + pairing.correlation) if pairing.dependent is None else nan
            described = replace(found[places[k]], planning_std=planning_std)
            found[places[k]] = _dependent(described, estimate.widened(pairing.correlation), margin)
    with ThreadPoolExecutor(cpu_count()) as threads:  # numpy computes without Python's lock
        told = threads.map(lambda part: _independent(part[2], margin), independent)
        for (places, std, _), columns in zip(independent, told, strict=True):
            _fill(found, places, planning_std=std, **columns)
    return found


def _is_independent(pairing: Pairing) -> bool:
    return pairing.dependent is None and pairing.correlation == 0


def _fill(found: list[PairedDifference], places: Sequence[int], **columns: Array) -> None:
    """Sets these fields of the differences at these places."""
    for at, values in zip(places, np.stack(list(columns.values()), axis=-1).tolist(), strict=True):
        found[at] = replace(found[at], **dict(zip(columns, values, strict=True)))


def _independent(differences: Array, margin: float) -> dict[str, Array]:
    """What is said of rows of differences (k, n) that do not depend on each other: (k,) each."""
    ci_low, ci_high = t_interval(differences)
    bca_low, bca_high = bca_interval(differences)
    return {
        "mean": differences.mean(axis=-1),
        "ci_low": ci_low,
        "ci_high": ci_high,
        "p_value": sign_flip_p(differences),
        "p_equivalence": equivalence_p(differences, margin),
        "bca_low": bca_low,
        "bca_high": bca_high,
        "wilcoxon_p": wilcoxon_p(differences),
    }


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
