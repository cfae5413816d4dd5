"""Seeds in waves: after each the variants that are decided stop, and the others go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.families import at_any_strength
from noiseflow.statistics.looks import JUDGED_BY, next_look
from noiseflow.statistics.pairs import CellKey
from noiseflow.study.until import Until
from noiseflow.trials.looks import Compared, Judged, Looks

HOPELESS = 0.9
"""Share of the rows in the variance of a mean above which seeds without end would make its interval 5 % narrower at most."""
Counts = Mapping[CellKey, int]
"""Dataset, architecture and variant to the number of seeds."""


@dataclass(frozen=True)
class Family:
    """The comparisons of a variant with its strengths, which stop together, and what the last look found of each."""

    members: list[Compared]
    found: list[Judged | None]
    margin: float

    @property
    def n_seeds(self) -> int:
        """Seeds that the last look was at; 0 where there was none."""
        return max((one.n_seeds for one in self.found if one), default=0)

    @property
    def is_open(self) -> bool:
        """Whether further seeds may decide it."""
        judged = [one.found for one in self.found if one and one.n_seeds == self.n_seeds]
        if len(judged) < len(self.members):
            return True
        return self._verdict(judged) == "inconclusive" and not all(map(rows_leave_open, judged))

    def _verdict(self, judged: list[Mapping[Any, Any]]) -> str:
        """The verdict of the report. Where looks do not remember enough for it, one that stays open where one strength does."""
        if len(judged) > 1 and all(name in one for one in judged for name in JUDGED_BY):
            return str(at_any_strength(pd.DataFrame(judged), self.margin)["verdict"])
        verdicts = [one["verdict"] for one in judged]
        return "better" if "better" in verdicts else max(verdicts, key=lambda verdict: verdict == "inconclusive")


def rows_leave_open(found: Mapping[Any, Any]) -> bool:
    """Whether seeds without end would hardly decide what a row of the summary says: the test rows would have to be more."""
    share = found.get("rows_share", nan)
    return bool(isfinite(share) and share > HOPELESS)


def families(looks: Looks) -> list[Family]:
    """The families of a plan, in its order."""
    members: dict[tuple[str, str, str], list[Compared]] = {}
    for one in looks.compared:
        members.setdefault((*one.names[:2], one.family), []).append(one)
    margin = looks.plan.study.margin
    return [Family(those, [looks.latest(one) for one in those], margin) for those in members.values()]


def counts_now(looks: Looks) -> Counts:
    """The seeds of each cell as the last looks were at them; a baseline has as many as the largest of its variants."""
    return _with_baselines({one.names: family.n_seeds for family in families(looks) for one in family.members})


def counts_next(looks: Looks, most: int) -> Counts | None:
    """The seeds of each cell in the next wave; None where nothing is open, or what is has as many as it may.

    Args:
        most: seeds of a cell.
    """
    found = families(looks)
    going_on = [family for family in found if family.is_open and family.n_seeds < most]
    if not going_on:
        return None
    target = min(next_look(max(family.n_seeds for family in going_on)), most)
    numbers = {id(family): target if family in going_on else family.n_seeds for family in found}
    return _with_baselines({one.names: numbers[id(family)] for family in found for one in family.members})


def _with_baselines(counts: dict[CellKey, int]) -> Counts:
    baselines: dict[CellKey, int] = {}
    for (dataset, architecture, _), n_seeds in counts.items():
        key = dataset, architecture, BASELINE
        baselines[key] = max(n_seeds, baselines.get(key, 0))
    return counts | baselines


@dataclass
class Budget:
    """The time that a run may take: no wave begins that would hardly end in it."""

    until: Until
    now: Callable[[], float] = time.monotonic
    trained: int = 0

    def __post_init__(self) -> None:
        self.began = self.now()

    def allows(self, n_trials: int) -> bool:
        """Whether so many further trials fit in, if they take as long as those before."""
        spent = self.now() - self.began
        expected = spent / self.trained * n_trials if self.trained else 0.0
        return spent + expected <= self.until.seconds
