"""How long a study may go on adding seeds: until its variants are decided, within a budget and a number of seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal

from noiseflow.base.values import BASELINE, FIRST_LOOK
from noiseflow.study import Study

UntilWhen = Literal["decided"]
MOST_SEEDS = 300
"""Seeds of a cell after which it stays open, unless another number is asked for."""
LARGEST = 10_000
SECONDS = {"s": 1, "m": 60, "h": 3600}
TIME = r"^[1-9]\d{0,6}[smh]$"
"""How a budget is written: 90s, 20m, 2h."""
TIME_IN_WORDS = "a whole number and one unit, s, m or h, such as 90s, 20m or 2h (1h30m is 90m)"


@dataclass(frozen=True)
class Until:
    """What a run is asked for, as it was typed.

    Attributes:
        until: decided; None for a run with a fixed number of seeds.
        budget: time such as 90s, 20m or 2h, after which no further seeds are begun.
        max_seeds: of each cell.
    """

    until: UntilWhen | None = None
    budget: str | None = None
    max_seeds: int | None = None

    @property
    def seconds(self) -> float:
        """The budget in seconds; infinite without one."""
        return inf if self.budget is None else int(self.budget[:-1]) * SECONDS[self.budget[-1]]

    @property
    def most(self) -> int:
        """Seeds of a cell at most."""
        return self.max_seeds or MOST_SEEDS

    def faults(self, study: Study | None, n_seeds: int | None = None, campaign: str | None = None) -> list[str]:
        """What keeps a study from being trained so, as sentences.

        Args:
            study: None where it is not valid itself.
            n_seeds, campaign: as they were asked for beside.
        """
        return list(self._faults(study, n_seeds, campaign))

    def _faults(self, study: Study | None, n_seeds: int | None, campaign: str | None) -> Iterator[str]:
        if self.until is None:
            if self.budget is not None or self.max_seeds is not None:
                yield "budget and max_seeds limit a run until its variants are decided. Add --until decided, or drop them."
            return
        if self.until != "decided":
            yield f"until must be 'decided'; received {self.until!r}. Change it."
        if self.budget is not None and not re.fullmatch(TIME, self.budget):
            yield f"budget must be {TIME_IN_WORDS}; received {self.budget!r}. Change it."
        if self.max_seeds is not None and not FIRST_LOOK <= self.max_seeds <= LARGEST:
            yield f"max_seeds must lie in [{FIRST_LOOK}, {LARGEST:,}]; received {self.max_seeds}. Change it."
        if n_seeds is not None:
            yield f"until decides how many seeds there are; received n_seeds {n_seeds} too. Use --max-seeds instead."
        if campaign is not None:
            yield "campaigns have a fixed number of fresh seeds, and intervals that allow for every look. Drop until."
        if study is not None and study.design == "crossed":
            yield "until needs seeds that do not share their data seeds; received the design crossed. Change the design."
        if study is not None and all(variant.name == BASELINE for variant in study.variants):
            yield "until needs a variant that is to be decided; received a baseline only. Add a variant."
