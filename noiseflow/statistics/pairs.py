"""Trials side by side: the score that is compared, and which trials pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.inference import Array

CellKey = tuple[str, str, str]

GROUP = ["dataset", "architecture"]
CELL = [*GROUP, "variant"]
PAIR = ["data_seed", "seed"]


MEASURES = ("score", "loss", "brier")
"""What is compared: the score, and of a classification the loss and the Brier score beside it."""


def compared_score(trials: pd.DataFrame) -> pd.Series[float]:
    """The score that is compared, larger being better: eval_score where a dataset and architecture has one, else test_score.

    NaN for trials that failed or have no finite score.
    """
    return compared(trials, "score")


def compared(trials: pd.DataFrame, measure: str) -> pd.Series[float]:
    """One of MEASURES, larger being better (a loss is negative), on the rows that the score is compared on.

    NaN for failed trials, for those without a finite value, and where it is not measured: of a regression.
    """
    nothing = pd.Series(np.nan, trials.index)
    value = _number(trials, "test_score", nothing)
    if measure == "brier":
        value = -_number(trials, "brier", nothing)
    elif measure == "loss":
        value = -_number(trials, "test_loss", nothing).where(_number(trials, "brier", nothing).notna())
    fresh = _number(trials, "eval_score", nothing)
    has_fresh = fresh.notna().groupby([trials["dataset"], trials["architecture"]]).transform("any").astype(bool)
    if measure != "brier" and has_fresh.any():
        value = value.where(~has_fresh, -_number(trials, "eval_loss", nothing) if measure == "loss" else fresh)
    whole = (trials["status"] == "completed") & np.isfinite(value)
    return value.where(whole & ~trials["failed"].astype(bool) if "failed" in trials else whole)


def _number(trials: pd.DataFrame, name: str, nothing: pd.Series[float]) -> pd.Series[float]:
    return pd.to_numeric(trials[name]).astype(float) if name in trials else nothing


def scale_of(score_name: str, scores: pd.Series[float]) -> float:
    """The divisor for values of a score before they are compared with RESOLUTION: their size for a loss, else 1."""
    size = float(scores.abs().median()) if score_name.startswith("-") else 1.0
    return size if np.isfinite(size) and size > 0 else 1.0


def cell_pairs(trials: pd.DataFrame, measure: str = "score") -> dict[CellKey, pd.DataFrame]:
    """For each cell but the baselines, its pairs: PAIR, score and score_baseline, NaN where a trial is left out."""
    return pairs_with(scored_cells(trials, measure), "variant", BASELINE)


def scored_cells(trials: pd.DataFrame, measure: str = "score") -> pd.DataFrame:
    """CELL, PAIR, the compared value, and the campaign where there are any: a row a trial."""
    kept = [*CELL, *PAIR, *(["campaign"] if "campaign" in trials else [])]
    return trials[kept].assign(score=compared(trials, measure))


def pairs_with(scored: pd.DataFrame, column: str, rival: str) -> dict[CellKey, pd.DataFrame]:
    """For each dataset, architecture and value of `column` but the rival, its pairs with the rival.

    Returns:
        for each key a frame of PAIR, score, score_baseline (the rival's) and, if given, n_strengths and campaign of both sides.

    Args:
        scored: columns GROUP, column, PAIR and score; n_strengths where there are choices, campaign where there are any.
    """
    keys = [*GROUP, column]
    table = paired_rows(scored, column, rival)
    rows = {name_key(key): places for key, places in table.groupby(keys, sort=False).indices.items()}
    pairs = table.drop(columns=keys)
    order = [name_key(key) for key in scored[keys].drop_duplicates().itertuples(index=False, name=None)]
    return {key: pairs.iloc[rows.get(key, [])] for key in order if key[2] != rival}


def paired_rows(scored: pd.DataFrame, column: str, rival: str) -> pd.DataFrame:
    """The rows of all but the rival, each beside the rival's row (columns with _baseline)."""
    columns = ["score", *(name for name in ("n_strengths", "campaign") if name in scored)]
    theirs = scored.loc[scored[column] == rival, [*GROUP, *PAIR, *columns]]
    ours = scored.loc[scored[column] != rival, [*GROUP, column, *PAIR, *columns]]
    return ours.merge(theirs, on=[*GROUP, *PAIR], suffixes=("", "_baseline"))


def family_of(trials: pd.DataFrame) -> pd.Series[str]:
    """The study's variant that each trial belongs to; its own where no families are given."""
    if "family" not in trials:
        return trials["variant"]
    return trials["family"].where(trials["family"].notna(), trials["variant"])


def is_crossed(pairs: pd.DataFrame) -> bool:
    """Whether PAIR holds several seeds for one of several data seeds."""
    return has_data_seeds(pairs) and bool(pairs["data_seed"].duplicated().any())


def has_data_seeds(pairs: pd.DataFrame) -> bool:
    """Whether PAIR holds several data seeds."""
    return len(pairs["data_seed"].unique()) > 1


def grid_of(pairs: pd.DataFrame, values: Array) -> Array:
    """Values, one for each row of PAIR, as (n_data_seeds, n_seeds), NaN for a missing row."""
    table = pairs[PAIR].assign(value=values)
    return table.pivot_table(index="data_seed", columns="seed", values="value", dropna=False).to_numpy(dtype=float)


def name_key(key: Any) -> CellKey:
    """A key of a groupby over three columns, as texts."""
    dataset, architecture, name = key
    return str(dataset), str(architecture), str(name)
