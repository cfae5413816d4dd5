"""What a law is made of: its figures, and how far chance and rounding may take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from noiseflow.engine.result import SeedsFit

Array = NDArray[np.float64]
Train = Callable[..., SeedsFit]
"""`fit_seeds` of the engine to be checked, its seeds chosen; a law gives the rest."""

STANDARD_ERRORS = 5.0
"""How many standard errors a figure may be off: by chance, one correct figure in 1.7 million is further off."""
CHANCE = float(stats.norm.sf(STANDARD_ERRORS))
"""The chance of either tail that the tolerances leave."""


@dataclass(frozen=True)
class Law:
    """A law of noise; each has its own file, which ends in `LAW = Law(…)`, and a line in `LAWS`.

    The file has the name of the law, with `_` for blanks. `draws.py` shows the single numbers that an engine draws. The table
    of the laws is in docs/method.md, "The laws of noise".

    Attributes:
        name: as `noiseflow check` shows it.
        figures: trains a small model and gives what came of it.
        finds_wrong_stddev: whether noise that is dropped, too small or too large breaks it.
    """

    name: str
    figures: Callable[[Train], list[Figure]]
    finds_wrong_stddev: bool


@dataclass(frozen=True)
class Figure:
    """One figure of a law: what mathematics expects, and what an engine did.

    Attributes:
        tolerance: what Monte-Carlo error and rounding explain.
        statement: the law in a line.
        reference: where it is shown.
    """

    name: str
    statement: str
    reference: str
    expected: float
    measured: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the measured figure is as expected; one that is not finite is not."""
        return abs(self.measured - self.expected) <= self.tolerance


def chance_of_mean(draws: Array) -> float:
    """Monte-Carlo tolerance of the mean of independent draws (any shape), from their own spread.

    STANDARD_ERRORS of them where the draws are many; where they are few, as many as Student's t needs to leave CHANCE.
    """
    standard_error = draws.std(ddof=1) / np.sqrt(draws.size)
    return float(stats.t.isf(CHANCE, draws.size - 1) * standard_error)


def rounding(magnitude: float, n_terms: int) -> float:
    """Rounding allowance of a sum of n terms: n roundings walk sqrt(n) units in the last place; STANDARD_ERRORS of that."""
    return float(STANDARD_ERRORS * np.sqrt(n_terms) * np.finfo(keras.config.floatx()).eps * magnitude)


def mean_figure(draws: ArrayLike, expected: ArrayLike, n_terms: int, **words: Any) -> Figure:
    """The figure that independent draws have the means `expected`, compared as one mean over all of them.

    Args:
        draws: (n_seeds, ...), each itself a mean of n_terms numbers.
        expected: broadcasts to draws.
        words: name, statement and reference.
    """
    values = np.asarray(draws, np.float64)
    means = np.broadcast_to(expected, values.shape)
    tolerance = chance_of_mean(values - means) + rounding(float(np.abs(means).mean()), n_terms)
    return Figure(**words, expected=float(means.mean()), measured=float(values.mean()), tolerance=tolerance)


def equality_figure(pairs: list[tuple[Array, Array]], **words: Any) -> Figure:
    """The figure that two arrays are the same, bit for bit: none of their numbers differs."""
    differing = sum(int((np.asarray(one) != np.asarray(other)).sum()) for one, other in pairs)
    return Figure(**words, expected=0.0, measured=float(differing), tolerance=0.0)


def float64(*arrays: Any) -> tuple[Array, ...]:
    """The arrays in double precision, in which the closed forms are computed."""
    return tuple(np.asarray(array, np.float64) for array in arrays)
