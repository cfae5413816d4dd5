"""Families over several datasets: mean ranks, whether they differ, and which differ from the baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from noiseflow.base.values import BASELINE
from noiseflow.statistics.crossfit import honest_scores
from noiseflow.statistics.inference import RESOLUTION, Array, holm
from noiseflow.statistics.pairs import GROUP
from noiseflow.statistics.robust import wilcoxon_p

LEAST_DATASETS = 6
RANK_COLUMNS = ["family", "mean_rank", "p_value", "p_adjusted"]


@dataclass(frozen=True)
class MeanRanks:
    """Ranks of families over datasets, 1 being the best.

    Attributes:
        statistic, p_value: Iman and Davenport's F, with `degrees_of_freedom`, that all families rank alike.
        friedman: the χ² that it comes from.
        ranks: RANK_COLUMNS; p_value is from Wilcoxon's signed-rank test of a family's mean scores against the baseline's
            over the datasets, which rivals do not enter; Holm-adjusted; missing for the baseline.
    """

    datasets: tuple[str, ...]
    friedman: float
    statistic: float
    degrees_of_freedom: tuple[int, int]
    p_value: float
    ranks: pd.DataFrame


def mean_ranks(trials: pd.DataFrame) -> MeanRanks | None:
    """Mean ranks of the families by their mean honest score on each dataset; None below 6 datasets or 2 families.

    A dataset's score of a family is the mean over its architectures of the mean `honest_scores`. Families take part that
    have one on every dataset, the baseline among them. Ties share their mean rank, and the variance is not corrected for
    them: that errs on the safe side. Datasets are the units: those that differ in their number of rows only are one
    dataset, and the caller should pass one of them.

    References: Demšar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7, sections 3.1.3 and
    3.2.2; Iman and Davenport (1980); Benavoli, Corani and Mangili (2016), Should we really use post-hoc tests based on
    mean-ranks? JMLR 17.
    """
    honest = honest_scores(trials)
    means = honest.groupby([*GROUP, "family"], sort=False, as_index=False)["score"].mean()
    table = means.pivot_table(index="dataset", columns="family", values="score", sort=False).dropna(axis="columns")
    if len(table) < LEAST_DATASETS or table.shape[1] < 2 or BASELINE not in table:
        return None
    ranks = stats.rankdata(-np.rint(table.to_numpy(dtype=float) / RESOLUTION), axis=1)
    n, k = ranks.shape
    friedman, statistic, p_value = iman_davenport(ranks)
    found = _against_baseline(table, ranks)
    return MeanRanks(tuple(map(str, table.index)), friedman, statistic, (k - 1, (k - 1) * (n - 1)), p_value, found)


def iman_davenport(ranks: Array) -> tuple[float, float, float]:
    """Friedman's χ², Iman and Davenport's F, and the p of F, of ranks (n_datasets, n_families).

    χ² itself is too conservative (Demšar, 2006). Where all datasets rank alike F is infinite and p is 0.
    """
    n, k = ranks.shape
    friedman = float(12 * n / (k * (k + 1)) * ((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum())
    rest = n * (k - 1) - friedman
    statistic = (n - 1) * friedman / rest if rest > 1e-9 else np.inf
    return friedman, float(statistic), float(stats.f.sf(statistic, k - 1, (k - 1) * (n - 1)))


def _against_baseline(table: pd.DataFrame, ranks: Array) -> pd.DataFrame:
    differences = table.sub(table[BASELINE], axis="index").to_numpy(dtype=float).T
    found = pd.DataFrame({"mean_rank": ranks.mean(axis=0), "p_value": wilcoxon_p(differences)}, index=table.columns)
    found.loc[BASELINE, "p_value"] = np.nan
    rivals = found.index != BASELINE
    found.loc[rivals, "p_adjusted"] = holm(found.loc[rivals, "p_value"].tolist())
    return found.rename_axis("family").reset_index()[RANK_COLUMNS]
