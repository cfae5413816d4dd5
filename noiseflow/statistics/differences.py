"""Paired differences of many comparisons at once, adjusted as one family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from noiseflow.statistics.crossfit import HALVES_CORRELATION
from noiseflow.statistics.inference import holm
from noiseflow.statistics.pairs import CellKey
from noiseflow.statistics.power import seeds_needed
from noiseflow.statistics.verdict import PairedDifference, Pairing, decide, pair_up, paired_differences


def compare_pairs(
    pairs: Mapping[CellKey, pd.DataFrame], margin: float, reused: Mapping[str, float] | None = None
) -> dict[CellKey, dict[str, Any]]:
    """What is said of each comparison, by the summary's names of columns; Holm's family is all of them.

    Args:
        pairs: (dataset, architecture, name) to data_seed, seed, score and score_baseline; NaN where a trial is left out.
        margin: differences of the score within it are not worth having.
        reused: names of datasets whose data seeds split the same rows again, to rows that test over rows that train.
    """
    ratios = reused or {}
    found = paired_differences([_pairing(part, ratios.get(key[0])) for key, part in pairs.items()], margin)
    p_adjusted = holm([pair.p_value for pair in found])
    p_equivalence = holm([pair.p_equivalence for pair in found])
    needed = seeds_needed([pair.planning_std for pair in found], margin, len(found)).tolist()
    return {
        key: _columns(*told, comparisons=len(found))
        for key, *told in zip(pairs, found, p_adjusted, p_equivalence, needed, strict=True)
    }


def difference_of(pairs: pd.DataFrame, margin: float, test_train_ratio: float | None = None) -> PairedDifference:
    """The paired difference of one comparison: pairs has data_seed, seed, score and score_baseline.

    With n_strengths or n_strengths_baseline above 1 the scores of that side are `honest_scores` of a choice.
    """
    return paired_differences([_pairing(pairs, test_train_ratio)], margin)[0]


def _pairing(pairs: pd.DataFrame, test_train_ratio: float | None) -> Pairing:
    scores, baseline = (pairs[name].to_numpy(dtype=float) for name in ("score", "score_baseline"))
    correlation = HALVES_CORRELATION if _is_chosen(pairs) else 0.0
    return pair_up(scores, baseline, pairs=pairs, test_train_ratio=test_train_ratio, correlation=correlation)


def _is_chosen(pairs: pd.DataFrame) -> bool:
    sides = [name for name in ("n_strengths", "n_strengths_baseline") if name in pairs]
    return any(bool((pairs[name] > 1).any()) for name in sides)


def _columns(
    pair: PairedDifference, p: float, p_equivalence: float, n_needed: float, *, comparisons: int
) -> dict[str, Any]:
    return {
        "n_pairs": pair.n_pairs,
        "n_broken": pair.n_broken,
        "difference_mean": pair.mean,
        "difference_ci_low": pair.ci_low,
        "difference_ci_high": pair.ci_high,
        "p_value": pair.p_value,
        "p_adjusted": p,
        "effect_size": pair.effect_size,
        "prob_better": pair.prob_better,
        "verdict": decide(pair, p, p_equivalence, comparisons),
        "bca_low": pair.bca_low,
        "bca_high": pair.bca_high,
        "wilcoxon_p": pair.wilcoxon_p,
        "n_needed": n_needed,
    }
