"""The data that the networks saw."""

from __future__ import annotations

from collections.abc import Iterator

from noiseflow.plots import plot_data, to_png
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture
from noiseflow.report.section import Section
from noiseflow.report.selection import groups_of

MOST_DATASETS = 6


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    names = evidence.data["dataset"].drop_duplicates()
    drawn = (
        [group.dataset for group in groups_of(evidence.shown, MOST_DATASETS)] if len(names) > MOST_DATASETS else names
    )
    figure = plot_data(evidence.data[evidence.data["dataset"].isin(drawn)])
    if figure is None:
        return
    caption = (
        "The data: colour and shape tell the class; filled marks are rows to train on, hollow ones rows to test on."
    )
    if len(names) > MOST_DATASETS:
        caption += f" Of the {len(names)} datasets those are drawn that have the clearest differences."
    yield Picture("data.png", to_png(figure), "Scatter plot of the data by class and split", caption)


SECTION = Section("The data", lambda evidence: evidence.data, table=None, pictures=_pictures, limits=None)
