"""Published single runs beside the scores here."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import pandas as pd

from noiseflow.report.evidence import Evidence, cell_key, cell_labels, score_rows
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns
from noiseflow.statistics.inference import percentile_of_published
from noiseflow.statistics.pairs import CELL
from noiseflow.study import BASELINE, Published
from noiseflow.wording import NOTHING, change, difference, fraction, listed, mean_std, quoted, score_of

MOST_SOURCES = 6
NOTE = "Percentile: the share of seeds here that score below the published run, ties counting half."
PERCENTILES = ("train_percentile", "percentile")
"""Of a published score on the training and on the test rows."""


def published_runs(evidence: Evidence) -> pd.DataFrame:
    """Published runs beside the cells of their variant: CELL, label, PERCENTILES, train_score, score, n, mean and std."""
    runs = [run for run in evidence.study.published if run.epochs in (None, evidence.study.training.epochs)]
    cells = evidence.summary[evidence.summary["variant"].isin([run.variant for run in runs])]
    labels, rows = cell_labels(evidence.summary), []
    for (dataset, architecture), group in cells.groupby(CELL[:2], sort=False):
        finished = evidence.finished(str(dataset), str(architecture))
        finished = finished.assign(score=finished["test_score"])  # they were published on the test rows
        scores = {str(name): part[["train_score", "score"]] for name, part in finished.groupby("variant")}
        for cell in score_rows(finished, group).to_dict("records"):
            rows += [
                cell
                | {
                    "label": labels[cell_key(cell)],
                    "train_score": run.train_score,
                    "score": run.test_score,
                    **_percentiles(scores.get(cell["variant"]), run),
                }
                for run in runs
                if run.variant == cell["variant"]
            ]
    columns = [*CELL, "label", *PERCENTILES, "train_score", "score", "n", "mean", "std"]
    return evidence.best_first(pd.DataFrame(rows, columns=columns))


def _percentiles(scores: pd.DataFrame | None, run: Published) -> dict[str, float]:
    published = {"train_percentile": ("train_score", run.train_score), "percentile": ("score", run.test_score)}
    return {
        name: percentile_of_published(() if scores is None else scores[of], value)
        for name, (of, value) in published.items()
    }


def _columns(_: Evidence) -> Columns:
    return {
        "Published train": lambda row: fraction(row["train_score"]),
        "Percentile of train": lambda row: _percentile(row["train_percentile"]),
        "Published test": lambda row: fraction(row["score"]),
        "Percentile": lambda row: _percentile(row["percentile"]),
        "Here, mean ± std": lambda row: mean_std(row["mean"], row["std"]),
        "Seeds": lambda row: str(row["n"]),
    }


def _percentile(value: float) -> str:
    return f"{value:.0f}" if isfinite(value) else NOTHING


def sources(evidence: Evidence) -> str:
    """Where the runs were published; empty without such runs."""
    every = sorted({run.source for run in evidence.study.published})
    more = [f"{len(every) - MOST_SOURCES} more"] if len(every) > MOST_SOURCES else []
    return "; ".join([*every[:MOST_SOURCES], *more])


def _note(evidence: Evidence) -> str:
    runs = published_runs(evidence)
    known = runs["percentile"].dropna()
    usual = " All published test scores lie among the middle 95 % of the seeds here." * bool(
        len(known) and known.between(2.5, 97.5).all()
    )
    return " ".join([NOTE + usual, *_gains(evidence, runs)])


def _gains(evidence: Evidence, runs: pd.DataFrame) -> Iterator[str]:
    """What the published runs gain over the published baseline, beside the means here, for each dataset and network."""
    labelled = {cell_key(row): row for row in evidence.labelled}
    for (dataset, _), group in runs.groupby(CELL[:2], sort=False):
        baseline = group[group["variant"] == BASELINE].to_dict("records")
        others = [row for row in group.to_dict("records") if cell_key(row) in labelled]
        if len(baseline) != 1 or not others:
            continue
        ours = [labelled[cell_key(row)] for row in others]
        score = score_of(ours[0])
        published, here = (
            listed(change(score, row[name] - baseline[0][name], score.decimals) for row in others)
            for name in ("score", "mean")
        )
        unit = "points" if score.in_points else score.unit
        fresh = f"; on fresh rows they are {listed(map(difference, ours))}" if evidence.is_fresh(str(dataset)) else ""
        yield (
            f"Beside the published baseline, the published runs of {listed(quoted(row['label']) for row in others)} gain "
            f"{published} {unit}; on the same test rows the mean gains here are {here}{fresh}."
        )


TABLE = TableForm("answer", ("variant",), _columns, 0, _note, "the study")
SECTION = Section(
    "Published single runs",
    lambda evidence: (
        published_runs(evidence).rename(columns={"variant": "name", "label": "variant"}).drop(columns="dataset")
    ),
    TABLE,
    pictures=None,
    limits=None,
)
