"""Drift: whether a campaign's scores come from the same distribution as the scores of the campaigns before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import pandas as pd
from scipy import stats

from noiseflow.statistics.inference import ALPHA, Array, in_ticks
from noiseflow.statistics.pairs import CELL, compared_score

DRIFT_COLUMNS = [
    *("campaign", *CELL, "score_name", "test", "n_new", "n_old", "mean_new", "mean_old"),
    *("p_value", "p_adjusted", "flagged"),
]
NIGHTS_A_YEAR = 365
"""False alarms are rationed by the year: .05, shared among its nights."""
WEEK = 7
"""Campaigns that the slow test takes together."""
MOST_EXACT = 1_000
"""Largest sample for which Kolmogorov and Smirnov's p is exact; in small samples the limit's small p is half as large."""
BEFORE_ALL = ""
"""The campaign of trials without one, which come before all others."""
QUICK, SLOW = "Mann-Whitney, this campaign", "Kolmogorov-Smirnov, last campaigns"


def drift(trials: pd.DataFrame, campaign: str | None = None) -> pd.DataFrame:
    """Whether a campaign's compared scores come from the distribution of those before: a row a cell and test, DRIFT_COLUMNS.

    Two tests of each cell, the baseline's own scores among them:

    - QUICK: Mann and Whitney's, of this campaign against all before it, sees a shift the night it comes, if it is large.
    - SLOW: Kolmogorov and Smirnov's, of the last seven campaigns (of half of all, where there are fewer than fourteen)
      against all before those, sees any change, within days.

    p_adjusted is p times the number of tests of a year: NIGHTS_A_YEAR × cells × 2. So a year without drift has a flag,
    anywhere, with a chance of .05 at most. No rows before there are two campaigns; NaN where a cell has no new or no old
    finite score. Trials that diverged are not compared.

    Args:
        trials: a row a trial, with a column `campaign`; a trial without one counts as before all campaigns.
        campaign: the campaign in question; the latest unless given. Later ones are left out.

    Raises:
        ValueError: the trials have no such campaign.

    References: Mann and Whitney (1947), Annals of Mathematical Statistics 18; Smirnov (1948), the same 19;
    scipy.stats.mannwhitneyu and ks_2samp; docs/method.md, "Campaigns".
    """
    labels = campaigns_of(trials)
    known = sorted(labels[labels != BEFORE_ALL].unique())
    if campaign is not None and campaign not in known:
        raise ValueError(
            f"campaign must be one of the trials' campaigns; received {campaign!r}. Known: {', '.join(known) or 'none'}."
        )
    asked = known[-1:] if campaign is None else [campaign]
    return _table([row for scores in _cells(trials, labels) for night in asked for row in scores.rows(night)])


def drift_history(trials: pd.DataFrame) -> pd.DataFrame:
    """What `drift` said as of each campaign, all of them: DRIFT_COLUMNS, no rows for the first."""
    labels = campaigns_of(trials)
    known = sorted(labels[labels != BEFORE_ALL].unique())
    return _table([row for scores in _cells(trials, labels) for night in known for row in scores.rows(night)])


def campaigns_of(trials: pd.DataFrame) -> pd.Series[str]:
    """The campaign of each trial; BEFORE_ALL where it has none."""
    if "campaign" not in trials:
        return pd.Series(BEFORE_ALL, index=trials.index, dtype=object)
    return trials["campaign"].astype(object).where(trials["campaign"].notna(), BEFORE_ALL)


def shift_p(new: Array, old: Array) -> float:
    """Two-sided p of Mann and Whitney's test that new (n,) and old (m,) come from one distribution.

    The normal limit with ties and continuity allowed for; its tails are heavier than the exact distribution's, so
    small p-values are too large rather than too small. 1 where all values are equal, NaN without values.
    """
    if min(new.size, old.size) == 0:
        return nan
    if min(new.min(), old.min()) == max(new.max(), old.max()):
        return 1.0
    return float(stats.mannwhitneyu(new, old, method="asymptotic").pvalue)


def change_p(new: Array, old: Array) -> float:
    """The p of Kolmogorov and Smirnov's test that new (n,) and old (m,) come from one distribution; NaN of
    none.

    Ties make it larger than it need be.
    """
    if min(new.size, old.size) == 0:
        return nan
    method = "exact" if max(new.size, old.size) <= MOST_EXACT else "asymp"
    return float(stats.ks_2samp(new, old, method=method).pvalue)


@dataclass(frozen=True)
class _Cell:
    """Finite compared scores of a cell (n,) in the order of their campaigns, and where each campaign begins (c + 1,)."""

    names: list[object]
    scores: Array
    begins: dict[str, int]
    n_tests: int

    def rows(self, campaign: str) -> Iterator[list[object]]:
        """The rows of DRIFT_COLUMNS of one campaign; none for the first."""
        nights = list(self.begins)
        last = nights.index(campaign)
        if last == 0:
            return
        first = last + 1 - min(WEEK, (last + 1) // 2)
        end = self.begins[nights[last + 1]] if last + 1 < len(nights) else self.scores.size
        for test, function, start in (
            (QUICK, shift_p, self.begins[campaign]),
            (SLOW, change_p, self.begins[nights[first]]),
        ):
            old, new = self.scores[:start], self.scores[start:end]
            p = function(in_ticks(new), in_ticks(old))
            adjusted = nan if isnan(p) else min(1.0, p * self.n_tests)
            figures = [new.size, old.size, _mean(new), _mean(old), p, adjusted, adjusted < ALPHA]
            yield [campaign, *self.names, test, *figures]


def _cells(trials: pd.DataFrame, labels: pd.Series[str]) -> list[_Cell]:
    score = compared_score(trials.drop(columns="failed", errors="ignore"))  # more failures than before are a drift too
    table = trials[[*CELL, "score_name"]].assign(campaign=labels, score=score)
    table = table.sort_values("campaign", kind="stable")
    nights = sorted(labels.unique())
    groups = list(table.groupby(CELL, sort=False))
    n_tests = NIGHTS_A_YEAR * len(groups) * 2
    return [
        _cell([*key, cell["score_name"].iloc[0]], cell.dropna(subset="score"), nights, n_tests) for key, cell in groups
    ]


def _cell(names: list[object], cell: pd.DataFrame, nights: list[str], n_tests: int) -> _Cell:
    begins = np.searchsorted(cell["campaign"].to_numpy(dtype=str), np.asarray(nights, dtype=str))
    return _Cell(names, cell["score"].to_numpy(dtype=float), dict(zip(nights, begins.tolist(), strict=True)), n_tests)


def _mean(scores: Array) -> float:
    return float(scores.mean()) if scores.size else nan


def _table(rows: list[list[object]]) -> pd.DataFrame:
    """Rows of DRIFT_COLUMNS as a frame, by campaign."""
    kinds = dict.fromkeys(DRIFT_COLUMNS, "object") | dict.fromkeys(("n_new", "n_old"), "int64") | {"flagged": "bool"}
    kinds |= dict.fromkeys(("mean_new", "mean_old", "p_value", "p_adjusted"), "float64")
    table = pd.DataFrame(rows, columns=DRIFT_COLUMNS).astype(kinds)
    return table.sort_values("campaign", kind="stable", ignore_index=True)
