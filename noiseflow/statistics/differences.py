"""Paired differences of many comparisons at once, in one band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import isfinite, nan, sqrt
from os import cpu_count
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.statistics.bands import Band, PairedDifferences, simultaneous
from noiseflow.statistics.crossfit import HALVES_CORRELATION
from noiseflow.statistics.effects import EFFECT_COLUMNS, EFFECTS, effects_of
from noiseflow.statistics.estimate import Estimate
from noiseflow.statistics.inference import (
    ALPHA,
    Array,
    by_size,
    sign_flip_p,
    values_to_flip,
    values_to_resample,
)
from noiseflow.statistics.new_rows import RowVariance
from noiseflow.statistics.pairs import CellKey
from noiseflow.statistics.power import seeds_needed
from noiseflow.statistics.robust import bca_interval, wilcoxon_p
from noiseflow.statistics.verdict import Pairing, Verdict, decide, pair_up

AT_ONCE = 200  # comparisons that are computed together: their resampled means take 16 MB
DIFFERENCE_COLUMNS = (
    *("difference_mean", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted"),
    *EFFECT_COLUMNS,
    "verdict",
)
"""What every comparison has: of a variant, of a family, of a rival."""
NOT_SCALED = {"p_value", "wilcoxon_p"} | {effect.column for effect in EFFECTS if not effect.in_units_of_score}


@dataclass(frozen=True)
class PairedComparison:
    """The pairs of a variant and its baseline, and how they are to be compared.

    `pair_up` makes a `Pairing` of it (which pairs count), and that becomes `PairedDifferences` (what a band is put around).

    Attributes:
        key: dataset, architecture and name.
        pairs: columns data_seed, seed, score and score_baseline; larger is better, NaN where a trial is left out.
        margin: differences within it are not worth having; NaN where equivalence is not asked for.
        ratio: rows that test over rows that train, where data seeds split the same rows again.
        scale: what values are divided by before they are compared with the resolution.
        rows: what the rows add to the variance, where they are fixed.
        failures: the verdict on how often it fails.
        level: the error that it may make, below .05 where this is not the only look.
    """

    key: CellKey
    pairs: pd.DataFrame
    margin: float
    ratio: float | None = None
    scale: float = 1.0
    rows: RowVariance | None = None
    failures: Verdict = "inconclusive"
    level: float = ALPHA


def compare(asked: Sequence[PairedComparison], *, cross_checks: bool = True) -> list[dict[str, Any]]:
    """What is said of each comparison, by the summary's names of columns; one band holds all of them.

    The interval, p and verdict are for new rows of the same kind where the rows are fixed and their variance is known
    (`rows`); seeds_ci_low and seeds_ci_high are then for these rows, over seeds alone, and rows_share is the share of the
    rows in the variance of the mean. clear: the band leaves 0 out. long_tail: a few seeds decide the mean.

    Args:
        asked: the comparisons.
        cross_checks: whether bca_low, bca_high and wilcoxon_p are computed.

    References: docs/method.md, "The band" and "New rows".
    """
    pairings = [_pairing(one) for one in asked]
    over_seeds = [_comparison(one, pairing) for one, pairing in zip(asked, pairings, strict=True)]
    wide = [_on_new_rows(*both) for both in zip(asked, over_seeds, strict=True)]
    bands = simultaneous(wide)
    are_fixed = [new is not old for new, old in zip(wide, over_seeds, strict=True)]
    narrow = simultaneous(over_seeds) if any(are_fixed) else bands
    bands = [
        _at_least_as_wide(*both) if fixed else both[0] for fixed, *both in zip(are_fixed, bands, narrow, strict=True)
    ]
    described = _difference_columns(pairings, cross_checks)
    needed = seeds_needed(
        [_planning_std(pairing) for pairing in pairings], [one.margin / one.scale for one in asked], len(asked)
    ).tolist()
    rows = []
    for k, one in enumerate(asked):
        columns = {name: value if name in NOT_SCALED else value * one.scale for name, value in described[k].items()}
        columns |= _columns(one, pairings[k], bands[k], n_needed=needed[k])
        if are_fixed[k]:
            columns["p_value"] = wide[k].estimate.p_value  # type: ignore[union-attr] # that of the rows
            columns |= {"seeds_ci_low": narrow[k].low * one.scale, "seeds_ci_high": narrow[k].high * one.scale}
            columns["rows_share"] = 1 - _error_of(over_seeds[k]) ** 2 / wide[k].estimate.error ** 2  # type: ignore[union-attr]
        rows.append(columns)
    return rows


def compare_pairs(
    pairs: Mapping[CellKey, pd.DataFrame],
    margin: float,
    reused: Mapping[str, float] | None = None,
    level: float = ALPHA,
) -> dict[CellKey, dict[str, Any]]:
    """`compare` by key, for scores without their own scale.

    Args:
        pairs: (dataset, architecture, name) to data_seed, seed, score and score_baseline; NaN where a trial is left out.
        margin: differences of the score within it are not worth having.
        reused: datasets that split the same rows again for each data seed: name to test rows over training rows.
        level: the error that all of them together may make.
    """
    ratios = reused or {}
    asked = [PairedComparison(key, part, margin, ratios.get(key[0]), level=level) for key, part in pairs.items()]
    return dict(zip(pairs, compare(asked), strict=True))


def difference_of(pairs: pd.DataFrame, margin: float, test_train_ratio: float | None = None) -> dict[str, Any]:
    """The difference of one comparison by itself: pairs has data_seed, seed, score and score_baseline.

    With n_strengths or n_strengths_baseline above 1 the scores of that side are `honest_scores` of a choice.
    """
    return compare([PairedComparison(("", "", ""), pairs, margin, test_train_ratio)], cross_checks=False)[0]


def _pairing(one: PairedComparison) -> Pairing:
    sides = [name for name in ("n_strengths", "n_strengths_baseline") if name in one.pairs]
    chosen = any(bool((one.pairs[name] > 1).any()) for name in sides)
    scaled = one.pairs
    if one.scale != 1:
        scaled = scaled.assign(**{name: scaled[name] / one.scale for name in ("score", "score_baseline")})
    return pair_up(scaled, one.ratio, HALVES_CORRELATION if chosen else 0.0)


def _comparison(one: PairedComparison, pairing: Pairing) -> PairedDifferences:
    return PairedDifferences(
        pairing.differences,
        pairing.units,
        pairing.estimate,
        one.key[:2],
        pairing.profile,
        one.level,
        guarded=pairing.estimate is None,
    )


def _on_new_rows(one: PairedComparison, seeds: PairedDifferences) -> PairedDifferences:
    """The differences as they hold on new rows of the same kind, where the rows are fixed and their variance is known."""
    if one.rows is None or seeds.estimate is not None or seeds.differences.size < 2:
        return seeds
    n = seeds.differences.size
    scaled = replace(one.rows, variance=one.rows.variance / one.scale**2)
    estimate = Estimate(float(seeds.differences.mean()), _error_of(seeds), n - 1.0)
    wide = scaled.widen(estimate)
    if wide is estimate:
        return seeds
    by_seeds = scaled.variance < estimate.error**2  # else the rows decide, and a tail of the seeds is the smaller part
    return replace(seeds, estimate=wide, profile=one.rows.profile, guarded=by_seeds)


def _at_least_as_wide(wide: Band, narrow: Band) -> Band:
    """The band for new rows, widened where necessary to contain the band for these rows; p is the larger of both.

    A claim about new rows cannot be surer than one about these rows.
    """
    low, high = float(np.fmin(wide.low, narrow.low)), float(np.fmax(wide.high, narrow.high))
    return replace(wide, low=low, high=high, p_adjusted=float(np.fmax(wide.p_adjusted, narrow.p_adjusted)))


def _error_of(seeds: PairedDifferences) -> float:
    n = seeds.differences.size
    return float(seeds.differences.std(ddof=1)) / sqrt(n)


def _planning_std(pairing: Pairing) -> float:
    """The standard deviation to plan with: √n × standard error, if that product does not depend on n; else NaN."""
    depends = pairing.estimate is not None and not pairing.correlation
    if pairing.n_pairs < 2 or depends:
        return nan
    return float(pairing.differences.std(ddof=1)) * sqrt(1 + pairing.correlation)


def _difference_columns(pairings: Sequence[Pairing], cross_checks: bool) -> list[dict[str, float]]:
    """The columns that describe the differences, for each comparison: effect sizes whatever the design is, and p.

    What is right only for independent pairs is in `_columns_of_independent_pairs`.
    """
    found: list[dict[str, float]] = [dict.fromkeys(("difference_mean", "p_value"), nan) for _ in pairings]
    samples = [pairing.differences for pairing in pairings]
    for places, differences in by_size(samples):
        if differences.shape[-1]:
            _fill(found, places, **effects_of(differences))
    for at, pairing in enumerate(pairings):
        if pairing.estimate is not None and pairing.n_pairs:
            found[at] |= {"difference_mean": pairing.estimate.mean, "p_value": pairing.estimate.p_value}
    alone = [at for at, pairing in enumerate(pairings) if pairing.estimate is None and samples[at].size]
    parts = [
        [alone[k] for k in together[begin : begin + AT_ONCE]]
        for together, _ in by_size([values_to_flip(samples[at]) for at in alone])
        for begin in range(0, len(together), AT_ONCE)
    ]
    with ThreadPoolExecutor(cpu_count()) as threads:  # numpy computes without Python's lock
        columns = threads.map(
            lambda places: _columns_of_independent_pairs([samples[at] for at in places], cross_checks), parts
        )
        for places, of_part in zip(parts, columns, strict=True):
            _fill(found, places, **of_part)
    return found


def _columns_of_independent_pairs(samples: Sequence[Array], cross_checks: bool) -> dict[str, Array]:
    """Columns (k,) for k samples of independent differences, which are flipped together."""
    columns = {
        "difference_mean": np.array([one.mean() for one in samples]),
        "p_value": sign_flip_p(np.stack([values_to_flip(one) for one in samples])),
    }
    if not cross_checks:
        return columns
    bca_low, bca_high = bca_interval(np.stack([values_to_resample(one) for one in samples]))
    ranked = np.empty(len(samples))
    for places, differences in by_size(samples):
        ranked[places] = wilcoxon_p(differences)
    return columns | {"bca_low": bca_low, "bca_high": bca_high, "wilcoxon_p": ranked}


def _fill(found: list[dict[str, float]], places: Sequence[int], **columns: Array) -> None:
    for at, values in zip(places, np.stack(list(columns.values()), axis=-1).tolist(), strict=True):
        found[at] |= dict(zip(columns, values, strict=True))


def _columns(one: PairedComparison, pairing: Pairing, band: Band, *, n_needed: float) -> dict[str, Any]:
    low, high = band.low * one.scale, band.high * one.scale
    verdict = decide(low, high, one.margin, pairing, one.failures)
    return {
        "n_pairs": pairing.n_pairs,
        "n_broken": pairing.n_broken,
        "n_units": pairing.n_units,
        "least_n": pairing.least_n,
        "survivors_only": pairing.survivors_only,
        "difference_ci_low": low,
        "difference_ci_high": high,
        "p_adjusted": band.p_adjusted,
        "verdict": verdict,
        "clear": bool(low > 0 or high < 0) and verdict != "inconclusive",
        "long_tail": band.tail,
        "n_needed": n_needed if verdict == "inconclusive" else nan,
    }


def rows_decide(row: Mapping[str, Any]) -> bool:
    """Whether it is the test rows, and not the seeds, that leave the difference open."""
    share = row.get("rows_share", nan)
    return isfinite(share) and share > 0.5
