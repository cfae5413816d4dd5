"""Predicted probabilities against what came true, in bins."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

N_BINS = 10
LEAST_ROWS = 10  # predictions that a bin takes to be drawn
RELIABILITY_COLUMNS = ["bin", "n", "share", "confidence", "frequency", "low", "high"]


def reliability(predictions: pd.DataFrame, y: pd.DataFrame, n_bins: int = N_BINS) -> pd.DataFrame:
    """How often what was predicted with some confidence came true, a row a bin with 10 predictions or more.

    For two classes with one probability, and for labels, the confidence is the probability of class 1; for more classes it is
    the highest probability, of the class predicted. Bins are equal parts of [0, 1]. n, share: predictions in the bin, and
    their share of all; confidence: their mean; frequency: the share that came true; low, high: its 95 % interval, of a ratio
    of sums over clusters: data seeds where there are several, else seeds. NaN with one cluster.

    Args:
        predictions: data_seed, seed, row, output, prediction: of the test rows of one cell.
        y: data_seed, row, y: what came true, the index of the class; and `targets`, where there are several labels.

    References: Murphy and Winkler (1977), Reliability of subjective probability forecasts of precipitation and temperature,
    Applied Statistics 26; Cochran (1977), Sampling Techniques, section 6.3 (ratio of sums).
    """
    outcomes = _outcomes(predictions, y)
    outcomes["bin"] = np.clip((outcomes["confidence"] * n_bins).astype(np.int64), 0, n_bins - 1)
    cluster = "data_seed" if len(outcomes["data_seed"].unique()) > 1 else "seed"
    n_clusters = outcomes[cluster].nunique()
    rows = []
    for number, part in outcomes.groupby("bin"):
        if len(part) >= LEAST_ROWS:
            frequency = float(part["hit"].mean())
            half = _half_width(part.groupby(cluster)["hit"].agg(["sum", "count"]), frequency, n_clusters)
            bounds = np.clip([frequency - half, frequency + half], 0.0, 1.0)
            share = len(part) / len(outcomes)
            rows.append([number, len(part), share, float(part["confidence"].mean()), frequency, *bounds])
    return pd.DataFrame(rows, columns=RELIABILITY_COLUMNS)


def _outcomes(predictions: pd.DataFrame, y: pd.DataFrame) -> pd.DataFrame:
    """data_seed, seed, confidence, and hit (whether it came true): a row a trial and test row."""
    keys = ["data_seed", "row"]
    if "targets" in y and y["targets"].notna().any():  # of several labels each is a prediction
        labels = y[[*keys, "targets"]].explode("targets").rename(columns={"targets": "y"})
        keys.append("output")
        y = labels.assign(output=labels.groupby(["data_seed", "row"]).cumcount())
        predictions = predictions.assign(output=predictions["output"].astype(np.int64))
    if len(keys) > 2 or not predictions["output"].any():
        merged = predictions.merge(y[[*keys, "y"]], on=keys)
        return merged.assign(confidence=merged["prediction"], hit=merged["y"] == 1)[
            ["data_seed", "seed", "confidence", "hit"]
        ]
    ranked = predictions.sort_values("prediction", ascending=False, kind="stable")
    merged = ranked.drop_duplicates(["data_seed", "seed", "row"]).merge(y[[*keys, "y"]], on=keys)
    return merged.assign(confidence=merged["prediction"], hit=merged["output"] == merged["y"])[
        ["data_seed", "seed", "confidence", "hit"]
    ]


def _half_width(clusters: pd.DataFrame, frequency: float, n_clusters: int) -> float:
    """Half the width of the 95 % interval of Σ hits / Σ rows; clusters without a row in the bin count as 0 of 0."""
    if n_clusters < 2:
        return float("nan")
    hits, rows = (clusters[name].to_numpy(dtype=float) for name in ("sum", "count"))
    residuals: NDArray[np.float64] = hits - frequency * rows
    error = np.sqrt(n_clusters / (n_clusters - 1) * float((residuals**2).sum())) / float(rows.sum())
    return float(special.stdtrit(n_clusters - 1, 0.975) * error)
