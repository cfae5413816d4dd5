"""Paired differences that are looked at again and again: what is said stays valid at every look, all cells together."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from noiseflow.campaigns.confidence_sequences import (
    always_valid_p,
    are_telling,
    confidence_sequence,
    count_alike,
    pairs_needed,
)
from noiseflow.statistics.bands import long_tail
from noiseflow.statistics.differences import PairedComparison
from noiseflow.statistics.effects import EFFECTS
from noiseflow.statistics.inference import ALPHA, t_interval
from noiseflow.statistics.pairs import has_data_seeds, is_crossed
from noiseflow.statistics.verdict import decide, pair_up


def compare_at_every_look(asked: Sequence[PairedComparison]) -> list[dict[str, Any]]:
    """What is said of each comparison, by the summary's names of columns. Each may err with .05 / n_comparisons.

    Interval, p and verdict hold for every look and every comparison at once: difference_ci_low and difference_ci_high are
    a confidence sequence at .05 over the number of comparisons, p_value is always valid, p_adjusted is that number times as
    large, and the verdict is where the sequence lies. As in `simultaneous`, its end on the side of a long tail is moved out.
    n_needed is the number of pairs at which the sequence is as narrow as ± margin. fixed_ci_low and fixed_ci_high are the
    paired t interval for one look at one fixed n.

    Raises:
        ValueError: pairs are not independent: they share their data seeds, or split the same rows.
    """
    split = sorted({one.key[0] for one in asked if one.ratio is not None and has_data_seeds(one.pairs)})
    if split:
        raise ValueError(
            f"Repeated looks take pairs that are independent; the data seeds of {', '.join(map(repr, split))} split the same "
            "rows again and again. Use a dataset that is generated anew for each data seed."
        )
    crossed = [one.key[2] for one in asked if is_crossed(one.pairs)]
    if crossed:
        raise ValueError(
            f"Repeated looks take independent pairs; the pairs of {', '.join(map(repr, crossed))} share data seeds. "
            "Give each seed its own data seed (design: resample), or one data seed to all."
        )
    return [_at_every_look(one, len(asked)) for one in asked]


def _at_every_look(one: PairedComparison, comparisons: int) -> dict[str, Any]:
    pairing, scale = pair_up(one.pairs), one.scale
    values = pairing.differences / scale
    columns = {"n_pairs": pairing.n_pairs, "n_broken": pairing.n_broken, "survivors_only": pairing.survivors_only}
    if not values.size:
        return columns | {"verdict": decide(nan, nan, nan, pairing, one.failures)}
    mean, std = float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else nan
    ends = [float(end) for end in confidence_sequence(mean, std, values.size, ALPHA / comparisons)]
    p = float(always_valid_p(mean, std, values.size))
    tail = long_tail(values)
    low, high = (mean + wider * (end - mean) for wider, end in zip(tail, ends, strict=True))
    against = tail[0] if mean > 0 else tail[1]
    if against > 1:
        p = float(always_valid_p(mean / against, std, values.size))
    if values.size > 1 and not are_telling(count_alike(values), values.size):
        low, high, p = nan, nan, 1.0
    verdict = decide(low, high, one.margin / scale, pairing, one.failures)
    effects = {e.column: float(e.of(values)) * (scale if e.in_units_of_score else 1) for e in EFFECTS}
    fixed_low, fixed_high = map(float, t_interval(values))
    return columns | {
        "difference_mean": mean * scale,
        "difference_ci_low": low * scale,
        "difference_ci_high": high * scale,
        "p_value": p,
        "p_adjusted": float(np.minimum(1.0, comparisons * p)),  # NaN stays NaN
        **effects,
        "verdict": verdict,
        "clear": verdict != "inconclusive" and (low > 0 or high < 0),
        "long_tail": max(tail) > 1,
        "n_needed": float(pairs_needed(std, one.margin / scale, ALPHA / comparisons)),
        "fixed_ci_low": fixed_low * scale,
        "fixed_ci_high": fixed_high * scale,
    }
