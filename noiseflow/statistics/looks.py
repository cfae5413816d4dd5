"""Looks at trials that grow: when the next look is due, and how much of the error of .05 each look may spend.

Whoever looks at a study, adds seeds and looks again has several chances of a false claim. So each look is judged at a level
of its own, and the levels of all looks add up to .05 at most, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from noiseflow.base.values import FIRST_LOOK
from noiseflow.statistics.inference import ALPHA
from noiseflow.statistics.pairs import CELL, MEASURES, CellKey

STEP, GROWTH = 5, 1.25
"""A look follows after STEP more seeds, or after a quarter more, whichever is later."""
SPENT_FIRST, SPENT_NEXT = 0.1, 0.9
"""The part of the error that the first look may spend; each next look's share of the one before it."""
KEPT = (
    *("difference_ci_low", "difference_ci_high", "p_adjusted", "verdict", "clear", "long_tail", "n_needed"),
    *("seeds_ci_low", "seeds_ci_high", "rows_share"),
    *(f"{measure}_{name}" for measure in MEASURES[1:] for name in ("ci_low", "ci_high", "verdict")),
)
"""Columns of the summary that a look decides on, and that stay where no trial of a comparison was added since."""


@dataclass(frozen=True)
class Due:
    """What a comparison is judged by.

    level: the error that this look at it may spend. kept: KEPT columns as an earlier look found them, where the comparison
    has the same trials still; empty where it is judged now.
    """

    level: float = ALPHA
    kept: Mapping[str, Any] = field(default_factory=dict)


def level_of(look: int) -> float:
    """The error that the look of this number, from 1 on, may spend: .005, .0045, .00405 and on, .05 together.

    References: Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70; that the levels add
    up whatever the looks have in common is Bonferroni's inequality. docs/method.md, "Looks".
    """
    return ALPHA * SPENT_FIRST * SPENT_NEXT ** (look - 1)


def next_look(n_seeds: int) -> int:
    """The seeds at the look after one at n_seeds, 0 where there was none: 10, 15, 20, 25, 31, 38, 47 and on."""
    return max(FIRST_LOOK, n_seeds + STEP, int(n_seeds * GROWTH)) if n_seeds else FIRST_LOOK


def with_kept(summary: pd.DataFrame, dues: Mapping[CellKey, Due]) -> pd.DataFrame:
    """The summary, its rows with what earlier looks found where that is kept."""
    kept = {key: due.kept for key, due in dues.items() if due.kept}
    if not kept:
        return summary
    rows = summary.to_dict("records")
    return pd.DataFrame(
        [row | dict(kept.get(tuple(row[name] for name in CELL), {})) for row in rows], columns=summary.columns
    )
