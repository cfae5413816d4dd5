"""Tables: of texts for the page, of plain values for Prefect and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, nan

import numpy as np
import pandas as pd

from noiseflow.report.evidence import telling_names
from noiseflow.report.selection import clearest
from noiseflow.scores import score_of_column
from noiseflow.statistics.effects import EFFECTS, Effect
from noiseflow.wording import (
    ADJUSTED,
    ALWAYS_VALID,
    NOTHING,
    Row,
    bare,
    change,
    decimals,
    difference,
    difference_ends,
    difference_interval,
    fraction,
    p_text,
    places_of,
    reads_as_zero,
    score_of,
    signed,
)

Columns = Mapping[str, Callable[[Row], str]]
"""Header -> the text of a row."""
Plain = str | float | int | None
SCORES = ("score_mean", "score_std")
DIFFERENCES = ("difference_mean", "difference_ci_low", "difference_ci_high")
MOST_PLAIN_ROWS = 500  # of the summary as plain values: an artifact of them stays below 1 MB


@dataclass(frozen=True)
class Table:
    """Header and rows of texts: `n_names` columns name the row, the first `n_left` are words, the rest numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_names: int
    n_left: int


def difference_heads(unit: str = "", p: str = ADJUSTED) -> Columns:
    """Verdict, difference, interval, p, d_z and P(better) of a comparison."""
    return {
        "Verdict": verdict,
        f"Difference{unit}": difference,
        "95 % interval": interval,
        p: lambda row: p_text(row["p_adjusted"]),
        **{effect.head: partial(_effect, effect) for effect in EFFECTS},
    }


def _effect(effect: Effect, row: Row) -> str:
    value = row[effect.column]
    if effect.form == "share":
        return percent(value)
    return change(score_of(row), value, decimals(row)) if effect.in_units_of_score else bare(signed(value, 2))


def verdict(row: Row) -> str:
    """The row's verdict; in brackets what a reader would miss in the word."""
    if not isinstance(row["verdict"], str):
        return NOTHING
    if row["verdict"] == "equivalent" and row.get("clear"):
        return "equivalent (clear, below the margin)"
    if row["verdict"] == "inconclusive" and row.get("long_tail"):
        return "inconclusive (a few seeds decide it)"
    return str(row["verdict"])


def over_seeds(row: Row) -> str:
    """The interval of the row's difference on the rows that are there; a dash where the data is not one fixed set of rows."""
    seeds = {name: row.get(f"seeds_{name}", nan) for name in ("ci_low", "ci_high")}
    on_these_rows = {**row, "difference_ci_low": seeds["ci_low"], "difference_ci_high": seeds["ci_high"]}
    return difference_interval(on_these_rows) if isfinite(seeds["ci_low"]) else NOTHING


def interval(row: Row) -> str:
    """The interval of the row's difference; a dash where there is none."""
    return difference_interval(row) if isfinite(row["difference_ci_low"]) else NOTHING


def percent(share: float) -> str:
    """`63 %`; a dash where there is none."""
    return f"{100 * share:.0f} %" if isfinite(share) else NOTHING


def interval_of_fractions(low: float, high: float) -> str:
    """`.745 to .801`; a dash where there is none."""
    return f"{fraction(low)} to {fraction(high)}" if isfinite(low) else NOTHING


def summary_table(summary: pd.DataFrame) -> list[dict[str, Plain]]:
    """The summary, or the answer, as plain rounded values for a Prefect table artifact and the terminal; None for nothing.

    Of more than MOST_PLAIN_ROWS the rows with the clearest differences.

    Scores are fractions (or R²), differences percentage points where every score is an accuracy. Dataset and
    architecture are there only where there are several.
    """
    names, points = [*telling_names(summary), "variant"], all_in_points(summary)
    p = ALWAYS_VALID if summary["fixed_ci_low"].notna().any() else ADJUSTED
    of_score, of_difference = (3, 2) if points else (_places(summary, SCORES), _places(summary, DIFFERENCES))
    ends = summary[[*DIFFERENCES[1:]]].to_numpy(float).ravel() * (100.0 if points else 1.0)
    places = of_score, of_difference + any(reads_as_zero(end, of_difference) for end in ends)
    return [
        {**{name: row[name] for name in names}, **_values(row, p, places, points=points)}
        for row in clearest(summary, MOST_PLAIN_ROWS).to_dict("records")
    ]


def _places(summary: pd.DataFrame, columns: Sequence[str]) -> int:
    """Decimals that show three digits of the largest of these values."""
    return places_of(float(np.nan_to_num(summary[[*columns]].abs().to_numpy(float)).max(initial=0.0)))


def all_in_points(summary: pd.DataFrame) -> bool:
    """Whether all differences are in points."""
    return all(score_of_column(name).in_points for name in summary["score_name"].unique())


def _values(row: Row, p: str, places: tuple[int, int], *, points: bool) -> dict[str, Plain]:
    """A row, with so many decimals of scores and of differences: those that are shown, so that nothing is rounded twice."""
    scale, unit = (100.0, "points") if points else (1.0, "score")
    low, high = difference_ends(row)
    of_score, of_difference = places
    return {
        "verdict": row["verdict"] if isinstance(row["verdict"], str) else None,
        "strength": _rounded(row["strength"], 4),
        "seeds": int(row["n_seeds"]),
        "diverged": int(row["n_diverged"]),
        "train": _rounded(row["train_score_mean"], of_score),
        "score": _rounded(row["score_mean"], of_score),
        "std": _rounded(row["score_std"], of_score),
        f"difference ({unit})": _rounded(scale * row["difference_mean"], of_difference),
        "low": _rounded(scale * low, of_difference),
        "high": _rounded(scale * high, of_difference),
        p: _rounded(row["p_adjusted"], 5),
        **{effect.head: _plain(effect, row, scale) for effect in EFFECTS},
    }


def _plain(effect: Effect, row: Row, scale: float) -> float | None:
    return _rounded(row[effect.column] * (scale if effect.in_units_of_score else 1), effect.decimals)


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if isfinite(value) else None
