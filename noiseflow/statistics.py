"""What the trials say: frames in, frames out; docs/method.md has the formulas."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.inference import Array, holm, least_n, t_interval
from noiseflow.spec import BASELINE
from noiseflow.verdict import PairedDifference, decide, paired_difference

CellKey = tuple[str, str, str]

GROUP = ["dataset", "architecture"]
CELL = [*GROUP, "variant"]
PAIR = ["data_seed", "seed"]
QUANTITIES = ["train_score", "test_score"]
SUMMARY_COLUMNS = [
    *(*CELL, "strength", "score_name", "n_seeds", "n_diverged"),
    *("train_score_mean", "test_score_mean", "test_score_std", "ci_low", "ci_high"),
    *("difference_mean", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted"),
    *("effect_size", "prob_better", "verdict"),
]


def summarize(trials: pd.DataFrame, margin: float) -> pd.DataFrame:
    """The summary: a row a cell, in order of first appearance, with SUMMARY_COLUMNS.

    `n_seeds` counts the cell's trials, diverged ones included. `n_diverged` counts those that diverged or have no
    finite score; they are left out of every mean, and a pair with such a member is left out of the differences.
    `ci_low` and `ci_high` bound the mean test score. Differences are those of eval_score where a dataset and
    architecture has one, else of test_score. Holm's family is every cell but the baselines. NaN and None stand where
    nothing can be said, and in the differences of a baseline.

    References: docs/method.md.
    """
    pairs = {key: paired_difference(scores, baseline, margin) for key, (scores, baseline) in _pairs(trials).items()}
    p_adjusted = holm([pair.p_value for pair in pairs.values()])
    p_equivalence = holm([pair.p_equivalence for pair in pairs.values()])
    compared = {
        key: _difference_columns(pair, p, p_eq, len(pairs))
        for (key, pair), p, p_eq in zip(pairs.items(), p_adjusted, p_equivalence, strict=True)
    }
    cells = trials.assign(score=compared_score(trials)).groupby(CELL, sort=False)
    rows = [{**_cell_columns(cell), **compared.get(_key(key), {})} for key, cell in cells]
    return _typed(pd.DataFrame(rows, columns=SUMMARY_COLUMNS))


def pair_counts(trials: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each cell but the baselines: CELL, n_pairs, n_broken, least_n, survivors_only."""
    pairs = _pairs(trials)
    rows = []
    for key, (scores, baseline) in pairs.items():
        n_broken = int(np.isnan(scores - baseline).sum())
        pair = PairedDifference(len(scores) - n_broken, n_broken)
        rows.append([*key, pair.n_pairs, n_broken, least_n(len(pairs)), pair.survivors_only])
    return pd.DataFrame(rows, columns=[*CELL, "n_pairs", "n_broken", "least_n", "survivors_only"])


def compared_score(trials: pd.DataFrame) -> pd.Series[float]:
    """The score that is compared: eval_score where the dataset and architecture has one, else test_score.

    NaN for trials that diverged or have no finite score.
    """
    score = pd.to_numeric(trials["test_score"]).astype(float)
    if "eval_score" in trials:
        fresh = pd.to_numeric(trials["eval_score"]).astype(float)
        has_fresh = fresh.notna().groupby([trials["dataset"], trials["architecture"]]).transform("any")
        score = score.where(~has_fresh, fresh)
    return score.where((trials["status"] == "completed") & np.isfinite(score))


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


def _pairs(trials: pd.DataFrame) -> dict[CellKey, tuple[Array, Array]]:
    """For each cell but the baselines, its scores and the baseline's on the same data seed and seed."""
    cells = trials.assign(score=compared_score(trials)).groupby(CELL, sort=False)
    scores = {_key(key): cell[[*PAIR, "score"]] for key, cell in cells}
    none = trials[PAIR].head(0).assign(score=nan)
    pairs = {}
    for (dataset, architecture, variant), cell in scores.items():
        if variant != BASELINE:
            baseline = scores.get((dataset, architecture, BASELINE), none)
            both = cell.merge(baseline, on=PAIR, suffixes=("", "_baseline"))
            pairs[dataset, architecture, variant] = (both["score"].to_numpy(), both["score_baseline"].to_numpy())
    return pairs


def _cell_columns(cell: pd.DataFrame) -> dict[str, Any]:
    kept = cell[cell["score"].notna()]
    test = kept["test_score"].to_numpy(dtype=float)
    train = kept["train_score"].to_numpy(dtype=float)
    ci_low, ci_high = t_interval(test)
    names = {name: cell[name].iloc[0] for name in (*CELL, "strength", "score_name")}
    return names | {
        "n_seeds": len(cell),
        "n_diverged": len(cell) - len(kept),
        "train_score_mean": train.mean() if train.size else nan,
        "test_score_mean": test.mean() if test.size else nan,
        "test_score_std": test.std(ddof=1) if test.size > 1 else nan,
        "ci_low": ci_low,
        "ci_high": ci_high,
    }


def _difference_columns(pair: PairedDifference, p: float, p_equivalence: float, comparisons: int) -> dict[str, Any]:
    return {
        "difference_mean": pair.mean,
        "difference_ci_low": pair.ci_low,
        "difference_ci_high": pair.ci_high,
        "p_value": pair.p_value,
        "p_adjusted": p,
        "effect_size": pair.effect_size,
        "prob_better": pair.prob_better,
        "verdict": decide(pair, p, p_equivalence, comparisons),
    }


def _typed(summary: pd.DataFrame) -> pd.DataFrame:
    """The same with integers, floats and texts as such, even where a column is empty."""
    kinds: dict[str, Any] = dict.fromkeys(SUMMARY_COLUMNS, "float64")
    kinds |= dict.fromkeys((*CELL, "score_name", "verdict"), "object")
    kinds |= dict.fromkeys(("n_seeds", "n_diverged"), "int64")
    typed = summary.astype(kinds)
    typed["verdict"] = typed["verdict"].where(typed["verdict"].notna(), None)
    return typed


def _key(key: Any) -> CellKey:
    dataset, architecture, variant = key
    return str(dataset), str(architecture), str(variant)
