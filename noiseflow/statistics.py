"""What the trials say: arrays and frames in, numbers and frames out; docs/method.md has the formulas."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from math import nan, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from noiseflow.spec import BASELINE

Array = npt.NDArray[np.float64]
CellKey = tuple[str, str, str]
Verdict = Literal["equivalent", "better", "worse", "inconclusive"]

ALPHA = 0.05
N_RESAMPLES = 99_999
MOST_BROKEN = 0.05
"""Largest share of broken pairs that still allows a verdict; beyond it, what is left is a selection of survivors."""
RESOLUTION = 1e-6
"""Values closer than this are equal: above the rounding of float32, below one row of any test set in sight."""
PERMUTATION_SEED = 2018
"""Fixed, so that a summary computed again from the same trials is the same."""

CELL = ["dataset", "architecture", "variant"]
PAIR = ["data_seed", "seed"]
QUANTITIES = ["train_score", "test_score", "train_loss", "test_loss"]
SUMMARY_COLUMNS = [
    *("dataset", "architecture", "variant", "strength", "score_name", "n_seeds", "n_diverged"),
    *("train_score_mean", "test_score_mean", "test_score_std", "ci_low", "ci_high"),
    *("difference_mean", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted"),
    *("effect_size", "prob_better", "verdict"),
]


@dataclass(frozen=True)
class PairedDifference:
    """A variant against its baseline over pairs with the same data seed and seed; NaN where too few pairs are left.

    n_pairs: pairs with two finite scores; n_broken: pairs of which a member diverged or has no finite score.
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

    @property
    def survivors_only(self) -> bool:
        """True if so many pairs broke that the rest is a selection of survivors."""
        return self.n_broken > MOST_BROKEN * (self.n_pairs + self.n_broken)


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


def paired_difference(scores: Array, baseline_scores: Array, margin: float) -> PairedDifference:
    """The difference between paired scores, each of shape (n_seeds,), NaN where a trial is to be left out.

    References: docs/method.md, sections 2 to 6.
    """
    whole = np.isfinite(scores) & np.isfinite(baseline_scores)
    a, b = scores[whole], baseline_scores[whole]
    n_pairs, n_broken = int(whole.sum()), int((~whole).sum())
    if n_pairs == 0:
        return PairedDifference(n_pairs, n_broken)
    difference = a - b
    ci_low, ci_high = t_interval(difference)
    return PairedDifference(
        n_pairs,
        n_broken,
        mean=float(difference.mean()),
        ci_low=ci_low,
        ci_high=ci_high,
        p_value=sign_flip_p(difference),
        p_equivalence=equivalence_p(difference, margin),
        effect_size=cohen_dz(difference),
        prob_better=probability_better(difference),
    )


def t_interval(values: Array) -> tuple[float, float]:
    """The two-sided 95 % t interval of the mean of values (n,); of differences it is the paired t interval.

    NaN below 2 values; of no width where all are equal.

    References: scipy.stats.ttest_1samp, which is ttest_rel on differences.
    """
    if values.size < 2:
        return nan, nan
    if _constant(values):
        return float(values.mean()), float(values.mean())
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(1 - ALPHA)
    return float(interval.low), float(interval.high)


def sign_flip_p(differences: Array) -> float:
    """Two-sided p of the sign-flip permutation test that differences (n,) are symmetric about 0; NaN below 2.

    Exact while 2^n does not exceed N_RESAMPLES, that is up to 16 pairs; beyond, N_RESAMPLES random flips from a fixed
    seed.

    References: Ernst (2004), Permutation methods, Statistical Science 19; scipy.stats.permutation_test.
    """
    if differences.size < 2:
        return nan
    result = stats.permutation_test(
        (_ticks(differences),),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=N_RESAMPLES,
        batch=max(1, 2_000_000 // differences.size),
        rng=np.random.default_rng(PERMUTATION_SEED),
    )
    return float(result.pvalue)


def equivalence_p(differences: Array, margin: float) -> float:
    """The p of the two one-sided t tests that the mean of differences (n,) lies within ± margin; NaN below 2.

    References: Schuirmann (1987); statsmodels.stats.weightstats.ttost_paired.
    """
    if differences.size < 2:
        return nan
    if _constant(differences):
        return 0.0 if abs(float(differences.mean())) < margin else 1.0
    return float(ttost_paired(differences, np.zeros_like(differences), -margin, margin)[0])


def cohen_dz(differences: Array) -> float:
    """Cohen's d_z: mean of differences (n,) over their standard deviation; NaN where there is no spread.

    References: Cohen (1988), section 2.3.5.
    """
    if differences.size < 2 or _constant(differences):
        return nan
    return float(differences.mean() / differences.std(ddof=1))


def probability_better(differences: Array) -> float:
    """P(better) + 1/2 P(tie): the share of differences (n,) above 0, a tie counting half; NaN of none.

    References: Vargha and Delaney (2000), for pairs.
    """
    if differences.size == 0:
        return nan
    return float(np.mean((np.sign(_ticks(differences)) + 1) / 2))


def holm(p_values: list[float]) -> list[float]:
    """Holm-adjusted p-values; NaN stays NaN, yet its comparison counts in the family.

    References: Holm (1979); statsmodels.stats.multitest.multipletests.
    """
    if not p_values:
        return []
    raw = np.asarray(p_values, dtype=float)
    missing = np.isnan(raw)
    adjusted = multipletests(np.where(missing, 1.0, raw), alpha=ALPHA, method="holm")[1]
    return [float(p) for p in np.where(missing, nan, adjusted)]


def least_n(comparisons: int) -> int:
    """The least number of pairs at which a two-sided sign-flip test can reach a Holm-adjusted p below .05.

    Its smallest p is 2 / 2^n, and Holm multiplies the smallest of the family by the number of comparisons.
    """
    return next(n for n in count(1) if max(comparisons, 1) * 2.0 ** (1 - n) < ALPHA)


def decide(pair: PairedDifference, p_adjusted: float, p_equivalence_adjusted: float, comparisons: int) -> Verdict:
    """The verdict on a variant, from adjusted p-values and the number of comparisons in the family."""
    if pair.n_pairs < least_n(comparisons) or pair.survivors_only:
        return "inconclusive"
    if p_equivalence_adjusted < ALPHA:
        return "equivalent"
    if p_adjusted < ALPHA:
        return "better" if pair.mean > 0 else "worse"
    return "inconclusive"


def pair_counts(trials: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each cell but the baselines: CELL, n_pairs, n_broken, least_n, survivors_only."""
    pairs = _pairs(trials)
    rows = []
    for key, (scores, baseline) in pairs.items():
        whole = int((np.isfinite(scores) & np.isfinite(baseline)).sum())
        pair = PairedDifference(whole, len(scores) - whole)
        counts = {"n_pairs": whole, "n_broken": pair.n_broken, "survivors_only": pair.survivors_only}
        rows.append({**dict(zip(CELL, key, strict=True)), **counts, "least_n": least_n(len(pairs))})
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
    parts = [
        pd.DataFrame(
            {"mean": cells[name].mean(), "low": cells[name].quantile(low), "high": cells[name].quantile(high)}
        ).assign(quantity=name)
        for name in QUANTITIES
    ]
    return pd.concat(parts).reset_index()[[*keys, "quantity", "mean", "low", "high"]]


def percentile_of_published(scores: npt.ArrayLike, published_score: float, resolution: float = 0.0005) -> float:
    """Mid-rank percentile, in [0, 100], at which a published score falls among scores (n,); NaN of none.

    A score within `resolution` of it is a tie: published scores are rounded, by default to three decimals.

    References: scipy.stats.percentileofscore(kind="mean").
    """
    values = np.asarray(scores, dtype=float)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return nan
    tied = np.abs(values - published_score) <= resolution + 1e-12
    return float(stats.percentileofscore(np.where(tied, published_score, values), published_score, kind="mean"))


def score_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of an accuracy of `successes` out of n rows: the test set's own uncertainty.

    References: Wilson (1927); scipy.stats.binomtest.
    """
    if n == 0:
        return nan, nan
    interval = stats.binomtest(successes, n).proportion_ci(1 - ALPHA, method="wilson")
    return float(interval.low), float(interval.high)


def score_standard_error(score: float, n: int) -> float:
    """Standard error sqrt(p (1 - p) / n) of an accuracy `score` measured on n rows; NaN without rows."""
    return sqrt(score * (1 - score) / n) if n else nan


def _pairs(trials: pd.DataFrame) -> dict[CellKey, tuple[Array, Array]]:
    """For each cell but the baselines, its scores and the baseline's on the same data seed and seed."""
    scored = trials.assign(score=compared_score(trials))
    pairs = {}
    for key, cell in scored.groupby(CELL, sort=False):
        dataset, architecture, variant = _key(key)
        if variant != BASELINE:
            at = (scored["dataset"] == dataset) & (scored["architecture"] == architecture)
            baseline = scored[at & (scored["variant"] == BASELINE)]
            both = cell[[*PAIR, "score"]].merge(baseline[[*PAIR, "score"]], on=PAIR, suffixes=("", "_baseline"))
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


def _constant(values: Array) -> bool:
    return bool(np.ptp(values) <= RESOLUTION * max(1.0, abs(float(values.mean()))))


def _ticks(differences: Array) -> Array:
    """Differences in whole units of RESOLUTION: equal ones are equal exactly, and their sums carry no rounding."""
    return np.rint(differences / RESOLUTION)
