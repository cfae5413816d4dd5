"""Paired differences that are looked at again and again: what is said stays valid at every look, all cells together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.campaigns.confidence_sequences import (
    always_valid_p,
    are_telling,
    confidence_sequence,
    count_alike,
    pairs_needed,
)
from noiseflow.statistics.inference import ALPHA, Array, cohen_dz, probability_better, t_interval
from noiseflow.statistics.pairs import CellKey, has_data_seeds, is_crossed
from noiseflow.statistics.verdict import PairedDifference, Verdict


def compare_at_every_look(
    pairs: Mapping[CellKey, pd.DataFrame], margin: float, reused: Mapping[str, float] | None = None
) -> dict[CellKey, dict[str, Any]]:
    """What is said of each comparison, by the summary's names of columns, each with .05 / comparisons of the error.

    Interval, p and verdict hold for every look and every comparison at once: difference_ci_low and difference_ci_high are
    a confidence sequence at .05 over the number of comparisons, p_value is always valid, p_adjusted is that number times as
    large, and the verdict is where the sequence lies. n_needed is the number of pairs at which the sequence is as narrow as
    ± margin. fixed_ci_low and fixed_ci_high are the paired t interval for one look at one fixed n.

    Args:
        pairs: (dataset, architecture, name) to data_seed, seed, score and score_baseline; NaN where a trial is left out.
        margin: differences of the score within it are not worth having; NaN where equivalence is not asked for.
        reused: names of datasets where data seeds split the same rows again.

    Raises:
        ValueError: pairs are not independent: they share their data seeds, or split the same rows.
    """
    split = sorted({key[0] for key, part in pairs.items() if key[0] in (reused or {}) and has_data_seeds(part)})
    if split:
        raise ValueError(
            f"Repeated looks take pairs that are independent; the data seeds of {', '.join(map(repr, split))} split the same "
            "rows again and again. Use a dataset that is generated anew for each data seed."
        )
    crossed = [name for (_, _, name), part in pairs.items() if is_crossed(part)]
    if crossed:
        raise ValueError(
            f"Repeated looks take pairs that are independent; those of {', '.join(map(repr, crossed))} share data seeds. "
            "Give each seed its own data seed (design: resample), or one data seed to all."
        )
    return {key: _columns(difference_so_far(part, len(pairs)), part, margin, len(pairs)) for key, part in pairs.items()}


def difference_so_far(pairs: pd.DataFrame, comparisons: int) -> PairedDifference:
    """The paired difference as of now: its confidence sequence at .05 / comparisons, and its always valid p.

    NaN where too few pairs are left, or too many are alike; p is then 1. There is no BCa interval, no Wilcoxon p and no test
    of equivalence: equivalence is where the whole sequence lies.
    """
    whole = differences_of(pairs)
    counted = PairedDifference(whole.size, len(pairs) - whole.size)
    if whole.size == 0:
        return counted
    mean = float(whole.mean())
    std = float(whole.std(ddof=1)) if whole.size > 1 else nan
    p = float(always_valid_p(mean, std, whole.size))
    low, high = (float(end) for end in confidence_sequence(mean, std, whole.size, ALPHA / comparisons))
    if whole.size > 1 and not are_telling(count_alike(whole), whole.size):
        low, high, p = nan, nan, 1.0
    return replace(
        counted,
        mean=mean,
        ci_low=low,
        ci_high=high,
        p_value=p,
        effect_size=float(cohen_dz(whole)),
        prob_better=float(probability_better(whole)),
        std=std,
        planning_std=std,
    )


def differences_of(pairs: pd.DataFrame) -> Array:
    """Differences (n,) of the pairs with two finite scores."""
    difference = (pairs["score"] - pairs["score_baseline"]).to_numpy(dtype=float)
    return np.asarray(difference[np.isfinite(difference)])


def decide_so_far(pair: PairedDifference, margin: float) -> Verdict:
    """The verdict, by where the confidence sequence lies; it stays valid under repeated looks."""
    if pair.survivors_only:
        return "inconclusive"
    if max(abs(pair.ci_low), abs(pair.ci_high)) < margin:  # NaN compares as False
        return "equivalent"
    if pair.ci_low > 0 or pair.ci_high < 0:
        return "better" if pair.mean > 0 else "worse"
    return "inconclusive"


def _columns(pair: PairedDifference, pairs: pd.DataFrame, margin: float, comparisons: int) -> dict[str, Any]:
    fixed_low, fixed_high = map(float, t_interval(differences_of(pairs)))
    return {
        "n_pairs": pair.n_pairs,
        "n_broken": pair.n_broken,
        "difference_mean": pair.mean,
        "difference_ci_low": pair.ci_low,
        "difference_ci_high": pair.ci_high,
        "p_value": pair.p_value,
        "p_adjusted": float(np.minimum(1.0, comparisons * pair.p_value)),  # NaN stays NaN
        "effect_size": pair.effect_size,
        "prob_better": pair.prob_better,
        "verdict": decide_so_far(pair, margin),
        "n_needed": float(pairs_needed(pair.planning_std, margin, ALPHA / comparisons)),
        "fixed_ci_low": fixed_low,
        "fixed_ci_high": fixed_high,
    }
