"""The parts of a report that campaigns add: their history, drift, replays, and the interval that looking again spoils."""

from __future__ import annotations

from math import isfinite

import pandas as pd

from noiseflow.report.alarm import latest_replays
from noiseflow.report.evidence import Evidence
from noiseflow.report.forms import Form, Section, filled
from noiseflow.wording import NOTHING, Row, difference, difference_interval, fraction, p_text

CAMPAIGNS_SHOWN = 7
REPLAYS_SHOWN = 20


def campaign_sections(evidence: Evidence) -> list[Section]:
    """Those that there is something to say in, in the order of the page; none without campaigns."""
    if not evidence.pools_campaigns:
        return []
    found, summary = evidence.findings, evidence.summary
    replays = latest_replays(evidence)
    different = replays[~replays["equal"]].head(REPLAYS_SHOWN) if len(replays) else replays
    return [
        *filled(HISTORY, _latest(found.history), ["campaign", "variant"]),
        *filled(DRIFT, found.drift, ["variant"]),
        *filled(REPLAYS, different, ["variant"]),
        *filled(FIXED, summary[summary["fixed_ci_low"].notna()], ["variant"]),
    ]


def _latest(history: pd.DataFrame) -> pd.DataFrame:
    """The last campaigns, the latest first."""
    nights = sorted(history["campaign"].unique(), reverse=True)[:CAMPAIGNS_SHOWN]
    shown = history[history["campaign"].isin(nights)]
    return shown.sort_values("campaign", ascending=False, kind="stable")


def _night(row: Row) -> list[str]:
    told = {"mean": row["pooled_mean"], "ci_low": row["pooled_low"], "ci_high": row["pooled_high"]}
    pooled = {**row, **{f"difference_{name}": value for name, value in told.items()}}
    return [
        "drift" if row["drifted"] else NOTHING,
        f"{row['n_pairs']:,}",
        difference(row),
        difference_interval(row) if isfinite(row["difference_ci_low"]) else NOTHING,
        f"{row['n_pooled']:,}",
        difference(pooled),
        difference_interval(pooled) if isfinite(row["pooled_low"]) else NOTHING,
        f"{row['seconds_per_trial']:.2f}" if isfinite(row["seconds_per_trial"]) else NOTHING,
    ]


def _drift(row: Row) -> list[str]:
    return [
        "drift" if row["flagged"] else "none",
        str(row["test"]),
        f"{row['n_new']:,}",
        f"{row['n_old']:,}",
        fraction(row["mean_new"]),
        fraction(row["mean_old"]),
        p_text(row["p_adjusted"]),
    ]


def _replay(row: Row) -> list[str]:
    return [
        str(row["differing"]),
        str(row["seed"]),
        f"{row['largest_difference']:.2g}",
        fraction(row["score_before"]),
        fraction(row["score_after"]),
    ]


def _fixed(row: Row) -> list[str]:
    fixed = {**row, "difference_ci_low": row["fixed_ci_low"], "difference_ci_high": row["fixed_ci_high"]}
    return [difference_interval(row) if isfinite(row["difference_ci_low"]) else NOTHING, difference_interval(fixed)]


HISTORY = Form(
    "Campaign by campaign",
    ("Drift", "Seeds", "Difference", "95 % interval", "Seeds so far", "Pooled", "Always valid", "Seconds a trial"),
    _night,
    1,
    f"The last {CAMPAIGNS_SHOWN} campaigns at most; all of them are in history.parquet. The first interval is of that campaign "
    "alone, a t interval; the second is the confidence sequence of all campaigns up to it.",
)
DRIFT = Form(
    "Do the new seeds score as the old ones?",
    ("Found", "Test", "New", "Old", "Mean, new", "Mean, old", "p, of a year"),
    _drift,
    2,
    "Mann–Whitney: the last campaign against all before it. Kolmogorov–Smirnov: the last seven, or half of all while there "
    "are fewer than fourteen, against those before. p is adjusted for all cells, both tests and a year of nights: without "
    "drift some cell is flagged in one year of twenty.",
)
REPLAYS = Form(
    "Replayed trials that came out different",
    ("Columns that differ", "Seed", "Largest difference", "Score before", "Score now"),
    _replay,
    1,
    "Trials of the first campaign that the last one trained again.",
)
FIXED = Form(
    "For one look only",
    ("Always valid interval", "Fixed-n interval, not valid under repeated looks"),
    _fixed,
    0,
    "The second is the t interval of a study that is looked at once. Looked at every night, it excludes the truth sooner or "
    "later far more often than one time in twenty.",
)
