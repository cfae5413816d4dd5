"""The history of a study's campaigns: what each night found, and what all nights up to it did."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from noiseflow.base.values import BASELINE
from noiseflow.campaigns.confidence_sequences import are_telling, confidence_sequence
from noiseflow.campaigns.drift import BEFORE_ALL, campaigns_of, drift_history
from noiseflow.statistics.bands import long_tail
from noiseflow.statistics.inference import ALPHA, RESOLUTION, Array, in_ticks
from noiseflow.statistics.pairs import CELL, GROUP, CellKey, cell_pairs

HISTORY_COLUMNS = [
    *("campaign", *CELL, "score_name", "n_pairs", "difference_mean", "difference_ci_low", "difference_ci_high"),
    *("n_pooled", "pooled_mean", "pooled_low", "pooled_high", "seconds_per_trial", "drifted"),
]


def history(trials: pd.DataFrame, drifts: pd.DataFrame | None = None) -> pd.DataFrame:
    """What each campaign found: a row a campaign and compared cell, HISTORY_COLUMNS, by campaign.

    - n_pairs, difference_mean, difference_ci_low and difference_ci_high are of that campaign's pairs alone, with the
      paired t interval, each for itself.
    - n_pooled, pooled_mean, pooled_low and pooled_high are of all pairs up to and with that campaign; the interval is the
      confidence sequence at .05 / cells: it holds at all campaigns and for all cells at once.
    - seconds_per_trial is the mean train_seconds of the cell's trials of that campaign.
    - drifted: that night's scores of the cell, or of the baseline that it is compared with, were flagged.

    NaN where too few pairs are there. A pair belongs to the later campaign of its two trials. Trials without a campaign
    come before all: they are pooled, and have no row.

    Args:
        trials: a row a trial, with a column `campaign`.
        drifts: `drift_history(trials)`, where it is there already.
    """
    labelled = trials.assign(campaign=campaigns_of(trials))
    pairs = cell_pairs(labelled)
    parts = [_of_cell(key, part, ALPHA / len(pairs)) for key, part in pairs.items() if len(part)]
    if not parts:
        return pd.DataFrame(columns=HISTORY_COLUMNS)
    found = pd.concat(parts, ignore_index=True)
    found = found[found["campaign"] != BEFORE_ALL].merge(_seconds(labelled), on=["campaign", *CELL], how="left")
    found = found.merge(trials.drop_duplicates(CELL)[[*CELL, "score_name"]], on=CELL, how="left")
    found["drifted"] = _drifted(found, drift_history(trials) if drifts is None else drifts)
    return found[HISTORY_COLUMNS].sort_values("campaign", kind="stable", ignore_index=True)


def _of_cell(key: CellKey, pairs: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The columns of one cell about differences: a row a campaign."""
    sums, centre = _sums(pairs)
    n, mean, std = _moments(sums, centre)
    half = std / np.sqrt(n.clip(1)) * stats.t.ppf(1 - ALPHA / 2, (n - 1).clip(1))
    n_pooled, pooled_mean, pooled_std = _moments(sums.cumsum(), centre)
    ends = confidence_sequence(pooled_mean, pooled_std, n_pooled, alpha)
    telling = are_telling(sums["n_alike"].to_numpy(), n_pooled)
    wider = _long_tails(pairs, n_pooled.astype(int))
    low, high = (
        np.where(telling, pooled_mean + out * (end - pooled_mean), np.nan)
        for out, end in zip(wider.T, ends, strict=True)
    )
    columns = {
        "campaign": sums.index,
        **dict(zip(CELL, key, strict=True)),
        "n_pairs": n.astype(int),
        "difference_mean": mean,
        "difference_ci_low": mean - half,
        "difference_ci_high": mean + half,
        "n_pooled": n_pooled.astype(int),
        "pooled_mean": pooled_mean,
        "pooled_low": low,
        "pooled_high": high,
    }
    return pd.DataFrame(columns)


def _long_tails(pairs: pd.DataFrame, n_pooled: npt.NDArray[np.int64]) -> Array:
    """What `long_tail` says as of each campaign: (n_campaigns, 2)."""
    values = (pairs["score"] - pairs["score_baseline"]).to_numpy(dtype=float)[np.argsort(_nights(pairs), kind="stable")]
    finite = values[np.isfinite(values)]
    return np.array([long_tail(finite[:n]) for n in n_pooled])


def _nights(pairs: pd.DataFrame) -> pd.Series[str]:
    """The campaign of each pair: the later one of its two trials."""
    ours, theirs = pairs["campaign"], pairs["campaign_baseline"]
    return ours.where(ours >= theirs, theirs).rename("campaign")


def _sums(pairs: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Number, sum and sum of squares of each campaign's finite differences less their common mean; and that mean.

    n_alike is of all campaigns up to it: how many of their differences share the commonest value.
    """
    difference = (pairs["score"] - pairs["score_baseline"]).astype(float)
    finite = difference.where(np.isfinite(difference))
    centre = float(finite.mean()) if finite.notna().any() else 0.0
    nights = _nights(pairs)
    values = pd.DataFrame({"n": finite.notna(), "sum": finite - centre, "squares": (finite - centre) ** 2})
    sums = values.fillna(0.0).astype(float).groupby(nights, sort=True).sum()
    return sums.assign(n_alike=_alike_so_far(finite, nights)), centre


def _alike_so_far(differences: pd.Series[float], nights: pd.Series[str]) -> list[int]:
    """As of each campaign, how many of the differences so far share the commonest value."""
    counts: Counter[float] = Counter()
    commonest = [0]
    for _, tonight in differences.groupby(nights, sort=True):
        ticks = in_ticks(np.asarray(tonight.dropna(), np.float64)).tolist()
        counts.update(ticks)
        commonest.append(max([commonest[-1], *(counts[tick] for tick in ticks)]))
    return commonest[1:]


def _moments(sums: pd.DataFrame, centre: float) -> tuple[Array, Array, Array]:
    """n, mean and standard deviation of each row's values; NaN where there are too few."""
    n, total, squares = (sums[name].to_numpy(dtype=float) for name in ("n", "sum", "squares"))
    shift = total / np.where(n > 0, n, np.nan)
    variance = (squares - n * shift**2) / np.where(n > 1, n - 1, np.nan)
    std = np.sqrt(variance.clip(0))
    return n, centre + shift, np.where(std <= RESOLUTION, 0.0, std)


def _seconds(trials: pd.DataFrame) -> pd.DataFrame:
    """Mean seconds of a trial: campaign, CELL, seconds_per_trial."""
    seconds = pd.to_numeric(trials["train_seconds"]).astype(float) if "train_seconds" in trials else np.nan
    nights = trials[["campaign", *CELL]].assign(seconds_per_trial=seconds)
    return nights.groupby(["campaign", *CELL], sort=False)["seconds_per_trial"].mean().reset_index()


def _drifted(found: pd.DataFrame, drifts: pd.DataFrame) -> list[bool]:
    """Whether a test of the row's cell, or of its baseline, was flagged that night."""
    flagged = drifts[drifts["flagged"]]
    cells = set(flagged[["campaign", *CELL]].itertuples(index=False, name=None))
    return [
        (*group, name) in cells or (*group, BASELINE) in cells
        for *group, name in found[["campaign", *GROUP, "variant"]].itertuples(index=False, name=None)
    ]
