"""How well trained networks work under noise at test time, variant against baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from noiseflow.statistics.differences import compare_pairs
from noiseflow.statistics.inference import ALPHA, t_interval
from noiseflow.statistics.pairs import CELL, PAIR, CellKey, pairs_with

NOISE = ["noise", "test_strength"]


def robustness_scores(trials: pd.DataFrame) -> pd.DataFrame:
    """CELL, PAIR, noise, test_strength, score_name, score, loss: a row a finished trial and strength of test-time noise."""
    if "robustness" not in trials:
        return pd.DataFrame(columns=[*CELL, *PAIR, *NOISE, "score_name", "score", "loss"])
    kept = trials[trials["robustness"].notna() & (trials["status"] == "completed")]
    rows = [
        {**dict(zip([*CELL, *PAIR, "score_name"], names, strict=True)), **measure}
        for *names, text in kept[[*CELL, *PAIR, "score_name", "robustness"]].itertuples(index=False)
        for measure in json.loads(text)
    ]
    columns = [*CELL, *PAIR, *NOISE, "score_name", "score", "loss"]
    return (
        pd.DataFrame(rows).rename(columns={"strength": "test_strength"})[columns]
        if rows
        else pd.DataFrame(columns=columns)
    )


def compare_under_noise(
    trials: pd.DataFrame, margin: float, reused: Mapping[str, float] | None = None, level: float = ALPHA
) -> pd.DataFrame:
    """CELL, noise, test_strength, score_name, mean and its t interval, and the paired difference from the baseline.

    All comparisons are one family of Holm's. The noisy rows are the same for all networks of a data seed, so variants pair
    on them too.

    Args:
        trials: with the column robustness.
        reused: as for `summarize`.
        level: the error that all comparisons together may make.
    """
    scores = robustness_scores(trials)
    if scores.empty:
        return pd.DataFrame()
    pairs: dict[CellKey, pd.DataFrame] = {}
    rows = []
    for (noise, strength), at in scores.groupby(NOISE, sort=False):
        for (dataset, architecture, variant), found in pairs_with(at, "variant", "baseline").items():
            pairs[dataset, architecture, json.dumps([variant, noise, strength])] = found
        for (*cell, score_name), own in at.groupby([*CELL, "score_name"], sort=False):
            low, high = t_interval(own["score"].to_numpy(dtype=float))
            rows.append([*cell, noise, strength, score_name, own["score"].mean(), float(low), float(high)])
    table = pd.DataFrame(rows, columns=[*CELL, *NOISE, "score_name", "score_mean", "ci_low", "ci_high"])
    differences = [
        {**dict(zip([*CELL, *NOISE], (dataset, architecture, *json.loads(key)), strict=True)), **columns}
        for (dataset, architecture, key), columns in compare_pairs(pairs, margin, reused, level).items()
    ]
    wanted = ["n_pairs", "difference_mean", "difference_ci_low", "difference_ci_high", "p_adjusted", "verdict"]
    compared = pd.DataFrame(differences, columns=[*CELL, *NOISE, *wanted])
    return table.merge(compared, on=[*CELL, *NOISE], how="left").sort_values(
        [*CELL[:2], "noise", "variant", "test_strength"], kind="stable", ignore_index=True
    )
