"""The summary: a row a cell, and the bands of the learning curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.dependence import dependent_mean
from noiseflow.statistics.differences import DIFFERENCE_COLUMNS, PairedComparison, compare
from noiseflow.statistics.failures import mark_failures, paired_failures_p, rate_interval
from noiseflow.statistics.inference import ALPHA, Array, by_size, holm, t_interval
from noiseflow.statistics.looks import Due, with_kept
from noiseflow.statistics.new_rows import RowVariance
from noiseflow.statistics.pairs import (
    CELL,
    MEASURES,
    PAIR,
    CellKey,
    cell_pairs,
    compared_score,
    family_of,
    name_key,
    scale_of,
)
from noiseflow.statistics.robust import interquartile_mean
from noiseflow.statistics.verdict import FAILURES_ALPHA, Verdict

Compare = Callable[[Sequence[PairedComparison]], list[dict[str, Any]]]
RowVariances = Mapping[tuple[CellKey, str], RowVariance]
"""By cell and measure."""
QUANTITIES = ["train_score", "test_score"]
SUMMARY_COLUMNS = [
    *(*CELL, "strength", "score_name", "n_seeds", "n_diverged"),
    *("train_score_mean", "test_score_mean", "test_score_std", "ci_low", "ci_high"),
    *DIFFERENCE_COLUMNS,
]
FURTHER_COLUMNS = [
    *("approximate", "bca_low", "bca_high", "wilcoxon_p", "n_needed", "interquartile_mean"),
    *(
        "train_loss_mean",
        "test_loss_mean",
        "gap_mean",
        "brier_mean",
        "ece_mean",
        "ece_chance_mean",
        "signal_to_noise_median",
    ),
    *("family", "score_mean", "score_std", "fixed_ci_low", "fixed_ci_high"),
    *("seeds_ci_low", "seeds_ci_high", "rows_share", "clear", "long_tail"),
    *("n_pairs", "n_broken", "n_units", "least_n", "survivors_only"),
    *("n_failed", "failure_low", "failure_high", "failure_p"),
    *(f"{measure}_{name}" for measure in MEASURES[1:] for name in ("difference_mean", "ci_low", "ci_high", "verdict")),
    *(f"{measure}_long_tail" for measure in MEASURES[1:]),
]
MEANS = {name: f"{name}_mean" for name in ("train_loss", "test_loss", "brier", "ece", "ece_chance")}
MEASURE_MARGIN = 0.01
"""Differences of a loss, in nats, or of a Brier score within it are not worth having."""


def summarize(
    trials: pd.DataFrame,
    margin: float,
    *,
    reused: Mapping[str, float] | None = None,
    rows: RowVariances | None = None,
    compare: Compare = compare,
    measures: Sequence[str] = MEASURES,
    dues: Mapping[CellKey, Due] | None = None,
) -> pd.DataFrame:
    """The summary: a row a cell, in order of first appearance, with SUMMARY_COLUMNS and FURTHER_COLUMNS.

    `n_seeds` counts the cell's trials. `n_diverged` counts those that diverged or have no finite score, `n_failed` these and
    those that are marked as `failed`; they are left out of every mean, and a pair with such a member is left out of the
    differences. failure_low and failure_high bound the failure rate, failure_p tests it against the baseline's rate. `ci_low`
    and `ci_high` bound the mean test score. Differences are of eval_score where a dataset and architecture has one, else of
    test_score; loss_ and brier_ are of a classification's loss and Brier score (below 0 is better). One band holds all of them
    together. Where nothing can be said, and in the differences of a baseline, a value is NaN or None.

    Pairs that depend on each other have intervals and p-values that allow for it (`dependent_mean`), and no bca_low,
    bca_high, wilcoxon_p and n_needed. `approximate` says so where data seeds split the same rows again. gap_mean is
    train_mode_loss minus train_loss. Columns that the trials lack give NaN.

    Args:
        trials: a row a trial.
        margin: differences of the score within it are not worth having.
        reused: datasets that split the same finite rows again for each data seed: name to test rows over training rows.
        rows: what the rows add to the variance, where they are fixed.
        compare: from what is asked to the columns that say what differs; `compare_at_every_look` where the trials grow and
            are looked at again and again, as in nightly campaigns.
        measures: what is compared, of MEASURES.
        dues: what each comparison is judged by, where there were looks before; at .05 unless given.

    References: docs/method.md.
    """
    trials = trials if "failed" in trials else mark_failures(trials, {})
    ratios = reused or {}
    cells = _cells(trials, ratios).join(_failures(trials))
    dues = dues or {}
    on_failures = _verdicts_on_failures(cells, dues)
    asked = [
        (one, measure)
        for measure in measures
        for one in _asked(trials, measure, margin, ratios, rows or {}, on_failures, dues)
    ]
    columns_of: dict[CellKey, dict[str, Any]] = {}
    for (one, measure), columns in zip(asked, compare([one for one, _ in asked]), strict=True):
        columns_of.setdefault(one.key, {}).update(columns if measure == "score" else _as_losses(measure, columns))
    differences = pd.DataFrame(
        [columns_of.get(name_key(key), {}) for key in cells[CELL].itertuples(index=False, name=None)]
    )
    summary = pd.concat([cells, differences], axis=1).reindex(columns=[*SUMMARY_COLUMNS, *FURTHER_COLUMNS])
    return _typed(with_kept(summary, dues))


def _asked(
    trials: pd.DataFrame,
    measure: str,
    margin: float,
    ratios: Mapping[str, float],
    rows: RowVariances,
    failures: Mapping[CellKey, Verdict],
    dues: Mapping[CellKey, Due],
) -> Iterator[PairedComparison]:
    """The comparisons of all cells in a measure; none where it is not measured."""
    names = dict(trials[["dataset", "score_name"]].drop_duplicates("dataset").itertuples(index=False, name=None))
    scales: dict[CellKey, float] = {}
    for key, pairs in cell_pairs(trials, measure).items():
        if measure == "score" or pairs["score"].notna().any():
            name = str(names[key[0]]) if measure == "score" else f"-{measure}"
            scale = scales.setdefault((*key[:2], ""), scale_of(name, pairs["score_baseline"]))
            least = margin if measure == "score" else MEASURE_MARGIN
            verdict, level = failures.get(key, "inconclusive"), dues.get(key, Due()).level
            yield PairedComparison(
                key, pairs, least, ratios.get(key[0]), scale, rows.get((key, measure)), verdict, level
            )


def _as_losses(measure: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a measure that is better when smaller, from the columns of its negative."""
    low, high = -columns["difference_ci_high"], -columns["difference_ci_low"]
    as_loss = {"difference_mean": -columns["difference_mean"], "ci_low": low, "ci_high": high}
    as_loss |= {name: columns.get(name) for name in ("verdict", "long_tail")}
    return {f"{measure}_{name}": value for name, value in as_loss.items()}


def _failures(trials: pd.DataFrame) -> pd.DataFrame:
    """n_failed, failure_low, failure_high and failure_p of each cell, in order of first appearance."""
    rows = []
    marked = trials[[*CELL, *PAIR]].assign(failed=trials["failed"].astype(bool))
    groups = {key: part.set_index(PAIR)["failed"] for key, part in marked.groupby(CELL, sort=False)}
    for (*group, variant), failed in groups.items():
        low, high = rate_interval(int(failed.sum()), failed.size)
        theirs = groups.get((*group, BASELINE))
        p = nan
        if variant != BASELINE and theirs is not None:
            ours, theirs = failed.align(theirs, join="inner")
            p = paired_failures_p(ours, theirs)
        rows.append([int(failed.sum()), low, high, p])
    return pd.DataFrame(rows, columns=["n_failed", "failure_low", "failure_high", "failure_p"])


def _verdicts_on_failures(cells: pd.DataFrame, dues: Mapping[CellKey, Due]) -> dict[CellKey, Verdict]:
    """Which cells are shown to fail less, or more, often than their baseline: all of them together at FAILURES_ALPHA.

    A look at a part of .05 has as large a part of FAILURES_ALPHA.
    """
    known = cells[cells["failure_p"].notna()]
    rates = (cells["n_failed"] / cells["n_seeds"]).groupby([cells[name] for name in CELL]).first()
    found: dict[CellKey, Verdict] = {}
    for row, p in zip(known.to_dict("records"), holm(known["failure_p"].tolist()), strict=True):
        key = row["dataset"], row["architecture"], row["variant"]
        if p < FAILURES_ALPHA * (dues.get(key, Due()).level / ALPHA):
            found[key] = "better" if rates[key] < rates[(*key[:2], BASELINE)] else "worse"
    return found


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
    columns = pd.DataFrame(
        {
            "n_seeds": list(map(len, places)),
            "n_diverged": [int(numbers["broken"][rows].sum()) for rows in places],
        }
    )
    described: dict[int, dict[str, float]] = {}
    for cells, rows in by_size(kept):
        described |= dict(zip(cells, _cell_columns({name: of[rows] for name, of in numbers.items()}), strict=True))
    columns = columns.join(pd.DataFrame.from_dict(described, orient="index"))
    several = groups["data_seed"].nunique().to_numpy() > 1
    columns["approximate"] = names["dataset"].isin(list(reused)).to_numpy() & several
    for cell in np.flatnonzero(several):
        tested = np.where(np.isnan(numbers["score"]), nan, numbers["test_score"])[places[cell]]
        ratio = reused.get(str(names["dataset"][cell]))
        estimate = dependent_mean(trials[PAIR].iloc[places[cell]], tested, ratio)
        if estimate is not None:
            columns.loc[cell, ["ci_low", "ci_high"]] = estimate.interval
    return names.join(columns)


def _numbers(trials: pd.DataFrame) -> dict[str, Array]:
    """The measured columns (n_trials,): loss and calibration are NaN where they are not finite."""
    scores = {"score": compared_score(trials), "test_score": trials["test_score"], "train_score": trials["train_score"]}
    found = {name: pd.to_numeric(column).to_numpy(dtype=float, na_value=nan) for name, column in scores.items()}
    for name in (*MEANS, "train_mode_loss", "signal_to_noise"):
        values = pd.to_numeric(trials[name]).to_numpy(dtype=float, na_value=nan) if name in trials else nan
        found[name] = np.where(np.isfinite(values), values, nan) * np.ones(len(trials))
    broken = compared_score(trials.drop(columns="failed")).isna().to_numpy(dtype=float)
    return found | {"gap": found["train_mode_loss"] - found["train_loss"], "broken": broken}


def _cell_columns(numbers: Mapping[str, Array]) -> list[dict[str, float]]:
    """The columns of cells (k,) that have as many finished trials each: numbers are (k, n)."""
    train, test, score = (numbers[name] for name in ("train_score", "test_score", "score"))
    size = np.abs(_mean(test))  # equal up to rounding means in units of the size
    size = np.where((size > 0) & (size < 1), size, 1.0)
    ci_low, ci_high = (end * size for end in t_interval(test / size[:, np.newaxis]))
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
    """The mean (k,) of the finite values in (k, n); NaN where none is finite."""
    count = np.isfinite(values).sum(axis=-1)
    return np.asarray(np.where(np.isfinite(values), values, 0.0).sum(axis=-1) / np.where(count, count, nan))


def _std(values: Array) -> Array:
    return values.std(axis=-1, ddof=1) if values.shape[-1] > 1 else np.full(len(values), nan)


def _median(values: Array) -> Array:
    """The median (k,) of the finite values in (k, n); NaN where none is finite."""
    if values.shape[-1] == 0:
        return np.full(len(values), nan)
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    middle = [np.take_along_axis(np.sort(values), at // 2, axis=-1) for at in ((count - 1).clip(0), count.clip(0))]
    return np.asarray((middle[0] + np.where(count % 2, middle[0], middle[1]))[:, 0] / 2)


def _typed(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with the type of each column: integers, floats, texts, flags, even where a column is empty."""
    kinds: dict[str, Any] = dict.fromkeys([*SUMMARY_COLUMNS, *FURTHER_COLUMNS], "float64")
    verdicts = ["verdict", *(f"{measure}_verdict" for measure in MEASURES[1:])]
    tails = [f"{measure}_long_tail" for measure in MEASURES[1:]]
    flags, counts = ["clear", "long_tail", "survivors_only", *tails], ["n_pairs", "n_broken", "n_units", "least_n"]
    kinds |= dict.fromkeys((*CELL, "family", "score_name", *verdicts), "object")
    kinds |= dict.fromkeys(("n_seeds", "n_diverged", "n_failed", *counts), "int64")
    kinds |= dict.fromkeys(("approximate", *flags), "bool")
    filled = summary.assign(
        **{name: summary[name].astype(object).where(summary[name].notna(), False) for name in flags},
        **{name: summary[name].fillna(0) for name in counts},
    )
    typed = filled.astype(kinds)
    return typed.assign(**{name: typed[name].where(typed[name].notna(), None) for name in verdicts})
