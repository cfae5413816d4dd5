"""Looks at trials that grow: when the next look is due, and the level that each look is judged at.

Whoever looks at a study, adds seeds and looks again has several chances of a false claim. So each look is judged at its own
level, chosen so that a false claim at any look of all has a chance of .05, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import pi, sqrt
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from noiseflow.base.values import FIRST_LOOK
from noiseflow.statistics.inference import ALPHA, Array
from noiseflow.statistics.pairs import CELL, MEASURES, CellKey

STEP, GROWTH = 5, 1.25
"""A look follows after STEP more seeds, or after a quarter more, whichever is later."""
SPENT_NEXT = 0.9
"""A look's error as a share of the error of the look before it; the first look may spend a tenth of the error."""
MAX_CORRELATION = 0.995
"""Of the means of two looks: a higher one is taken as this, which the nodes can resolve and which is on the safe side."""
MIN_SPENT = 1e-12
"""What a look may spend at least, where those before it have spent more than their share."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(160)
KEPT = (
    *("difference_ci_low", "difference_ci_high", "p_adjusted", "verdict", "clear", "long_tail", "n_needed"),
    *("seeds_ci_low", "seeds_ci_high", "rows_share"),
    *(f"{measure}_{name}" for measure in MEASURES[1:] for name in ("ci_low", "ci_high", "verdict", "long_tail")),
)
"""Columns of the summary that a look decides; they stay until a trial of the comparison is added."""
JUDGED_BY = ("difference_mean", "survivors_only", "n_failed", "n_broken", "n_units", "least_n")
"""What the verdict on a family takes besides (`at_any_strength`); looks of before 2026-11-30 lack it."""


@dataclass(frozen=True)
class Due:
    """What a comparison is judged by.

    level: of its part of the band at this look. kept: KEPT columns as an earlier look found them, where the comparison
    has the same trials still; empty where it is judged now.
    """

    level: float = ALPHA
    kept: Mapping[str, Any] = field(default_factory=dict)


def spent_by(look: int) -> float:
    """The chance of a false claim at the look of this number, from 1 on, or at one before it: .005, .0095, .01355, … .05."""
    return float(ALPHA * (1 - SPENT_NEXT**look))


@lru_cache(maxsize=1024)
def level_of(n_seeds: int, before: tuple[tuple[int, float], ...], n_comparisons: int) -> float:
    """The level of a look, after which the chance of a false claim at any look so far is what `spent_by` says.

    Looks at trials that grow share most of them, so what is not claimed at one look is hardly claimed at the next: the levels
    of all looks add up to more than .05, and the chance of any false claim does not. It is computed for means of independent
    normal differences, and for independent comparisons, any of which may be claimed; where they depend on each other
    depend, the band uses it, and the chance is smaller.

    Args:
        n_seeds: at this look.
        before: n_seeds and level of each look before it. A look with the whole .05 was the only look
            at a fixed number of seeds: its error is apart, and it counts here with the level of a first look.
        n_comparisons: that the band holds.

    References: Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70; Armitage, McPherson
    and Rowe (1969), Repeated significance tests on accumulating data, JRSS A 132 (how it is computed); docs/method.md,
    "Looks".
    """
    paths = _paths(before, n_comparisons)
    left = _of_one(spent_by(len(before) + 1), n_comparisons) - paths.claimed
    limit = optimize.brentq(lambda size: paths.beyond(size, n_seeds) - max(left, MIN_SPENT), 0.0, 30.0)
    return float(1 - (1 - 2 * stats.norm.sf(limit)) ** n_comparisons)


@dataclass(frozen=True)
class _Paths:
    """How the mean of one comparison, over its standard error, may have come by the looks so far without a claim.

    claimed: the chance of a claim at one of them. n_seeds: at the last one, 0 before the first. nodes, masses: (160,), where
    it is now, and the chance that it is there; the nodes of Gauss and Legendre between the limits of the last look.
    """

    claimed: float = 0.0
    n_seeds: int = 0
    nodes: Array = field(default_factory=lambda: np.zeros(1))
    masses: Array = field(default_factory=lambda: np.ones(1))

    def _step(self, n_seeds: int) -> tuple[Array, float]:
        """Mean (of each node) and standard deviation of where the next look finds it."""
        few, many = sorted((self.n_seeds, n_seeds))
        alike = min(sqrt(few / many), MAX_CORRELATION)
        return alike * self.nodes, sqrt(1 - alike**2)

    def beyond(self, size: float, n_seeds: int) -> float:
        """The chance of a claim at the next look, if one takes a |z| of this size."""
        mean, std = self._step(n_seeds)
        return float(self.masses @ (special.ndtr((mean - size) / std) + special.ndtr((-mean - size) / std)))

    def after(self, size: float, n_seeds: int) -> _Paths:
        """The same after a look at which a claim took a |z| of this size."""
        mean, std = self._step(n_seeds)
        nodes, weights = size * NODES, size * WEIGHTS
        density = np.exp(-(((nodes[:, np.newaxis] - mean) / std) ** 2) / 2) / (std * sqrt(2 * pi))
        return _Paths(self.claimed + self.beyond(size, n_seeds), n_seeds, nodes, density @ self.masses * weights)


@lru_cache(maxsize=1024)
def _paths(looks: tuple[tuple[int, float], ...], n_comparisons: int) -> _Paths:
    if not looks:
        return _Paths()
    n_seeds, level = looks[-1]
    size = float(stats.norm.isf(_of_one(level if level < ALPHA else spent_by(1), n_comparisons) / 2))
    return _paths(looks[:-1], n_comparisons).after(size, n_seeds)


def _of_one(level: float, n_comparisons: int) -> float:
    """The chance of each independent comparison, if the chance of any is the level (Šidák, 1967)."""
    return float(1 - (1 - level) ** (1 / n_comparisons))


def next_look(n_seeds: int) -> int:
    """The seeds at the look after one at n_seeds, 0 where there was none: 10, 15, 20, 25, 31, 38, 47 and on."""
    return max(FIRST_LOOK, n_seeds + STEP, int(n_seeds * GROWTH)) if n_seeds else FIRST_LOOK


def with_kept(summary: pd.DataFrame, dues: Mapping[CellKey, Due]) -> pd.DataFrame:
    """The summary, with the results of earlier looks where these are kept."""
    kept = {key: due.kept for key, due in dues.items() if due.kept}
    if not kept:
        return summary
    rows = summary.to_dict("records")
    return pd.DataFrame(
        [row | dict(kept.get(tuple(row[name] for name in CELL), {})) for row in rows], columns=summary.columns
    )
