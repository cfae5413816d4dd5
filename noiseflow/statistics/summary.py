"""The summary: a row a cell, and the bands of the learning curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.dependence import dependent_mean
from noiseflow.statistics.differences import compare_pairs
from noiseflow.statistics.inference import Array, by_size, least_n, t_interval
from noiseflow.statistics.pairs import (
    CELL,
    PAIR,
    CellKey,
    cell_pairs,
    compared_score,
    family_of,
    name_key,
    paired_rows,
    scored_cells,
)
from noiseflow.statistics.robust import interquartile_mean
from noiseflow.statistics.verdict import PairedDifference

Compare = Callable[[Mapping[CellKey, pd.DataFrame], float, Mapping[str, float]], Mapping[CellKey, dict[str, Any]]]
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
    trials: pd.DataFrame,
    margin: float,
    *,
    reused: Mapping[str, float] | None = None,
    compare: Compare = compare_pairs,
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

    Args:
        trials: a row a trial.
        margin: differences of the score within it are not worth having.
        reused: names of datasets whose data seeds split the same finite rows again, to rows that test over rows that
            train.
        compare: from pairs, margin and reused to the columns that say what differs; `compare_at_every_look` where the
            trials grow and are looked at again and again, as in nightly campaigns.

    References: docs/method.md.
    """
    ratios = reused or {}
    pairs = cell_pairs(trials)
    compared = compare(pairs, margin, ratios)
    cells = _cells(trials, ratios)
    differences = pd.DataFrame(
        [compared.get(name_key(key), {}) for key in cells[CELL].itertuples(index=False, name=None)]
    )
    return _typed(pd.concat([cells, differences], axis=1).reindex(columns=[*SUMMARY_COLUMNS, *FURTHER_COLUMNS]))


def pair_counts(trials: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each cell but the baselines: CELL, n_pairs, n_broken, least_n, survivors_only."""
    scored = scored_cells(trials)
    cells = scored.loc[scored["variant"] != BASELINE, CELL].drop_duplicates(ignore_index=True)
    pairs = paired_rows(scored, "variant", BASELINE)
    whole = (pairs["score"] - pairs["score_baseline"]).notna()
    counts = pairs[CELL].assign(n_pairs=whole, n_broken=~whole).groupby(CELL, sort=False).sum().reset_index()
    told = cells.merge(counts, on=CELL, how="left").fillna({"n_pairs": 0, "n_broken": 0})
    told = told.astype({"n_pairs": "int64", "n_broken": "int64"})
    broken = [PairedDifference(n, m).survivors_only for n, m in zip(told["n_pairs"], told["n_broken"], strict=True)]
    return told.assign(least_n=least_n(len(cells)), survivors_only=broken)


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


def _cells(trials: pd.DataFrame, reused: Mapping[str, float]) -> pd.DataFrame:
    """What is said of each cell alone: a row a cell, in order of first appearance."""
    numbers = _numbers(trials)
    scored = trials.assign(score=numbers["score"], family=family_of(trials))
    groups = scored.groupby(CELL, sort=False)
    places = [np.asarray(rows, np.intp) for rows in groups.indices.values()]
    names = (
        scored[[*CELL, "strength", "score_name", "family"]].iloc[[rows[0] for rows in places]].reset_index(drop=True)
    )
    kept = [rows[~np.isnan(numbers["score"][rows])] for rows in places]
    told = pd.DataFrame(
        {
            "n_seeds": list(map(len, places)),
            "n_diverged": [len(rows) - len(part) for rows, part in zip(places, kept, strict=True)],
        }
    )
    described: dict[int, dict[str, float]] = {}
    for cells, rows in by_size(kept):
        described |= dict(zip(cells, _described({name: of[rows] for name, of in numbers.items()}), strict=True))
    told = told.join(pd.DataFrame.from_dict(described, orient="index"))
    several = groups["data_seed"].nunique().to_numpy() > 1
    told["approximate"] = names["dataset"].isin(list(reused)).to_numpy() & several
    for cell in np.flatnonzero(several):
        tested = np.where(np.isnan(numbers["score"]), nan, numbers["test_score"])[places[cell]]
        ratio = reused.get(str(names["dataset"][cell]))
        estimate = dependent_mean(trials[PAIR].iloc[places[cell]], tested, ratio)
        if estimate is not None:
            told.loc[cell, ["ci_low", "ci_high"]] = estimate.interval
    return names.join(told)


def _numbers(trials: pd.DataFrame) -> dict[str, Array]:
    """The measured columns (n_trials,): those of a trial's loss and calibration NaN where they are not finite."""
    told = {"score": compared_score(trials), "test_score": trials["test_score"], "train_score": trials["train_score"]}
    found = {name: pd.to_numeric(column).to_numpy(dtype=float, na_value=nan) for name, column in told.items()}
    for name in (*MEANS, "train_mode_loss", "signal_to_noise"):
        values = pd.to_numeric(trials[name]).to_numpy(dtype=float, na_value=nan) if name in trials else nan
        found[name] = np.where(np.isfinite(values), values, nan) * np.ones(len(trials))
    return found | {"gap": found["train_mode_loss"] - found["train_loss"]}


def _described(numbers: Mapping[str, Array]) -> list[dict[str, float]]:
    """The columns of cells (k,) that have as many finished trials each: numbers are (k, n)."""
    train, test, score = (numbers[name] for name in ("train_score", "test_score", "score"))
    ci_low, ci_high = t_interval(test)
    columns = {
        "train_score_mean": _mean(train),
        "test_score_mean": _mean(test),
        "test_score_std": _std(test),
        "ci_low": ci_low,
        "ci_high": ci_high,
        "score_mean": _mean(score),
        "score_std": _std(score),
        "interquartile_mean": interquartile_mean(score),
        **{column: _mean(numbers[name]) for name, column in (MEANS | {"gap": "gap_mean"}).items()},
        "signal_to_noise_median": _median(numbers["signal_to_noise"]),
    }
    return [dict(zip(columns, row, strict=True)) for row in np.stack(list(columns.values()), axis=-1).tolist()]


def _mean(values: Array) -> Array:
    """The mean (k,) of what is finite in values (k, n); NaN of none."""
    count = np.isfinite(values).sum(axis=-1)
    return np.asarray(np.where(np.isfinite(values), values, 0.0).sum(axis=-1) / np.where(count, count, nan))


def _std(values: Array) -> Array:
    return values.std(axis=-1, ddof=1) if values.shape[-1] > 1 else np.full(len(values), nan)


def _median(values: Array) -> Array:
    """The median (k,) of what is finite in values (k, n); NaN of none."""
    if values.shape[-1] == 0:
        return np.full(len(values), nan)
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    middle = [np.take_along_axis(np.sort(values), at // 2, axis=-1) for at in ((count - 1).clip(0), count.clip(0))]
    return np.asarray((middle[0] + np.where(count % 2, middle[0], middle[1]))[:, 0] / 2)


def _typed(summary: pd.DataFrame) -> pd.DataFrame:
    """The same with integers, floats and texts as such, even where a column is empty."""
    kinds: dict[str, Any] = dict.fromkeys([*SUMMARY_COLUMNS, *FURTHER_COLUMNS], "float64")
    kinds |= dict.fromkeys((*CELL, "family", "score_name", "verdict"), "object")
    kinds |= dict.fromkeys(("n_seeds", "n_diverged"), "int64") | {"approximate": "bool"}
    typed = summary.astype(kinds)
    typed["verdict"] = typed["verdict"].where(typed["verdict"].notna(), None)
    return typed
