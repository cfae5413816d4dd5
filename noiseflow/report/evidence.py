"""What a report is drawn from, and the views of it that sentences, tables and pictures share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from noiseflow.report.findings import Findings
from noiseflow.scores import score_of_column
from noiseflow.statistics.pairs import CELL, GROUP, PAIR, CellKey, compared_score
from noiseflow.study import BASELINE, Study
from noiseflow.wording import listed

if TYPE_CHECKING:
    from noiseflow.datasets.facts import WhatWasRead


@dataclass(frozen=True)
class Evidence:
    """Everything the report is drawn from.

    Attributes:
        findings: what was found in the trials.
        trials: of the plan, with names.
        curves: of the plan, with names and seed.
        data: the datasets in long form.
        ceilings: dataset name -> the Bayes rule's accuracy, on the one split of the design replicate, else on rows without
            end.
        constants: dataset name -> the score of the best constant prediction.
        constant_losses: of each classification its log loss on the test rows.
        data_cautions: sentences on the data.
        manifest: how it was made, in the order to be shown; its `command` repeats the study.
        n_planned: trials of the plan.
        changed: what the last replays were made with that the first campaign was not, `2.20 → 2.21` by name.
        predictions: of finished trials, with names: dataset, architecture, variant, family, data_seed, seed, trial_id, part
            (test, grid), row, output, prediction.
        grids: dataset name -> the points (n_points, 2) of the rows of part `grid`, where the dataset has two
            features.
        read: what was read of the datasets that are files of the user's.
        forms: dataset name -> the shape of a row, how many classes, 0 for a regression, and how many targets.
        seen: dataset name -> variant -> a few training rows with its noise, of images and sequences.
        until_decided: whether seeds were added until each variant was decided.
    """

    study: Study
    findings: Findings
    trials: pd.DataFrame
    curves: pd.DataFrame
    data: pd.DataFrame
    ceilings: Mapping[str, float]
    data_cautions: Sequence[str]
    manifest: Mapping[str, str]
    n_planned: int = 0
    changed: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)
    constant_losses: Mapping[str, float] = field(default_factory=dict)
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    grids: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    forms: Mapping[str, tuple[tuple[int, ...], int, int]] = field(default_factory=dict)
    seen: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    read: Sequence[WhatWasRead] = ()
    until_decided: bool = False

    @property
    def summary(self) -> pd.DataFrame:
        """A row a cell."""
        return self.findings.summary

    @property
    def pools_campaigns(self) -> bool:
        """Whether somebody may have looked before, so that the summary comes from a confidence sequence."""
        return not self.findings.history.empty

    @property
    def answers_for_new_rows(self) -> bool:
        """Whether some difference is for new test rows of the same kind, beside these."""
        return "seeds_ci_low" in self.answer and bool(self.answer["seeds_ci_low"].notna().any())

    @cached_property
    def shown(self) -> pd.DataFrame:
        """The rows of the summary that are worth a line each: of a family of strengths the one chosen most often."""
        return self.best_first(shown_cells(self.findings))

    @cached_property
    def answer(self) -> pd.DataFrame:
        """Each variant against its baseline, with the study's margin; a family with the strength that it chose."""
        if self.findings.choices.empty:
            return self.summary.assign(margin=self.study.margin)
        plain = self.summary[self.summary["variant"] == self.summary["family"]]
        choices = self.findings.choices.rename(columns={"family": "variant"})
        own = plain[~plain.set_index(CELL).index.isin(choices.set_index(CELL).index)]
        return pd.concat([own, choices], ignore_index=True).assign(margin=self.study.margin)

    @cached_property
    def labelled(self) -> list[dict[Any, Any]]:
        """Rows of the answer that are compared to a baseline, with their numbers of pairs and their place.

        The place is empty where there is only one. Of pooled campaigns no number of pairs is too few.
        """
        rows, places = self.answer[self.answer["variant"] != BASELINE], cell_places(self.answer)
        least = {"least_n": 0} if self.pools_campaigns else {}
        return [row | {"place": places[cell_key(row)]} | least for row in rows.to_dict("records")]

    def best_first(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows in the order of all tables and pictures: of each dataset and architecture the baseline, then the best.

        A family is where the strength that it chose puts it; rows of one variant keep their order.

        Args:
            rows: GROUP and `variant`, or `family`, of each.
        """
        if rows.empty:
            return rows
        name = "variant" if "variant" in rows else "family"
        keys = rows[[*GROUP, name]].astype(object).rename(columns={name: "variant"})
        places = keys.merge(self._places, on=CELL, how="left")["place"].fillna(np.inf).to_numpy()
        return rows.iloc[np.argsort(places, kind="stable")]

    @cached_property
    def _places(self) -> pd.DataFrame:
        """CELL and place of each variant and family; a strength has the place of its family."""
        groups = self.summary[GROUP].drop_duplicates().reset_index(drop=True).rename_axis("group").reset_index()
        answer = self.answer[[*CELL, "difference_mean"]].astype({"difference_mean": float}).merge(groups, on=GROUP)
        is_other = answer["variant"] != BASELINE
        answer = answer.assign(is_other=is_other, loss=-answer["difference_mean"])
        answer = answer.sort_values(["group", "is_other", "loss"], kind="stable").reset_index(drop=True)
        families = answer[CELL].assign(place=answer.index.astype(float))
        if "family" not in self.summary:
            return families
        members = self.summary[[*CELL, "family"]].merge(
            families.rename(columns={"variant": "family"}), on=[*GROUP, "family"]
        )
        return pd.concat([families, members[[*CELL, "place"]]]).drop_duplicates(CELL)

    def finished(self, dataset: str, architecture: str) -> pd.DataFrame:
        """The trials of a dataset and architecture that did not diverge, with the score that is compared."""
        places = self._completed.get((dataset, architecture), np.zeros(0, np.intp))
        mine = self.trials.iloc[places]
        return mine[["trial_id", *CELL, *PAIR, "train_score", "test_score"]].assign(score=compared_score(mine))

    def predicted(self, dataset: str, architecture: str, part: str) -> pd.DataFrame:
        """The predictions on a part (test, grid) by the finished trials of a dataset and architecture."""
        rows = self.predictions
        if rows.empty:
            return pd.DataFrame(columns=["variant", "output"])
        mine = rows[(rows["dataset"] == dataset) & (rows["architecture"] == architecture) & (rows["part"] == part)]
        return self.of_completed(mine)

    def of_completed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that belong, by trial_id, to trials that did not diverge."""
        return rows[~rows["trial_id"].isin(self._diverged)]

    @cached_property
    def _completed(self) -> dict[tuple[str, str], NDArray[np.intp]]:
        """Where the trials of each dataset and architecture are that did not diverge."""
        places = np.flatnonzero(self.trials["status"] == "completed")
        groups = self.trials.iloc[places][GROUP].groupby(GROUP, sort=False).indices
        return {cast("tuple[str, str]", key): places[at] for key, at in groups.items()}

    @cached_property
    def _diverged(self) -> list[str]:
        return list(self.trials.loc[self.trials["status"] != "completed", "trial_id"])

    def compared(self, rows: Iterable[Mapping[Any, Any]]) -> str:
        """What is compared in these rows: `accuracy on fresh rows` where their dataset has such, else `test accuracy`.

        The report calls it so wherever it names it.

        Args:
            rows: with `dataset` and `score_name`.
        """
        names = dict.fromkeys((str(row["score_name"]), self.is_fresh(row["dataset"])) for row in rows)
        labels = [(score_of_column(name).label, fresh) for name, fresh in names]
        return listed((f"{label} on fresh rows" if fresh else f"test {label}" for label, fresh in labels), last="or")

    def is_fresh(self, dataset: str) -> bool:
        """Whether variants are compared on fresh rows of this dataset."""
        return any(part.n_eval for part in self.study.datasets if part.name == dataset)


def shown_cells(findings: Findings) -> pd.DataFrame:
    """The rows of the summary that are worth a line each: of a family of strengths the one chosen most often."""
    summary = findings.summary
    if findings.choices.empty:
        return summary
    chosen = findings.choices[[*GROUP, "family", "strength"]].assign(chosen=True)
    marked = summary.merge(chosen, on=[*GROUP, "family", "strength"], how="left")
    return summary[((summary["variant"] == summary["family"]) | marked["chosen"].notna()).to_numpy()]


def compact_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions in a third of the memory: names as categories, numbers in single precision."""
    names = [*CELL, "family", "trial_id", "part"]
    return predictions.astype(dict.fromkeys(names, "category") | {"prediction": "float32", "output": "int16"})


def score_rows(finished: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """CELL, mean, std and n of the scores of finished trials: a row for each of the cells."""
    found = finished.groupby(CELL)["score"].agg(["mean", "std", "count"]).reset_index().rename(columns={"count": "n"})
    return cells[CELL].merge(found, on=CELL, how="left").fillna({"n": 0})


def split_sizes(data: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Train and test rows of each dataset, of its first data seed."""
    sizes = {}
    for name, rows in data.groupby("dataset", sort=False):
        splits = rows.loc[rows["data_seed"] == rows["data_seed"].iloc[0], "split"]
        sizes[str(name)] = (int((splits == "train").sum()), int((splits == "test").sum()))
    return sizes


def small_test_sets(evidence: Evidence) -> dict[str, int]:
    """Rows that the compared score is measured on, of each dataset that has no large fresh set."""
    sizes = split_sizes(evidence.data)
    return {name: test for name, (_, test) in sizes.items() if not evidence.is_fresh(name)}


def positives(evidence: Evidence, dataset: str) -> int | None:
    """Test rows of class 1 of the dataset's first data seed; None where there are more than two classes."""
    rows = evidence.data[evidence.data["dataset"] == dataset]
    tested = rows.loc[(rows["data_seed"] == rows["data_seed"].min()) & (rows["split"] == "test"), "y"]
    return int((tested == 1).sum()) if set(tested.unique()) <= {0.0, 1.0} else None


def cell_labels(summary: pd.DataFrame, name: Callable[[str], str] = str) -> dict[CellKey, str]:
    """What each cell is called: its variant, as `name` writes it, and where there are several its place."""
    places = cell_places(summary)
    return {key: name(key[2]) + (f" on {place}" if place else "") for key, place in places.items()}


def cell_places(summary: pd.DataFrame) -> dict[CellKey, str]:
    """Dataset and architecture of each cell, as far as they distinguish cells; empty where they do not."""
    telling = telling_names(summary)
    return {cell_key(cell): "/".join(cell[column] for column in telling) for cell in summary[CELL].to_dict("records")}


def telling_names(summary: pd.DataFrame) -> list[str]:
    """Which of dataset and architecture distinguish cells; the dataset is enough where each has one architecture."""
    groups = summary[GROUP].drop_duplicates()
    several = {
        "dataset": len(groups["dataset"].unique()) > 1,
        "architecture": bool(groups["dataset"].duplicated().any()),
    }
    return [name for name in GROUP if several[name]]


def cell_key(cell: Mapping[Any, Any]) -> CellKey:
    """Dataset, architecture and variant of a row."""
    return cell["dataset"], cell["architecture"], cell["variant"]
