"""Mean ranks of the variants over the datasets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from noiseflow.plots import plot_ranks
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture, colours_of
from noiseflow.report.section import Section, TableForm
from noiseflow.report.selection import MOST_ROWS
from noiseflow.report.tables import Columns
from noiseflow.statistics.ranks import LEAST_DATASETS
from noiseflow.study import BASELINE
from noiseflow.wording import p_text

NOTE = (
    "Rank of each variant's mean score within a dataset, 1 being the best, averaged over the datasets (Demšar, 2006); p is "
    "from Wilcoxon's test against the baseline over the datasets, which the other variants do not enter."
)


def _finding(evidence: Evidence) -> pd.DataFrame:
    return evidence.findings.ranks.ranks if evidence.findings.ranks else pd.DataFrame()


def _columns(_: Evidence) -> Columns:
    return {"Mean rank": lambda row: f"{row['mean_rank']:.2f}", "p (Holm)": lambda row: p_text(row["p_adjusted"])}


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    found = evidence.findings.ranks
    if found is None:
        return
    clear = found.ranks["p_adjusted"].mask(found.ranks["family"] == BASELINE, -1.0)
    drawn = found.ranks.loc[clear.nsmallest(MOST_ROWS).index]
    n = len(found.datasets)
    caption = (
        f"Mean rank of each variant over {n} datasets, 1 being the best. Filled dots differ from the baseline (the dashed "
        "line) after Holm's adjustment, hollow ones do not clearly differ from it."
    )
    if len(drawn) < len(found.ranks):
        caption += f" Drawn are the {len(drawn)} of {len(found.ranks)} variants with the smallest p."
    alt = "Mean ranks over the datasets, and which differ from the baseline's"
    draw = partial(plot_ranks, drawn.sort_index(), n, colours_of(evidence.study))
    yield Picture("ranks.png", draw, alt, caption)


def _limits(evidence: Evidence) -> list[str]:
    n = len(evidence.summary["dataset"].unique())
    if evidence.pools_campaigns or not 1 < n < LEAST_DATASETS or evidence.findings.ranks is not None:
        return []
    return [f"Mean ranks are not given: {n} datasets are too few for a test of them, {LEAST_DATASETS} would do."]


TABLE = TableForm("answer", ("family",), _columns, 0, NOTE, "ranks.parquet")
SECTION = Section("Over the datasets", _finding, TABLE, pictures=_pictures, limits=_limits)
