"""Failed trainings as an outcome: which they are, how often, and whether one variant fails more often than another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from noiseflow.statistics.pairs import CELL, GROUP, compared_score

MOST = 0.9
"""Share of some cell's trials that must beat a constant prediction; then a trial that does not has failed."""
APART = 4
"""Spreads of that cell between its median and the constant, at least: nearer, a low score is one end of the distribution."""


def mark_failures(trials: pd.DataFrame, constants: Mapping[str, float]) -> pd.DataFrame:
    """The trials with a column `failed`: diverged, or no better than a constant prediction while most are.

    Where no cell of a dataset and architecture beats the constant in nine of ten trials, and by far, a low score is no
    failure but what the task gives.

    Args:
        trials: a row a trial.
        constants: dataset to the compared score of the best constant prediction, where it is known.
    """
    if trials.empty:
        return trials.assign(failed=np.zeros(0, bool))
    score = compared_score(trials)
    constant = trials["dataset"].map(dict(constants)).astype(float)
    beats = score > constant
    cells = score.sub(constant).groupby([trials[name] for name in CELL])
    is_far = cells.transform(_lies_far_above_zero)
    share = beats.groupby([trials[name] for name in CELL]).transform("mean")
    easy = ((share >= MOST) & is_far.astype(bool)).groupby([trials[name] for name in GROUP]).transform("any")
    return trials.assign(failed=score.isna() | (easy & constant.notna() & ~beats))


def _lies_far_above_zero(values: pd.Series[float]) -> bool:
    spread = 1.4826 * (values - values.median()).abs().median()  # of normal values, their standard deviation
    return bool(values.median() > APART * spread)


def rate_interval(n_failed: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a failure rate (Clopper and Pearson, 1934): with none of n failed the high end is about 3.7/n."""
    if n == 0:
        return np.nan, np.nan
    found = stats.binomtest(n_failed, n).proportion_ci(method="exact")
    return float(found.low), float(found.high)


def unseen_rate(n: int) -> float:
    """The largest failure rate that none of n failures leaves open at 95 %: about 3/n (Hanley and Lippman-Hand, 1983)."""
    return float(1 - 0.05 ** (1 / n)) if n else 1.0


def paired_failures_p(failed: pd.Series[bool], baseline_failed: pd.Series[bool]) -> float:
    """Two-sided p that a variant and its baseline fail equally often: exact, over the pairs with one failed member.

    References: McNemar (1947), Note on the sampling error of the difference between correlated proportions, Psychometrika
    12; scipy.stats.binomtest.
    """
    more, fewer = int((failed & ~baseline_failed).sum()), int((~failed & baseline_failed).sum())
    return float(stats.binomtest(more, more + fewer).pvalue) if more + fewer else 1.0
