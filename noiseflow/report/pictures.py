"""The pictures of a report: which part of the evidence goes into which plot, and what its caption says."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from noiseflow import wording
from noiseflow.plots import (
    plot_data,
    plot_differences,
    plot_final_scores,
    plot_learning_curves,
    to_png,
    variant_colours,
)
from noiseflow.report.evidence import Evidence, cell_key, cell_labels, published_runs, score_rows, scored
from noiseflow.spec import Study
from noiseflow.statistics import CELL, GROUP, learning_bands


@dataclass(frozen=True)
class Picture:
    """A picture on the page: file name, PNG, what it shows in place of it, and what to see in it."""

    name: str
    png: bytes
    alt: str
    caption: str

    @property
    def address(self) -> str:
        """The picture as a data: address."""
        return data_address(self.png)

    @property
    def width(self) -> int:
        """Width on the page in pixels: the PNG has two for each."""
        return int.from_bytes(self.png[16:20]) // 2

    @property
    def height(self) -> int:
        """Height on the page in pixels."""
        return int.from_bytes(self.png[20:24]) // 2


@dataclass(frozen=True)
class _Group:
    """A dataset and architecture, its rows of the summary, and what tells its files and captions from the others'."""

    dataset: str
    architecture: str
    rows: pd.DataFrame
    number: int | None  # None if it is the only one

    @property
    def suffix(self) -> str:
        return f"-{self.number}" if self.number else ""

    @property
    def where(self) -> str:
        return f" on {self.dataset}/{self.architecture}" if self.number else ""

    @property
    def score_name(self) -> str:
        return wording.score_name(self.rows.iloc[0].to_dict())

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["dataset"] == self.dataset) & (frame["architecture"] == self.architecture)]


def data_address(png: bytes) -> str:
    """The PNG as a data: address."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def draw_pictures(evidence: Evidence) -> list[Picture]:
    """Every picture that there is something to draw for, in the order of the page."""
    colours = _colours(evidence.study)
    return [
        *_data(evidence),
        *_learning_curves(evidence, colours),
        *_final_scores(evidence, colours),
        *_differences(evidence, colours),
    ]


def _colours(study: Study) -> dict[str, str]:
    """A colour for each variant; its strengths have its own."""
    colours = variant_colours([variant.name for variant in study.variants])
    return colours | {member.name: colours[variant.name] for variant in study.variants for member in variant.members}


def _data(evidence: Evidence) -> Iterator[Picture]:
    figure = plot_data(evidence.data)
    if figure is None:
        return
    caption = (
        "The data: colour and shape tell the class; filled marks are rows to train on, hollow ones rows to test on."
    )
    yield Picture("data.png", to_png(figure), "Scatter plot of the data by class and split", caption)


def _learning_curves(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    keys = ["trial_id"] if "trial_id" in evidence.curves else [*CELL, "seed"]
    curves = evidence.curves.merge(evidence.finished[keys].drop_duplicates(), on=keys)
    if curves.empty:
        return
    bands = learning_bands(curves)
    for group in _groups(evidence.shown):
        shown = group.of(bands.merge(group.rows[CELL], on=CELL))
        if shown.empty:
            continue
        figure = plot_learning_curves(shown, colours, group.score_name.removeprefix("test "))
        caption = (
            f"Learning curves{group.where}: solid lines are the mean over seeds on the test rows, dashed ones on the "
            "training rows; bands hold the middle 80 % of the seeds. The dotted line repeats the baseline's test "
            "score. See how far train and test part, and whether noise keeps them together."
        )
        alt = f"Train and test score over the epochs, a panel a variant{group.where}"
        yield Picture(f"learning-curves{group.suffix}.png", to_png(figure), alt, caption)


def _final_scores(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    finished = scored(evidence.finished)
    published = published_runs(evidence)
    for group in _groups(evidence.shown):
        runs, ceiling = group.of(published), evidence.ceilings.get(group.dataset)
        fresh = ", on fresh rows" if evidence.is_fresh(group.dataset) else ""
        unit = " (fraction of rows)" if group.score_name == "test accuracy" else ""
        figure = plot_final_scores(
            group.of(finished),
            score_rows(group.of(finished), group.rows),
            runs,
            colours,
            ceiling=ceiling,
            score_label=f"{group.score_name} at the last epoch{fresh}{unit}",
        )
        caption = (
            f"Final {group.score_name} of each seed{group.where}{fresh}: a dot a seed, stacked where scores tie; below them a "
            "box with median, quartiles and range."
        )
        if len(runs):
            caption += " Diamonds are published single runs; the percentile tells how many seeds score below them."
        if ceiling is not None:
            best = wording.fraction(ceiling)
            where = "on these rows" if evidence.study.design == "replicate" else "in the long run"
            caption += f" The dashed line is the Bayes rule, the best there can be: {best} {where}."
        alt = f"Final {group.score_name} of every seed by variant{group.where}"
        yield Picture(f"final-scores{group.suffix}.png", to_png(figure), alt, caption)


def _differences(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    labels = cell_labels(evidence.answer)
    kinds = list(evidence.answer.groupby("score_name", sort=False))
    for at, (kind, rows) in enumerate(kinds, start=1):
        names = [labels[cell_key(row)] for row in rows.to_dict("records")]
        first = {"score_name": kind}
        scale, unit = (
            (100.0, "percentage points of accuracy") if wording.is_accuracy(first) else (1.0, wording.unit(first))
        )
        figure = plot_differences(rows, evidence.study.margin, colours, names=names, scale=scale, unit=unit)
        if figure is None:
            continue
        caption = (
            "Difference to the baseline on the same seeds, with its 95 % interval. Right of the zero line noise helps, "
            "left of it noise hurts; an interval inside the grey band is a difference not worth having. Each interval "
            "stands for its own comparison; the verdicts at the right allow for all of them."
        )
        name = "differences.png" if len(kinds) == 1 else f"differences-{at}.png"
        alt = "Paired differences to the baseline with 95 % intervals and verdicts"
        yield Picture(name, to_png(figure), alt, caption)


def _groups(summary: pd.DataFrame) -> list[_Group]:
    groups = summary.groupby(GROUP, sort=False)
    return [
        _Group(str(dataset), str(architecture), rows, number if len(groups) > 1 else None)
        for number, ((dataset, architecture), rows) in enumerate(groups, start=1)
    ]
