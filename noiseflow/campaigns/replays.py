"""Replays: trials that a later campaign trained again, compared with what they gave the first time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noiseflow.statistics.inference import Array
from noiseflow.statistics.pairs import CELL, compared_score

REPLAY_COLUMNS = [
    *("campaign", "trial_id", *CELL, "seed", "equal", "largest_difference"),
    *("differing", "score_before", "score_after"),
]
NOT_COMPARED = frozenset(
    {"train_seconds", "finished_at", "campaign", "device", "study", "trial_id", *CELL, "family", "strength"}
)
"""What may differ between two trainings of one trial: circumstances, and names, which do not identify a trial."""
MEASURED = ("_loss", "_score", "brier", "ece", "signal_to_noise")
"""How the names of columns with a trial's measured figures end."""


def compare_replays(replays: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """How far trials that were trained again gave the same: a row a replay, REPLAY_COLUMNS, by campaign.

    - campaign is the one that trained the trial again; the names are the trials' own.
    - equal: equal in every column that both have but NOT_COMPARED, bit for bit, NaN and null being equal to themselves;
      differing: the columns that are not, as text with commas.
    - largest_difference: of the measured figures, losses and scores among them, in absolute value; infinite where one of
      two is not finite, 0 where all are equal.
    - score_before, score_after: the compared score, NaN where the trial diverged.

    A replay has no row where its trial is not among the trials.

    Args:
        replays: with the columns of the trials; campaign is the later one.
        trials: a row a trial.
    """
    pairs = _scored(replays).merge(_scored(trials), on="trial_id", suffixes=("_after", ""), validate="m:1")
    shared = [name for name in map(str, trials.columns) if name in replays and name not in NOT_COMPARED]
    unequal = pd.DataFrame({name: _differ(pairs[name], pairs[f"{name}_after"]) for name in shared}, index=pairs.index)
    measured = [name for name in shared if name.endswith(MEASURED)]
    compared = pairs[["trial_id", *CELL, "seed"]].assign(
        campaign=pairs["campaign_after"],
        equal=~unequal.any(axis=1).astype(bool),
        largest_difference=_largest([_gap(pairs[name], pairs[f"{name}_after"]) for name in measured], len(pairs)),
        differing=[", ".join(unequal.columns[row]) for row in unequal.to_numpy(dtype=bool)],
        score_before=pairs["compared"],
        score_after=pairs["compared_after"],
    )
    return compared[REPLAY_COLUMNS].sort_values("campaign", kind="stable", ignore_index=True)


def _scored(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.assign(compared=compared_score(trials))


def _differ(before: pd.Series[float], after: pd.Series[float]) -> pd.Series[bool]:
    return ~((before == after) | (before.isna() & after.isna()))


def _gap(before: pd.Series[float], after: pd.Series[float]) -> Array:
    """Absolute differences; 0 where both are equal or missing, infinite where one is not finite."""
    gap = np.where(_differ(before, after), np.inf, 0.0)
    old, new = (pd.to_numeric(part).to_numpy(dtype=float) for part in (before, after))
    finite = np.isfinite(old) & np.isfinite(new)
    gap[finite] = np.abs(new[finite] - old[finite])
    return gap


def _largest(gaps: list[Array], n: int) -> Array:
    return np.asarray(np.max([np.zeros(n), *gaps], axis=0))
