"""The pictures that bear the answer of a report, and the order of all: which evidence goes into which plot, and its caption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from noiseflow import wording
from noiseflow.plots import (
    plot_differences,
    plot_final_scores,
    plot_gains,
    plot_history,
    plot_ranks,
    plot_strengths,
    to_png,
)
from noiseflow.plots.history import MANY, MOST_PANELS, RUN
from noiseflow.report.behaviour import draw_behaviour
from noiseflow.report.evidence import Evidence, cell_key, cell_labels, published_runs, score_rows, scored
from noiseflow.report.picture import Picture, colours_of, data_address, groups_of, scale_and_unit
from noiseflow.report.strengths import STRENGTH_ROWS, strength_frames
from noiseflow.statistics.crossfit import honest_scores
from noiseflow.statistics.findings import trend_sizes
from noiseflow.statistics.trend import gains_by_rows

__all__ = ["Picture", "data_address", "draw_pictures"]

FOR_ITSELF = "Each interval stands for its own comparison; the verdicts at the right allow for all of them."
FOR_ALL = "The intervals hold together, for all comparisons and however often one looks."
ROOM = 650_000  # bytes of PNG: as base64, beside the text, within what an artifact may hold


def draw_pictures(evidence: Evidence) -> list[Picture]:
    """Every picture that there is something to draw for, in the order of the page.

    Those that bear the answer are all there; of the others those that there is room for.
    """
    colours = colours_of(evidence.study)
    drawn = [
        *_differences(evidence, colours),
        *_final_scores(evidence, colours),
        *_strengths(evidence, colours),
        *_gains(evidence, colours),
        *_ranks(evidence, colours),
        *_history(evidence, colours),
    ]
    room = ROOM - sum(len(picture.png) for picture in drawn)
    return [*drawn, *draw_behaviour(evidence, colours, room)]


def _differences(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    labels = cell_labels(evidence.answer)
    kinds = list(evidence.answer.groupby("score_name", sort=False))
    allowed = FOR_ALL if evidence.pools_campaigns else FOR_ITSELF
    for at, (kind, rows) in enumerate(kinds, start=1):
        names = [labels[cell_key(row)] for row in rows.to_dict("records")]
        scale, unit = scale_and_unit(str(kind))
        figure = plot_differences(rows, evidence.study.margin, colours, names=names, scale=scale, unit=unit)
        if figure is None:
            continue
        caption = (
            "Difference to the baseline on the same seeds, with its 95 % interval. Right of the zero line noise helps, "
            f"left of it noise hurts; an interval inside the grey band is a difference not worth having. {allowed}"
        )
        alt = "Paired differences to the baseline with 95 % intervals and verdicts"
        yield Picture(_numbered("differences", at, len(kinds)), to_png(figure), alt, caption)


def _final_scores(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    finished = scored(evidence.finished)
    published = published_runs(evidence)
    for group in groups_of(evidence.shown):
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
            where = "here, on these rows," if evidence.study.design == "replicate" else "with"
            caption += f" The dashed line is the Bayes rule, which no other beats in the long run, {where} {best}."
        alt = f"Final {group.score_name} of every seed by variant{group.where}"
        yield Picture(f"final-scores{group.suffix}.png", to_png(figure), alt, caption)


def _strengths(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    if evidence.findings.choices.empty:
        return
    kinds = list(evidence.summary.groupby("score_name", sort=False))
    for at, (kind, summary) in enumerate(kinds, start=1):
        frames = strength_frames(evidence.study, summary, evidence.findings.choices)
        if frames.strengths.empty:
            continue
        name = wording.score_name({"score_name": kind})
        unit = " (fraction of rows)" if name == "test accuracy" else ""
        figure = plot_strengths(frames.strengths, frames.baselines, frames.choices, colours, f"{name}{unit}")
        caption = (
            f"Mean {name} at each strength, with the 95 % interval of the mean over seeds; the dashed line in its band is the "
            "noiseless baseline. Diamonds stand at the strength chosen most often, for seeds that had no part in it, and at "
            "the score that such honest choices earn: below its line by what choosing on the test rows would add."
        )
        if frames.left_out:
            caption += f" The first {STRENGTH_ROWS} of {STRENGTH_ROWS + frames.left_out} datasets and architectures."
        alt = "Score against strength for each family, with the chosen strength and the baseline's level"
        yield Picture(_numbered("strengths", at, len(kinds)), to_png(figure), alt, caption)


def _gains(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    if evidence.findings.trend.empty:
        return
    gains = gains_by_rows(honest_scores(evidence.trials), trend_sizes(evidence.study))
    scale, unit = scale_and_unit(str(evidence.findings.trend["score_name"].iloc[0]))
    figure = plot_gains(gains, evidence.study.margin, colours, scale=scale, unit=unit)
    caption = (
        "Gain over the baseline on the same seeds against the number of training rows, with 95 % intervals. See whether what "
        "noise gains shrinks as rows grow; in the grey band a gain is not worth having."
    )
    alt = "Gain over the baseline against training rows, a line a family"
    yield Picture("gains.png", to_png(figure), alt, caption)


def _ranks(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    found = evidence.findings.ranks
    if found is None:
        return
    n = len(found.datasets)
    caption = (
        f"Mean rank of each variant over {n} datasets, 1 being the best. Filled dots differ from the baseline (the dashed "
        "line) after Holm's adjustment, hollow ones cannot be told apart from it."
    )
    alt = "Mean ranks over the datasets, and which differ from the baseline's"
    yield Picture("ranks.png", to_png(plot_ranks(found.ranks, n, colours)), alt, caption)


def _history(evidence: Evidence, colours: Mapping[str, str]) -> Iterator[Picture]:
    history = getattr(evidence.findings, "history", pd.DataFrame())
    if history.empty:
        return
    labels = cell_labels(evidence.summary)
    told = history.assign(panel=[labels.get(cell_key(row), row["variant"]) for row in history.to_dict("records")])
    kinds = list(told.groupby("score_name", sort=False))
    for at, (kind, rows) in enumerate(kinds, start=1):
        scale, unit = scale_and_unit(str(kind))
        n_nights, n_panels = len(rows["campaign"].unique()), len(rows["panel"].unique())
        caption = (
            f"The difference to the baseline over {wording.number(n_nights, 'campaign')}: grey dots are each night's own "
            "estimate on its interval, the line all nights so far, with the interval that stays valid however often one "
            "looks. See it narrow; in the grey band a difference is not worth having."
        )
        if n_nights > MANY:
            caption += f" The nights' intervals are one grey band, the running median of {RUN} of them."
        if rows["drifted"].any():
            caption += " Crosses at the bottom mark nights that do not fit those before them."
        if n_panels > MOST_PANELS:
            caption += f" The first {MOST_PANELS} of {n_panels} comparisons."
        alt = "Pooled and nightly differences to the baseline over the campaigns"
        figure = plot_history(rows, evidence.study.margin, colours, scale=scale, unit=unit)
        yield Picture(_numbered("history", at, len(kinds)), to_png(figure), alt, caption)


def _numbered(name: str, at: int, of: int) -> str:
    return f"{name}.png" if of == 1 else f"{name}-{at}.png"
