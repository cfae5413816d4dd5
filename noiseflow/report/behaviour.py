"""The pictures of how the networks behave: learning curves, gap, boundary, calibration, and the data that they saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from noiseflow.plots import (
    class_one_shares,
    plot_boundary,
    plot_calibration,
    plot_data,
    plot_gap,
    plot_learning_curves,
    reliability,
    to_png,
)
from noiseflow.report.evidence import Evidence, scored
from noiseflow.report.picture import Group, Picture, groups_of
from noiseflow.spec import BASELINE
from noiseflow.statistics import CELL, learning_bands
from noiseflow.wording import listed

Turns = Iterator[tuple[int, Picture]]

MOST_GROUPS = 4  # datasets and architectures that have pictures of this kind
MOST_VARIANTS = 9  # panels of a picture
CLASSIFIED = ("accuracy", "balanced_accuracy", "auc", "-log_loss")  # scores of classifiers


def draw_behaviour(evidence: Evidence, colours: Mapping[str, str], room: int) -> list[Picture]:
    """Learning curves, gaps, boundaries, calibration and data, in this order, each of at most four groups.

    Those that fit into `room` bytes: the first group's of each kind before the second's. The last one's caption names those
    that did not.
    """
    drawn = list(_every(evidence, colours))
    kept = set()
    for at in sorted(range(len(drawn)), key=lambda at: drawn[at][0]):
        size = len(drawn[at][1].png)
        if size <= room:
            kept.add(at)
            room -= size
    pictures = [picture for at, (_, picture) in enumerate(drawn) if at in kept]
    left_out = [picture.name.removesuffix(".png") for at, (_, picture) in enumerate(drawn) if at not in kept]
    told = f" For lack of room there is no picture of {listed(left_out)}." if left_out else ""
    if (
        evidence.grids
        and not any(picture.name.startswith("boundary") for _, picture in drawn)
        and _has_families(evidence)
    ):
        told += " Boundaries are not drawn: what the members of families predict over the plane is not kept."
    if told and pictures:
        pictures[-1] = replace(pictures[-1], caption=pictures[-1].caption + told)
    return pictures


def _has_families(evidence: Evidence) -> bool:
    return any(variant.strengths for variant in evidence.study.variants)


def _every(evidence: Evidence, colours: Mapping[str, str]) -> Turns:
    """The pictures in the order of the page, each with the turn that it takes when room is given away."""
    every = groups_of(evidence.shown)
    groups = every[:MOST_GROUPS]
    rest = f" Only the first {MOST_GROUPS} of {len(every)} are drawn." if len(every) > MOST_GROUPS else ""
    latest = f"{_of_latest(evidence)}{rest}"
    yield from _learning_curves(evidence, groups, colours, latest)
    yield from _gaps(evidence, groups, colours, rest)
    yield from _boundaries(evidence, groups, latest)
    yield from _calibration(evidence, groups, colours, latest)
    yield from _data(evidence)


def _of_latest(evidence: Evidence) -> str:
    """That curves and predictions are of the latest seeds only, where that is so."""
    if "seed" not in evidence.curves:
        return ""
    drawn, there = (len(trials["seed"].unique()) for trials in (evidence.curves, evidence.trials))
    return f" Drawn are the latest {drawn:,} of {there:,} seeds." if 0 < drawn < there else ""


def _learning_curves(evidence: Evidence, groups: list[Group], colours: Mapping[str, str], rest: str) -> Turns:
    keys = ["trial_id"] if "trial_id" in evidence.curves else [*CELL, "seed"]
    curves = evidence.curves.merge(evidence.finished[keys].drop_duplicates(), on=keys)
    if curves.empty:
        return
    bands = learning_bands(curves)
    for group in groups:
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
        yield group.number or 1, Picture(f"learning-curves{group.suffix}.png", to_png(figure), alt, caption + rest)


def _gaps(evidence: Evidence, groups: list[Group], colours: Mapping[str, str], rest: str) -> Turns:
    finished = scored(evidence.finished)
    for group in groups:
        mine = group.of(finished).dropna(subset=["train_score", "test_score"])
        names = _present(group, mine)
        if not names:
            continue
        figure = plot_gap(mine, names, colours, group.score_name.removeprefix("test "))
        caption = (
            f"What was learnt by heart{group.where}: at the left the mean score on the training rows (hollow) and on the test "
            "rows (filled) at the last epoch, at the right the gap between them for each seed, with its mean and standard "
            "deviation. A shorter line is less overfitting; a gap of 0 is none."
        )
        alt = f"Train and test score of each variant joined by a line, and the gap of each seed{group.where}"
        yield group.number or 1, Picture(f"gap{group.suffix}.png", to_png(figure), alt, caption + rest)


def _boundaries(evidence: Evidence, groups: list[Group], rest: str) -> Turns:
    for group in groups:
        grid = evidence.grids.get(group.dataset)
        predictions = _predicted(evidence, group, "grid")
        drawn = _present(group, predictions)[:MOST_VARIANTS]
        told = grid is not None and not predictions["output"].any()
        if grid is None or not told or not drawn or (drawn == [BASELINE] and len(group.variants) > 1):
            continue
        shares = class_one_shares(predictions[predictions["variant"].isin(drawn)])
        figure = plot_boundary(_ordered(shares, drawn), grid, _first_training_rows(evidence, group.dataset))
        whose = "" if evidence.study.design == "replicate" else " of the first data seed; each seed had rows of its own"
        caption = (
            f"Where the networks say class 1{group.where}: the darker, the more seeds; at the line it is half of them. Marks "
            f"are training rows{whose}. A smooth line and a narrow passage from pale to dark mean that seeds agree on a simple "
            "rule; islands around single rows are rows learnt by heart."
        )
        alt = f"Share of seeds that say class 1 over the plane of the two features, a panel a variant{group.where}"
        yield group.number or 1, Picture(f"boundary{group.suffix}.png", to_png(figure), alt, caption + rest)


def _calibration(evidence: Evidence, groups: list[Group], colours: Mapping[str, str], rest: str) -> Turns:
    for group in (group for group in groups if group.rows["score_name"].iloc[0] in CLASSIFIED):
        predictions = _predicted(evidence, group, "test")
        tested = evidence.data[(evidence.data["dataset"] == group.dataset) & (evidence.data["split"] == "test")]
        names = _present(group, predictions)[:MOST_VARIANTS]
        parts = [
            reliability(predictions[predictions["variant"] == name], tested).assign(variant=name) for name in names
        ]
        if not parts or all(part.empty for part in parts):
            continue
        of_class_one = not predictions["output"].any()
        bins = pd.concat(parts, ignore_index=True)
        figure = plot_calibration(bins, colours, of_class_one=of_class_one)
        told = "class 1 was given a probability" if of_class_one else "the class predicted was given a probability"
        caption = (
            f"Calibration on the test rows{group.where}: where {told}, how often it came true, with a 95 % interval. On the "
            "diagonal probabilities mean what they say; a line flatter than it is overconfident. Bars are the share of the "
            "predictions in each tenth."
        )
        alt = f"Observed frequency against predicted probability, a panel a variant{group.where}"
        yield group.number or 1, Picture(f"calibration{group.suffix}.png", to_png(figure), alt, caption + rest)


def _data(evidence: Evidence) -> Turns:
    figure = plot_data(evidence.data)
    if figure is None:
        return
    caption = (
        "The data: colour and shape tell the class; filled marks are rows to train on, hollow ones rows to test on."
    )
    yield 1, Picture("data.png", to_png(figure), "Scatter plot of the data by class and split", caption)


def _predicted(evidence: Evidence, group: Group, part: str) -> pd.DataFrame:
    """Predictions on a part by finished trials of the group's variants."""
    if evidence.predictions.empty:
        return pd.DataFrame(columns=["variant", "output"])
    mine = group.of(evidence.predictions)
    mine = mine[(mine["part"] == part) & mine["variant"].isin(group.variants)]
    return mine[mine["trial_id"].isin(evidence.finished["trial_id"])]


def _present(group: Group, rows: pd.DataFrame) -> list[str]:
    """The group's variants that have rows here, in their order."""
    found = set(rows["variant"].unique())
    return [name for name in group.variants if name in found]


def _ordered(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return rows.set_index("variant").loc[names].reset_index()


def _first_training_rows(evidence: Evidence, dataset: str) -> pd.DataFrame:
    rows = evidence.data[(evidence.data["dataset"] == dataset) & (evidence.data["split"] == "train")]
    return rows[rows["data_seed"].isin([rows["data_seed"].min()])]
