"""What a report is drawn from, and the views of it that sentences, tables and pictures share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from noiseflow.inference import percentile_of_published
from noiseflow.spec import BASELINE, Study
from noiseflow.statistics import CELL, GROUP, CellKey, pair_counts


@dataclass(frozen=True)
class Evidence:
    """Everything the report is drawn from.

    summary: `statistics.summarize` of the trials. trials: of the plan, with names. curves: of the plan, with names and
    seed. data: the datasets in long form. ceilings: dataset name -> the Bayes rule's test accuracy on this split.
    manifest: how it was made, in the order to be shown; its `command` repeats the study.
    """

    study: Study
    summary: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    data: pd.DataFrame
    ceilings: Mapping[str, float]
    manifest: Mapping[str, str]

    @property
    def finished(self) -> pd.DataFrame:
        """The trials that did not diverge."""
        return self.trials[self.trials["status"] == "completed"]


def compared_rows(evidence: Evidence) -> list[dict[Any, Any]]:
    """Rows of the summary that are compared to a baseline, with their `pair_counts`."""
    rows = evidence.summary[evidence.summary["variant"] != BASELINE]
    return rows.merge(pair_counts(evidence.trials), on=CELL, how="left").to_dict("records")


def score_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """CELL, n, mean and std of each cell's finished trials."""
    rows = summary[[*CELL, "test_score_mean", "test_score_std"]].assign(n=summary["n_seeds"] - summary["n_diverged"])
    return rows.rename(columns={"test_score_mean": "mean", "test_score_std": "std"})


def published_runs(evidence: Evidence) -> pd.DataFrame:
    """Published runs beside the cells of their variant: CELL, train_score, score, percentile, n, mean and std."""
    finished = {key: cell["test_score"] for key, cell in evidence.finished.groupby(CELL)}
    rows = [
        cell
        | {
            "train_score": run.train_score,
            "score": run.test_score,
            "percentile": percentile_of_published(finished.get(cell_key(cell), ()), run.test_score),
        }
        for cell in score_rows(evidence.summary).to_dict("records")
        for run in evidence.study.published
        if run.epochs in (None, evidence.study.training.epochs)
        if run.variant == cell["variant"]
    ]
    return pd.DataFrame(rows, columns=[*CELL, "train_score", "score", "percentile", "n", "mean", "std"])


def split_sizes(data: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Train and test rows of each dataset, of its first data seed."""
    sizes = {}
    for name, rows in data.groupby("dataset", sort=False):
        splits = rows.loc[rows["data_seed"] == rows["data_seed"].iloc[0], "split"]
        sizes[str(name)] = (int((splits == "train").sum()), int((splits == "test").sum()))
    return sizes


def cell_labels(summary: pd.DataFrame, name: Callable[[str], str] = str) -> dict[CellKey, str]:
    """What each cell is called: its variant, told by `name`, and where there are several its place."""
    telling = telling_names(summary)
    labels = {}
    for cell in summary[CELL].to_dict("records"):
        place = "/".join(cell[column] for column in telling)
        labels[cell_key(cell)] = name(cell["variant"]) + (f" on {place}" if place else "")
    return labels


def telling_names(summary: pd.DataFrame) -> list[str]:
    """Which of dataset and architecture tell cells apart."""
    return [name for name in GROUP if len(summary[name].unique()) > 1]


def cell_key(cell: Mapping[Any, Any]) -> CellKey:
    """Dataset, architecture and variant of a row."""
    return cell["dataset"], cell["architecture"], cell["variant"]
