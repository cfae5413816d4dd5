"""What each campaign found, and what all up to it did."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import isfinite

import pandas as pd

from noiseflow import wording
from noiseflow.plots import plot_history
from noiseflow.plots.history import MANY, MOST_PANELS, RUN
from noiseflow.report.evidence import Evidence, cell_key, cell_labels
from noiseflow.report.picture import Picture, colours_of, numbered, scale_and_unit
from noiseflow.report.section import Section, TableForm
from noiseflow.report.selection import clearest, drawn_of
from noiseflow.report.tables import Columns, interval
from noiseflow.statistics.pairs import CELL
from noiseflow.wording import NOTHING, Row, difference

CAMPAIGNS_SHOWN = 7
NOTE = (
    f"The last {CAMPAIGNS_SHOWN} campaigns at most; all of them are in history.parquet. The first interval is of that campaign "
    "alone, a t interval; the second is the confidence sequence of all campaigns up to it."
)


def _finding(evidence: Evidence) -> pd.DataFrame:
    """The last campaigns, the latest first."""
    history = evidence.findings.history
    if history.empty:
        return history
    nights = sorted(history["campaign"].unique(), reverse=True)[:CAMPAIGNS_SHOWN]
    shown = history[history["campaign"].isin(nights)]
    return evidence.best_first(shown).sort_values("campaign", ascending=False, kind="stable")


def _columns(_: Evidence) -> Columns:
    return {
        "Drift": lambda row: "drift" if row["drifted"] else NOTHING,
        "Seeds": lambda row: f"{row['n_pairs']:,}",
        "Difference": difference,
        "95 % interval": interval,
        "Seeds so far": lambda row: f"{row['n_pooled']:,}",
        "Pooled difference": lambda row: difference(_pooled(row)),
        "95 % interval, always valid": lambda row: interval(_pooled(row)),
        "Seconds a trial": lambda row: (
            f"{row['seconds_per_trial']:.2f}" if isfinite(row["seconds_per_trial"]) else NOTHING
        ),
    }


def _pooled(row: Row) -> Row:
    """The row, with the difference of all campaigns so far instead of its own."""
    pooled = {"mean": row["pooled_mean"], "ci_low": row["pooled_low"], "ci_high": row["pooled_high"]}
    return {**row, **{f"difference_{name}": value for name, value in pooled.items()}}


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    history = evidence.findings.history
    if history.empty:
        return
    history, labels = evidence.best_first(history), cell_labels(evidence.summary)
    named = history.assign(panel=[labels.get(cell_key(row), row["variant"]) for row in history.to_dict("records")])
    kinds = list(named.groupby("score_name", sort=False))
    for at, (kind, every) in enumerate(kinds, start=1):
        scale, unit = scale_and_unit(str(kind), evidence.compared(every.to_dict("records")))
        last = every.drop_duplicates(CELL, keep="last").set_index("panel")
        pooled = last.assign(
            **{f"difference_{end}": last[f"pooled_{end.removeprefix('ci_')}"] for end in ("mean", "ci_low", "ci_high")}
        )
        panels = pooled.loc[every["panel"].drop_duplicates()]
        drawn = clearest(panels, MOST_PANELS).index
        rows = every[every["panel"].isin(drawn)]
        n_nights = len(rows["campaign"].unique())
        caption = (
            f"The difference to the baseline over {wording.number(n_nights, 'campaign')}: grey dots are each night's own "
            "estimate on its interval, the line all nights so far, with the interval that stays valid however often one "
            "looks. See it narrow; in the grey band a difference is not worth having."
        )
        if n_nights > MANY:
            caption += f" The nights' intervals are one grey band, the running median of {RUN} of them."
        if rows["drifted"].any():
            caption += " Crosses at the bottom mark nights that do not fit those before them."
        caption += drawn_of(len(panels), len(drawn), "comparisons")
        alt = "Pooled and nightly differences to the baseline over the campaigns"
        draw = partial(plot_history, rows, evidence.study.margin, colours_of(evidence.study), scale=scale, unit=unit)
        yield Picture(numbered("history", at, len(kinds)), draw, alt, caption)


def _limits(evidence: Evidence) -> list[str]:
    """A note: campaigns are looked at again and again, and how the intervals allow for it."""
    history = evidence.findings.history
    if history.empty:
        return []
    nights = history["campaign"].drop_duplicates()
    since = f", from {nights.min()} to {nights.max()}" if len(nights) > 1 else f" of {nights.iloc[0]}"
    text = (
        f"This pools {wording.number(len(nights), 'campaign')}{since}. Somebody looks after each, so intervals, p and verdicts "
        "come from a confidence sequence, which stays valid however often one looks; .05 is shared among the comparisons. "
        "The interval for one fixed number of seeds is below, marked as not valid under repeated looks."
    )
    return [text]


TABLE = TableForm("details", ("campaign", "variant"), _columns, 1, NOTE, "history.parquet")
SECTION = Section("Campaign by campaign", _finding, TABLE, pictures=_pictures, limits=_limits)
