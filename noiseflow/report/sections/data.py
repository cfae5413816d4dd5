"""The data that the networks saw."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from noiseflow.plots import plot_data
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture
from noiseflow.report.section import Section
from noiseflow.report.selection import groups_of

MOST_DATASETS = 6


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    if evidence.data.empty:
        return
    names = evidence.data["dataset"].drop_duplicates()
    drawn = (
        [group.dataset for group in groups_of(evidence.shown, MOST_DATASETS)] if len(names) > MOST_DATASETS else names
    )
    draw = partial(plot_data, evidence.data[evidence.data["dataset"].isin(drawn)])
    caption = (
        "The data: colour and shape show the class; filled marks are rows to train on, hollow ones rows to test on."
    )
    if len(names) > MOST_DATASETS:
        caption += f" Of the {len(names)} datasets those are drawn that have the clearest differences."
    yield Picture("data.png", draw, "Scatter plot of the data by class and split", caption)


SECTION = Section("The data", lambda evidence: evidence.data, table=None, pictures=_pictures, limits=None)
