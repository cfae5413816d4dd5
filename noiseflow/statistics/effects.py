"""What is computed of the differences of pairs beside their mean: each a column of the summary and of the page's tables.

To add one: its line in EFFECTS, its section in docs/method.md, and its worked example in tests/statistics/test_effects.py.
The summary, families, rivals, campaigns and the report take it from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from noiseflow.statistics.inference import Array, cohen_dz, probability_better


@dataclass(frozen=True)
class Effect:
    """A number of the differences of a comparison.

    Attributes:
        column: its name in the summary.
        of: from differences, (..., n_pairs), n_pairs at least 1, to the numbers, (...).
        in_units_of_score: whether it is as many times as large where the differences are; else it has no unit.
        head: its name in tables.
        meaning: a sentence that explains the head.
        form: how tables show it.
        decimals: those of the plain value.
    """

    column: str
    of: Callable[[Array], Array]
    in_units_of_score: bool
    head: str
    meaning: str
    form: Literal["signed", "share"]
    decimals: int


EFFECTS: tuple[Effect, ...] = (
    Effect(
        column="effect_size",
        of=cohen_dz,
        in_units_of_score=False,
        head="d_z",
        meaning="The mean difference over its standard deviation between pairs: 0.2 is small, 0.8 is large.",
        form="signed",
        decimals=2,
    ),
    Effect(
        column="prob_better",
        of=probability_better,
        in_units_of_score=False,
        head="P(better)",
        meaning="The share of seeds on which the variant scores higher; ties count half.",
        form="share",
        decimals=3,
    ),
)
EFFECT_COLUMNS = tuple(effect.column for effect in EFFECTS)
EFFECT_HEADS = tuple(effect.head for effect in EFFECTS)


def effects_of(differences: Array) -> dict[str, Array]:
    """Column -> numbers, (...,), of differences, (..., n_pairs)."""
    return {effect.column: effect.of(differences) for effect in EFFECTS}
