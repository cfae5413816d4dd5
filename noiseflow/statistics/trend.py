"""Whether a family's gain over the baseline shrinks as training rows grow."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

import numpy as np
import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.differences import difference_of
from noiseflow.statistics.inference import ALPHA, holm
from noiseflow.statistics.pairs import PAIR

TREND_COLUMNS = [
    *("architecture", "family", "n_seeds", "slope_mean", "slope_ci_low", "slope_ci_high"),
    *("p_value", "p_adjusted", "seen"),
]
DIFFERENCE = ("n_pairs", "difference_mean", "difference_ci_low", "difference_ci_high")
GAIN_COLUMNS = ["architecture", "family", "dataset", "n_train", "n_seeds", "gain_mean", "gain_ci_low", "gain_ci_high"]


def gain_trend(scores: pd.DataFrame, n_train: Mapping[str, int]) -> pd.DataFrame:
    """How a family's gain over the baseline goes with the number of training rows: a row a family, TREND_COLUMNS.

    The gain of one pair (data seed, seed) on each dataset is regressed on log2(n_train): its slope, in units of the score
    per doubling, is one observation, and their mean has a t interval and a sign-flip p over pairs; or what
    `difference_of` uses where seeds are crossed or strengths were chosen. A pair takes part if it is whole on every
    dataset. `seen`: the gain shrinks, that is the interval lies below 0 and p_adjusted, by Holm over families and
    architectures, is below .05.

    Args:
        scores: `honest_scores`, the baseline among them.
        n_train: dataset to its training rows: datasets that differ in nothing else. Data seeds of two datasets pair by
            their order.

    References: Zur, Jiang, Pesce and Drukker (2009), Noise injection for training artificial neural networks: a comparison
    with weight decay and early stopping, Medical Physics 36; Lorch and Myers (1990) for slopes as observations.
    """
    rows = []
    for (architecture, family), gains in _gains(scores, n_train).groupby(["architecture", "family"], sort=False):
        slopes = _slopes(gains)
        found = difference_of(slopes, nan)
        rows.append([architecture, family, *(found[name] for name in DIFFERENCE), found["p_value"], nan, False])
    trend = pd.DataFrame(rows, columns=TREND_COLUMNS)
    trend["p_adjusted"] = holm(trend["p_value"].tolist())
    trend["seen"] = (trend["slope_ci_high"] < 0) & (trend["p_adjusted"] < ALPHA)
    return trend


def gains_by_rows(scores: pd.DataFrame, n_train: Mapping[str, int]) -> pd.DataFrame:
    """The mean gain of each family over the baseline at each number of training rows, with its interval: GAIN_COLUMNS.

    Args: as for `gain_trend`.
    """
    keys = ["architecture", "family", "dataset", "n_train"]
    rows = []
    for key, gains in _gains(scores, n_train).groupby(keys, sort=False):
        found = difference_of(gains, nan)
        rows.append([*key, *(found[name] for name in DIFFERENCE)])
    return pd.DataFrame(rows, columns=GAIN_COLUMNS).sort_values(
        ["architecture", "family", "n_train"], kind="stable", ignore_index=True
    )


def _gains(scores: pd.DataFrame, n_train: Mapping[str, int]) -> pd.DataFrame:
    """architecture, family, dataset, n_train, PAIR, score and score_baseline; data seeds as ranks within a dataset."""
    measured = scores[scores["dataset"].isin(list(n_train))]
    measured = measured.assign(
        n_train=measured["dataset"].map(n_train).astype(float),
        data_seed=measured.groupby("dataset")["data_seed"].rank(method="dense").astype(int),
    )
    keys = ["architecture", "dataset", "n_train", *PAIR]
    baseline = measured.loc[measured["family"] == BASELINE, [*keys, "score"]]
    rivals = measured.loc[measured["family"] != BASELINE, [*keys, "family", "score", "n_strengths"]]
    return rivals.merge(baseline, on=keys, suffixes=("", "_baseline"))


def _slopes(gains: pd.DataFrame) -> pd.DataFrame:
    """Least-squares slopes on log2(n_train): PAIR, score (the slope) and score_baseline (0); NaN where not whole."""
    values = gains.assign(gain=gains["score"] - gains["score_baseline"])
    table = values.pivot_table(index=PAIR, columns="dataset", values="gain", dropna=False).reindex(
        pd.MultiIndex.from_frame(gains[PAIR].drop_duplicates())
    )
    rows = gains.drop_duplicates("dataset").set_index("dataset")["n_train"].reindex(table.columns)
    doublings = np.log2(rows.to_numpy(dtype=float))
    centred = doublings - doublings.mean()
    spread = float((centred**2).sum())
    slopes = table.to_numpy(dtype=float) @ centred / spread if spread > 0 else np.full(len(table), nan)
    return table.index.to_frame(index=False).assign(
        score=slopes, score_baseline=0.0, n_strengths=gains["n_strengths"].max()
    )
