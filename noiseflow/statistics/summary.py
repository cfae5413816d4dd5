"""The summary: a row a cell, and the bands of the learning curves."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.statistics.dependence import dependent_mean
from noiseflow.statistics.differences import compare_pairs
from noiseflow.statistics.inference import least_n, t_interval
from noiseflow.statistics.looks import compare_at_every_look
from noiseflow.statistics.pairs import (
    CELL,
    CellKey,
    cell_pairs,
    compared_score,
    family_of,
    has_data_seeds,
    name_key,
)
from noiseflow.statistics.robust import interquartile_mean
from noiseflow.statistics.verdict import PairedDifference

QUANTITIES = ["train_score", "test_score"]
SUMMARY_COLUMNS = [
    *(*CELL, "strength", "score_name", "n_seeds", "n_diverged"),
    *("train_score_mean", "test_score_mean", "test_score_std", "ci_low", "ci_high"),
    *("difference_mean", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted"),
    *("effect_size", "prob_better", "verdict"),
]
FURTHER_COLUMNS = [
    *("approximate", "bca_low", "bca_high", "wilcoxon_p", "n_needed", "interquartile_mean"),
    *("train_loss_mean", "test_loss_mean", "gap_mean", "brier_mean", "ece_mean", "signal_to_noise_median"),
    *("family", "score_mean", "score_std", "fixed_ci_low", "fixed_ci_high"),
]
MEANS = {name: f"{name}_mean" for name in ("train_loss", "test_loss", "brier", "ece")}


def summarize(
    trials: pd.DataFrame, margin: float, *, reused: Mapping[str, float] | None = None, repeated_looks: bool = False
) -> pd.DataFrame:
    """The summary: a row a cell, in order of first appearance, with SUMMARY_COLUMNS and FURTHER_COLUMNS.

    `n_seeds` counts the cell's trials, diverged ones included. `n_diverged` counts those that diverged or have no
    finite score; they are left out of every mean, and a pair with such a member is left out of the differences.
    `ci_low` and `ci_high` bound the mean test score. Differences are those of eval_score where a dataset and
    architecture has one, else of test_score. Holm's family is every cell but the baselines. NaN and None stand where
    nothing can be said, and in the differences of a baseline.

    Pairs that depend on each other have intervals and p-values that allow for it (`dependent_mean`), and no bca_low,
    bca_high, wilcoxon_p and n_needed. `approximate` says so where data seeds split the same rows again. gap_mean is
    train_mode_loss minus train_loss. Columns that the trials lack give NaN.

    With repeated_looks, what is said of differences stays valid at every look, for all cells together: difference_ci_low
    and difference_ci_high are a confidence sequence at .05 over the number of cells, p_value is always valid and
    p_adjusted that number times as large, and the verdict goes by where the sequence lies. n_needed is then the number of
    pairs at which it is as narrow as ± margin; bca_low, bca_high and wilcoxon_p are NaN; fixed_ci_low and fixed_ci_high
    are the paired t interval for one look at one fixed n, NaN otherwise.

    Args:
        trials: a row a trial.
        margin: differences of the score within it are not worth having.
        reused: names of datasets whose data seeds split the same finite rows again, to rows that test over rows that
            train.
        repeated_looks: the trials grow and are looked at again and again, as in nightly campaigns.

    Raises:
        ValueError: repeated looks at pairs that depend on each other: crossed seeds, or splits of the same rows.

    References: docs/method.md.
    """
    ratios = reused or {}
    pairs = cell_pairs(trials)
    compared = _compared_so_far(pairs, margin, ratios) if repeated_looks else compare_pairs(pairs, margin, ratios)
    cells = trials.assign(score=compared_score(trials)).groupby(CELL, sort=False)
    rows = [_cell_columns(cell, ratios) | compared.get(name_key(key), {}) for key, cell in cells]
    return _typed(pd.DataFrame(rows, columns=[*SUMMARY_COLUMNS, *FURTHER_COLUMNS]))


def _compared_so_far(
    pairs: dict[CellKey, pd.DataFrame], margin: float, ratios: Mapping[str, float]
) -> dict[CellKey, dict[str, Any]]:
    split = sorted({key[0] for key, part in pairs.items() if key[0] in ratios and has_data_seeds(part)})
    if split:
        raise ValueError(
            f"Repeated looks take pairs that are independent; the data seeds of {', '.join(map(repr, split))} split the same "
            "rows again and again. Use a dataset that is generated anew for each data seed."
        )
    return compare_at_every_look(pairs, margin)


def pair_counts(trials: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each cell but the baselines: CELL, n_pairs, n_broken, least_n, survivors_only."""
    cells = cell_pairs(trials)
    rows = []
    for key, pairs in cells.items():
        n_broken = int((pairs["score"] - pairs["score_baseline"]).isna().sum())
        pair = PairedDifference(len(pairs) - n_broken, n_broken)
        rows.append([*key, pair.n_pairs, n_broken, least_n(len(cells)), pair.survivors_only])
    return pd.DataFrame(rows, columns=[*CELL, "n_pairs", "n_broken", "least_n", "survivors_only"])


def learning_bands(curves: pd.DataFrame, low: float = 0.1, high: float = 0.9) -> pd.DataFrame:
    """Mean and quantiles over seeds, a row for each cell, quantity and epoch.

    curves: dataset, architecture, variant, epoch and QUANTITIES, of the trials to be shown (leave diverged ones out).
    Returns dataset, architecture, variant, epoch, quantity, mean, low, high.
    """
    keys = [*CELL, "epoch"]
    finite = curves[keys].join(curves[QUANTITIES].astype(float).replace([np.inf, -np.inf], nan))
    cells = finite.groupby(keys, sort=False)
    parts = {
        name: pd.DataFrame({"mean": scores.mean(), "low": scores.quantile(low), "high": scores.quantile(high)})
        for name, scores in ((name, cells[name]) for name in QUANTITIES)
    }
    return pd.concat(parts, names=["quantity"]).reset_index()[[*keys, "quantity", "mean", "low", "high"]]


def _cell_columns(cell: pd.DataFrame, reused: Mapping[str, float]) -> dict[str, Any]:
    kept = cell[cell["score"].notna()]
    test = kept["test_score"].to_numpy(dtype=float)
    train = kept["train_score"].to_numpy(dtype=float)
    ratio = reused.get(str(cell["dataset"].iloc[0]))
    estimate = dependent_mean(cell, cell["test_score"].where(cell["score"].notna()).to_numpy(dtype=float), ratio)
    ci_low, ci_high = t_interval(test) if estimate is None else estimate.interval
    names = {name: cell[name].iloc[0] for name in (*CELL, "strength", "score_name")}
    return names | {
        "n_seeds": len(cell),
        "n_diverged": len(cell) - len(kept),
        "train_score_mean": train.mean() if train.size else nan,
        "test_score_mean": test.mean() if test.size else nan,
        "test_score_std": test.std(ddof=1) if test.size > 1 else nan,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "approximate": ratio is not None and has_data_seeds(cell),
        "family": family_of(cell).iloc[0],
        "score_mean": kept["score"].mean(),
        "score_std": kept["score"].std(ddof=1),
        "interquartile_mean": interquartile_mean(kept["score"].to_numpy(dtype=float)),
        **_described(kept),
    }


def _described(kept: pd.DataFrame) -> dict[str, Any]:
    """Means over finished trials of what is measured beside the score."""
    gap = _numbers(kept, "train_mode_loss") - _numbers(kept, "train_loss")
    return {column: _numbers(kept, name).mean() for name, column in MEANS.items()} | {
        "gap_mean": gap.mean(),
        "signal_to_noise_median": _numbers(kept, "signal_to_noise").median(),
    }


def _numbers(cell: pd.DataFrame, name: str) -> pd.Series[float]:
    if name not in cell:
        return pd.Series(nan, index=cell.index)
    return pd.to_numeric(cell[name]).astype(float).replace([np.inf, -np.inf], nan)


def _typed(summary: pd.DataFrame) -> pd.DataFrame:
    """The same with integers, floats and texts as such, even where a column is empty."""
    kinds: dict[str, Any] = dict.fromkeys([*SUMMARY_COLUMNS, *FURTHER_COLUMNS], "float64")
    kinds |= dict.fromkeys((*CELL, "family", "score_name", "verdict"), "object")
    kinds |= dict.fromkeys(("n_seeds", "n_diverged"), "int64") | {"approximate": "bool"}
    typed = summary.astype(kinds)
    typed["verdict"] = typed["verdict"].where(typed["verdict"].notna(), None)
    return typed
