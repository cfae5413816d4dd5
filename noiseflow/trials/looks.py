"""The looks at a study that its store remembers: what each found, and the level of the next one.

A look is a report that was made of whole trials, or a wave of a run that goes on until its variants are decided. It concerns
comparisons: a variant's trials against its baseline's. The same trials again are not another look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.inference import ALPHA
from noiseflow.statistics.looks import JUDGED_BY, KEPT, Due, level_of
from noiseflow.statistics.pairs import CELL, MEASURES, CellKey
from noiseflow.store import Store
from noiseflow.trials.plan import Cell, Plan

COLUMNS = ["look", *CELL, "n_seeds", "level", "verdict"]


class Compared(NamedTuple):
    """A comparison of a plan.

    Attributes:
        names: of its cell.
        family: the study's variant that the cell belongs to.
        key: a hash of what is compared, whatever the seeds.
        data: a hash of the ids of the variant's trials.
        n_seeds: how many seeds these have.
    """

    names: CellKey
    family: str
    key: str
    data: str
    n_seeds: int


class Judged(NamedTuple):
    """What a look found of a comparison.

    Attributes:
        level: the level that it was judged at.
        counts: whether there were trials enough for any verdict.
        found: the columns KEPT, with what was found.
    """

    look: int
    margin: float
    data: str
    n_seeds: int
    level: float
    counts: bool
    found: Mapping[str, Any]


def compared_cells(plan: Plan) -> list[Compared]:
    """The comparisons of a plan, in its order; none of a plan that pools campaigns: its intervals allow for every look."""
    if plan.campaign is not None:
        return []
    ids: dict[int, list[str]] = {id(cell): [] for cell in plan.cells}
    for trial in plan.trials:
        ids[id(trial.cell)].append(trial.id)
    baselines = {_group(cell): cell for cell in plan.cells if cell.variant.name == BASELINE}
    return [
        Compared(
            (*_group(cell), cell.variant.name),
            cell.family,
            _hash([cell.trial_id(0, 0), baselines[_group(cell)].trial_id(0, 0)]),
            _hash(ids[id(cell)]),
            len(ids[id(cell)]),
        )
        for cell in plan.cells
        if cell.variant.name != BASELINE and _group(cell) in baselines
    ]


@dataclass(frozen=True)
class Looks:
    """The looks at the comparisons of a plan."""

    plan: Plan
    stored: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, plan: Plan, store: Store | None) -> Looks:
        """The looks that a store remembers."""
        return cls(plan, [] if store is None or plan.campaign is not None else store.looks())

    @cached_property
    def compared(self) -> list[Compared]:
        """The comparisons of the plan."""
        return compared_cells(self.plan)

    @cached_property
    def n_comparisons(self) -> int:
        """What the band of the plan holds: the score of each compared cell and, of a classification, its other measures."""
        measures = {
            cell.dataset.name: MEASURES if cell.dataset.of_task == "classification" else MEASURES[:1]
            for cell in self.plan.cells
        }
        return sum(len(measures[one.names[0]]) for one in self.compared)

    @cached_property
    def judged(self) -> dict[str, list[Judged]]:
        """What the looks found, by key of the comparison, the first look first; the same trials and margin count once."""
        found: dict[str, list[Judged]] = {}
        for look in sorted(self.stored, key=lambda look: int(look["number"])):
            for key, one in look["comparisons"].items():
                known = found.setdefault(key, [])
                if (one["data"], look["margin"]) not in {(before.data, before.margin) for before in known}:
                    judged = (one[name] for name in ("data", "n_seeds", "level", "counts", "found"))
                    known.append(Judged(look["number"], look["margin"], *judged))
        return found

    def latest(self, one: Compared) -> Judged | None:
        """What the last look at a comparison found, by the study's margin; None where there was none."""
        return next((found for found in reversed(self.judged.get(one.key, [])) if self._has_margin(found)), None)

    def _has_margin(self, found: Judged) -> bool:
        return found.margin == self.plan.study.margin

    def _looks_at(self, one: Compared) -> list[Judged]:
        """The looks at just these trials of a comparison, those by the study's margin first."""
        same = [found for found in self.judged.get(one.key, []) if found.data == one.data]
        return sorted(same, key=lambda found: not self._has_margin(found))

    @cached_property
    def known(self) -> int | None:
        """The number of the look that found just these trials; None where there was none."""
        for look in sorted(self.stored, key=lambda look: int(look["number"])):
            same = look["margin"] == self.plan.study.margin
            if same and all(look["comparisons"].get(c.key, {}).get("data") == c.data for c in self.compared):
                return int(look["number"])
        return None

    @cached_property
    def number(self) -> int:
        """The number of this look: an earlier look's, if it found just these trials; else the next number."""
        return self.known or 1 + max((int(look["number"]) for look in self.stored), default=0)

    @cached_property
    def dues(self) -> dict[CellKey, Due]:
        """What each comparison is judged by, by dataset, architecture and variant."""
        grown = any(self._before(one) for one in self.compared)
        return {one.names: self._due(one, grown=grown) for one in self.compared}

    def _before(self, one: Compared) -> list[Judged]:
        """The looks at a comparison when it had other trials, each of these once, as far as a verdict was possible."""
        others = {
            found.data: found for found in self.judged.get(one.key, []) if found.counts and found.data != one.data
        }
        return list(others.values())

    def _due(self, one: Compared, *, grown: bool) -> Due:
        if not (found := self._looks_at(one)):
            before = tuple((look.n_seeds, look.level) for look in self._before(one))
            if not before and not self.plan.until_decided:
                return Due()
            return Due(level_of(one.n_seeds, before, self.n_comparisons))
        first = found[0]
        keeps = (grown or first.level < ALPHA) and first.look < self.number and self._has_margin(first)
        return Due(first.level, first.found if keeps else {})

    def content(self, summary: pd.DataFrame) -> dict[str, Any] | None:
        """What a store is to remember of this look; None where it is remembered, or no verdict was possible."""
        rows = {tuple(row[name] for name in CELL): row for row in summary.to_dict("records")}
        looked = [(one, rows[one.names]) for one in self.compared if one.names in rows]
        if self.known or not any(_counts(row) for _, row in looked):
            return None
        comparisons = {
            one.key: {
                "names": list(one.names),
                "data": one.data,
                "n_seeds": one.n_seeds,
                "level": self.dues[one.names].level,
                "counts": _counts(row),
                "found": {name: _plain(row[name]) for name in (*KEPT, *JUDGED_BY)},
            }
            for one, row in looked
        }
        return {"number": self.number, "margin": self.plan.study.margin, "comparisons": comparisons}

    def frame(self, summary: pd.DataFrame) -> pd.DataFrame:
        """A row a look and comparison, this look's at last; no rows where this is the only look, at a fixed number of seeds.

        look, dataset, architecture, variant, n_seeds, level, verdict.
        """
        verdicts = {tuple(row[name] for name in CELL): row["verdict"] for row in summary.to_dict("records")}
        rows = []
        for one in self.compared:
            rows_of_cell = [
                (found.look, found.n_seeds, found.level, found.found["verdict"]) for found in self._before(one)
            ]
            look = next((found.look for found in self._looks_at(one)), self.number)
            rows_of_cell.append((look, one.n_seeds, self.dues[one.names].level, verdicts.get(one.names)))
            rows += [(look, *one.names, *others) for look, *others in rows_of_cell]
        frame = pd.DataFrame(rows, columns=COLUMNS).sort_values("look", kind="stable", ignore_index=True)
        only = frame["look"].nunique() < 2 and not (frame["level"] < ALPHA).any()
        return frame.head(0) if only else frame


def _group(cell: Cell) -> tuple[str, str]:
    return cell.dataset.name, cell.architecture.name


def _counts(row: Mapping[Any, Any]) -> bool:
    return bool(row["n_units"] >= row["least_n"])


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
