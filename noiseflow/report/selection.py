"""Which rows, and which datasets and architectures, a report shows where a study has more than anyone reads."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from noiseflow import wording
from noiseflow.report.evidence import Evidence, shown_cells
from noiseflow.report.findings import Findings
from noiseflow.scores import Score
from noiseflow.statistics.pairs import GROUP, CellKey
from noiseflow.study import BASELINE

MOST_GROUPS = 4  # datasets and architectures that have their own pictures
MOST_PANELS = 9  # variants that have a panel each
MOST_VARIANTS = 16  # variants that have a row each
MOST_ROWS = 24  # comparisons that have a row each
NAMED = 5  # gains, and losses, that the headline names
CLEAREST = "those with the clearest differences (the largest beside their intervals)"


@dataclass(frozen=True)
class Group:
    """A dataset and architecture, its rows of the summary, and what distinguishes its files and captions."""

    dataset: str
    architecture: str
    rows: pd.DataFrame
    number: int | None  # None if it is the only one

    @property
    def suffix(self) -> str:
        """Ends the name of its files."""
        return f"-{self.number}" if self.number else ""

    @property
    def where(self) -> str:
        """` on circles/mlp`, where there are others."""
        return f" on {self.dataset}/{self.architecture}" if self.number else ""

    @property
    def score(self) -> Score:
        """What its rows are scored by."""
        return wording.score_of(self.rows.iloc[0].to_dict())

    def variants(self, most: int) -> list[str]:
        """Its variants in their order; of more than `most` the clearest."""
        return [str(name) for name in clearest(self.rows, most)["variant"]]

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of a frame that belong to it."""
        return frame[(frame["dataset"] == self.dataset) & (frame["architecture"] == self.architecture)]

    def left_out(self, most: int) -> str:
        """A note where not all variants are drawn; else empty."""
        return drawn_of(len(self.rows), min(most, len(self.rows)), "variants")


def clearest(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most `most` rows, in their order: the gains and losses that the headline names, then the clearest differences.

    How clear a difference is: its size over half the width of its interval. The baselines of the rows that are kept are
    kept beside them. Rows that are no differences are kept from the first on.
    """
    if len(rows) <= most or "difference_mean" not in rows:
        return rows.head(most)
    table = rows.reset_index(drop=True)
    group, is_baseline = table.groupby(GROUP).ngroup(), pd.Series(False, table.index)
    if "variant" in table:
        is_baseline = table["variant"] == BASELINE
    ranked = _clearness(table)[~is_baseline].sort_values(ascending=False, kind="stable").index
    in_order = group.loc[ranked]
    rows_taken = 1 + (in_order.isin(group[is_baseline]) & ~in_order.duplicated()).astype(
        int
    )  # itself, and its baseline
    kept = ranked[(rows_taken.cumsum() <= most).to_numpy(dtype=bool)]
    shown = table.index.isin(kept) | (is_baseline & group.isin(group.loc[kept])).to_numpy(dtype=bool)
    return rows[shown]


def _clearness(rows: pd.DataFrame) -> pd.Series[float]:
    """Size of the difference over half the width of its interval; those that the headline names are above all."""
    mean, low, high = (rows[f"difference_{name}"].astype(float) for name in ("mean", "ci_low", "ci_high"))
    clear = (mean.abs() / ((high - low) / 2)).fillna(-1.0)
    for verdict, size in (("better", mean), ("worse", -mean)):
        named = size[rows["verdict"] == verdict].nlargest(NAMED) if "verdict" in rows else size.head(0)
        clear = clear.mask(clear.index.isin(named.index), 1e300 * (1 + named.rank()))
    return clear


def groups_of(summary: pd.DataFrame, most: int | None = None) -> list[Group]:
    """Each dataset and architecture of a summary; of more than `most` those with the clearest differences."""
    groups = summary.groupby(GROUP, sort=False)
    every = [
        Group(str(dataset), str(architecture), rows, number if len(groups) > 1 else None)
        for number, ((dataset, architecture), rows) in enumerate(groups, start=1)
    ]
    if most is None or len(every) <= most:
        return every
    best = summary.assign(clearness=_clearness(summary)).groupby(GROUP, sort=False)["clearness"].max()
    return [every[at] for at in sorted(best.reset_index(drop=True).nlargest(most).index)]


def drawn_cells(findings: Findings) -> set[CellKey]:
    """The cells that a report draws: it needs no other curves and predictions."""
    groups = groups_of(shown_cells(findings), MOST_GROUPS)
    return {(group.dataset, group.architecture, name) for group in groups for name in group.variants(MOST_PANELS)}


def drawn_of(n: int, shown: int, what: str) -> str:
    """Says which of n are drawn, where not all of them are."""
    return f" Drawn are {shown:,} of {n:,} {what}: {CLEAREST}." if n > shown else ""


def only_some_groups(evidence: Evidence) -> str:
    """A note where not all datasets and architectures have their pictures; else empty."""
    n = len(groups_of(evidence.shown))
    if n <= MOST_GROUPS:
        return ""
    return f" At most {MOST_GROUPS} of {n} datasets and architectures have this picture: those with the clearest differences."


def latest_seeds(evidence: Evidence) -> str:
    """A note where curves and predictions are of the latest seeds only; else empty."""
    if "seed" not in evidence.curves:
        return ""
    drawn, there = (trials["seed"].nunique() for trials in (evidence.curves, evidence.trials))
    return f" Drawn are the latest {drawn:,} of {there:,} seeds." if 0 < drawn < there else ""
