"""The strength that each family chose without leakage, and its score against strength."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import isfinite

import pandas as pd

from noiseflow import wording
from noiseflow.controls import control_kind
from noiseflow.noise import kind_of
from noiseflow.plots import plot_strengths
from noiseflow.report.evidence import Evidence, telling_names
from noiseflow.report.picture import Picture, colours_of, numbered
from noiseflow.report.section import Section, TableForm
from noiseflow.report.selection import MOST_PANELS, clearest, drawn_of, groups_of
from noiseflow.report.tables import Columns, difference_heads
from noiseflow.statistics.pairs import GROUP
from noiseflow.study import BASELINE, Variant
from noiseflow.wording import NOTHING, Row, change, fraction, score_of

MOST_PLACES = 6  # datasets and architectures that are drawn
NOTE = (
    "The seeds fall into two halves; each half takes the strength with the best mean score in the other half and is scored on "
    "its own rows, so nothing is chosen on rows that it is scored on. A finite table is split again for each seed: there "
    "a seed takes the strength with the best mean score on rows held back from its own training rows, in three inner "
    "splits. In brackets: the share of the seeds that took it. "
    "Intervals and p allow for the choice. Highest mean is what picking the highest of all means would have shown; optimism "
    "is how much of that is the picking."
)


def _columns(_: Evidence) -> Columns:
    verdict, difference, interval, p, *_effects = difference_heads().items()
    return {
        verdict[0]: verdict[1],
        "Strength (chosen by)": _chosen,
        **dict((difference, interval, p)),
        "Score": lambda row: fraction(row["score_mean"]),
        "Highest mean": lambda row: f"{fraction(row['naive_score'])} ({row['naive_strength']:g})",
        "Optimism": lambda row: change(score_of(row), row["optimism"], 2 if score_of(row).in_points else 3),
    }


def _chosen(row: Row) -> str:
    return f"{row['strength']:g} ({100 * row['share']:.0f} %)" if isfinite(row["strength"]) else NOTHING


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    if evidence.findings.choices.empty:
        return
    kinds = list(evidence.best_first(evidence.summary).groupby("score_name", sort=False))
    for at, (kind, summary) in enumerate(kinds, start=1):
        strengths, baselines, choices = strength_frames(evidence, summary)
        if strengths.empty:
            continue
        score = wording.score_of({"score_name": kind})
        name, unit = (
            evidence.compared(summary.to_dict("records")),
            " (fraction of rows)" if score.is_share_of_rows else "",
        )
        draw = partial(plot_strengths, strengths, baselines, choices, colours_of(evidence.study), f"{name}{unit}")
        caption = (
            f"Mean {name} at each strength, with the 95 % interval of the mean over seeds; the dashed line in its band is the "
            "noiseless baseline. Diamonds are at the strength chosen most often, for seeds that had no part in it, and at "
            "the score that such honest choices earn: below its line by what choosing on the test rows would add."
        )
        n_places, n_families = len(summary[GROUP].drop_duplicates()), evidence.findings.choices["family"].nunique()
        caption += drawn_of(n_places, min(n_places, MOST_PLACES), "datasets and architectures")
        caption += drawn_of(n_families, min(n_families, MOST_PANELS), "families")
        alt = "Score against strength for each family, with the chosen strength and the baseline's level"
        yield Picture(numbered("strengths", at, len(kinds)), draw, alt, caption)


def strength_frames(evidence: Evidence, summary: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What `plot_strengths` takes, of a summary: cells of families of strengths, baselines beside them, and choices."""
    choices = evidence.findings.choices
    telling = telling_names(summary) or ["dataset"]
    places = groups_of(summary, MOST_PLACES)
    panels = pd.DataFrame(
        {"dataset": [place.dataset for place in places], "architecture": [place.architecture for place in places]}
    )
    panels["panel"] = panels[telling].agg("/".join, axis=1)
    best = clearest(choices.drop_duplicates("family"), MOST_PANELS)["family"]
    units = {v.name: strength_unit(v) for v in evidence.study.variants if v.strengths and v.name in set(best)}
    cells = summary.merge(panels, on=GROUP).assign(
        mean=lambda table: table["score_mean"],
        std=lambda table: table["score_std"],
        n=lambda table: table["n_seeds"] - table["n_diverged"],
        unit=lambda table: table["family"].map(units),
    )
    chosen = choices.merge(panels, on=GROUP).assign(unit=lambda table: table["family"].map(units))
    return (
        cells[cells["family"].isin(list(units))],
        cells[cells["variant"] == BASELINE],
        chosen[chosen["family"].isin(list(units))].dropna(subset=["strength"]),
    )


def strength_unit(variant: Variant) -> str:
    """What the strengths of a family are: `stddev`, `rate`, `factor` or `patience (epochs)`, or several of them."""
    kinds = [("relative " if i.relative else "") + (kind_of(i.kind).strength) for i in variant.injections]
    kinds += [control_kind(control.kind).strength_label for control in variant.controls]
    return ", ".join(dict.fromkeys(kinds))


TABLE = TableForm("answer", ("family",), _columns, 1, NOTE, "choices.parquet")
SECTION = Section(
    "The strength that was chosen",
    lambda evidence: evidence.best_first(evidence.findings.choices),
    TABLE,
    pictures=_pictures,
    limits=None,
)
