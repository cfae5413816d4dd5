"""Numbers and names as the words of a report; a row is one of the summary's, with its `score_name`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import floor, isfinite, log10, nan
from typing import Any

from noiseflow.scores import Score, score_of_column

Row = Mapping[Any, Any]

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
ADJUSTED, ALWAYS_VALID = "p (adjusted)", "p (always valid)"
IN_POINTS, IN_SCORE = "difference (points)", "difference (score)"
"""Heads of differences."""
SHORT_HEADS = {IN_POINTS: "diff.", IN_SCORE: "diff.", ADJUSTED: "p (adj.)", ALWAYS_VALID: "p (always)"}
"""Heads of columns, where there is little room."""
NARROW = 0.002
"""Width of an interval, as a fraction, that the usual decimals do not show."""


def signed(value: float, decimals: int) -> str:
    """`+3.4`, or `0.0` for what rounds to it; a dash where there is none."""
    if not isfinite(value):
        return NOTHING
    rounded = _rounded(value, decimals)
    return f"{rounded:{'+' if rounded else ''},.{decimals}f}".replace("-", MINUS)


def fraction(value: float, decimals: int = 3) -> str:
    """`.769`; a dash where there is none."""
    if not isfinite(value):
        return NOTHING
    decimals = min(decimals, places_of(abs(value))) if abs(value) >= 100 else decimals
    return bare(f"{_rounded(value, decimals):,.{decimals}f}").replace("-", MINUS)


def bare(number: str) -> str:
    """The number without a zero before its point: `.05`, `+.034`."""
    return re.sub(rf"^([-+{MINUS}]?)0\.", r"\1.", number)


def change(score: Score, value: float, decimals: int) -> str:
    """A change of the score, signed: `+3.4` in points, `+.034` where the score is not; a dash where there is none."""
    text = signed(score.scale * value, decimals)
    return text if score.in_points else bare(text)


def _rounded(value: float, decimals: int) -> float:
    """The number with so many decimals, and no minus before a zero."""
    return round(value, decimals) + 0.0


def mean_std(mean: float, std: float) -> str:
    """`.769 ± .012`, or the mean alone where there is no spread."""
    return f"{fraction(mean)} ± {fraction(std)}" if isfinite(std) else fraction(mean)


def p_value(p: float) -> str:
    """`p = .012` or `p < .001`; four decimals where three would read as .05 itself."""
    if p < 0.001:
        return "p < .001"
    digits = 4 if f"{p:.3f}" == "0.050" else 3
    return f"p = {p:.{digits}f}".replace("0.", ".", 1)


def p_text(p: float) -> str:
    """`.012` or `< .001`, for a table; a dash where there is none."""
    return p_value(p).removeprefix("p ").removeprefix("= ") if isfinite(p) else NOTHING


def score_of(row: Row) -> Score:
    """The score that a row is about."""
    return score_of_column(str(row["score_name"]))


def amount(row: Row, *, bare: bool = False) -> str:
    """The size of the row's mean difference: `3.4 points`, or `.034 of R²`; `bare` where the score was just named: `.034`."""
    size, score = abs(row["difference_mean"]), score_of(row)
    if score.in_points:
        return f"{score.scale * size:.{decimals(row)}f} points"
    return fraction(size, decimals(row)) if bare else f"{fraction(size, decimals(row))} {score.unit}"


def difference(row: Row) -> str:
    """`+3.4`, or `+.034` where it is not in points; a dash where there is none."""
    return change(score_of(row), row["difference_mean"], decimals(row))


def decimals(row: Row) -> int:
    """Decimals of the row's difference, one more than usual where those would mislead (`decimals_for`)."""
    if score_of(row).in_target_units:  # of any size
        sizes = [abs(row[f"difference_{end}"]) for end in ("mean", "ci_low", "ci_high")]
        places = places_of(max((size for size in sizes if isfinite(size)), default=0.0))
        return places + any(reads_as_zero(row[f"difference_ci_{end}"], places) for end in ("low", "high"))
    score, ends = score_of(row), (row["difference_ci_low"], row["difference_ci_high"])
    return decimals_for(*ends, row.get("margin", nan), score.scale, score.decimals)


def decimals_for(low: float, high: float, margin: float, scale: float, usual: int) -> int:
    """The usual decimals of an interval; one more where it is so narrow, or an end so near 0 or the margin, that they mislead.

    Args:
        low, high, margin: before they are multiplied by `scale` to be shown.
    """
    reads_as_margin = any(round(scale * abs(end), usual) == scale * margin != scale * abs(end) for end in (low, high))
    hides_sign = any(reads_as_zero(scale * end, usual) for end in (low, high))
    return usual + bool(high - low < NARROW or reads_as_margin or hides_sign)


def reads_as_zero(value: float, places: int) -> bool:
    """Whether so many decimals show a number as 0 that one decimal more shows above or below it."""
    return round(value, places) == 0 != round(value, places + 1)


def places_of(size: float, most: int = 4) -> int:
    """Decimals that show three digits of a number of this size."""
    return min(most, max(0, 2 - floor(log10(size)))) if size else 3


def margin(row: Row, value: float) -> str:
    """`± 1 point`, or `± .01 of R²`."""
    score = score_of(row)
    if not score.in_points:
        return f"± {bare(f'{value:g}')} {score.unit}"
    return f"± {score.scale * value:g} point{'' if value == 0.01 else 's'}"


def difference_interval(row: Row, *, as_size: bool = False) -> str:
    """`2.8 to 4.0`, in points where the score is; `as_size` turns an interval of losses into one of their sizes."""
    low, high = difference_ends(row)
    if as_size and high <= 0:
        low, high = -high, -low
    places = decimals(row)
    if score_of(row).in_points:
        return " to ".join(f"{_rounded(100 * end, places):.{places}f}" for end in (low, high)).replace("-", MINUS)
    return f"{fraction(low, places)} to {fraction(high, places)}"


def difference_ends(row: Row) -> tuple[float, float]:
    """The interval of the row's difference cut at ± 100 points: with two seeds it may reach beyond."""
    low, high = float(row["difference_ci_low"]), float(row["difference_ci_high"])
    return (max(low, -1.0), min(high, 1.0)) if score_of(row).in_points and isfinite(low) else (low, high)


def listed(names: Iterable[str], most: int = 6, last: str = "and") -> str:
    """`a, b and c`; beyond `most` the rest is counted."""
    shown = list(names)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(shown) - most + 1} more"]
    return "".join(shown) if len(shown) < 2 else f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def number(n: int, noun: str) -> str:
    """`1 seed`, `1,200 seeds`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def quoted(name: str) -> str:
    """The name in quotes for a sentence, where a plain `input` would read as a word."""
    return f"\N{LEFT SINGLE QUOTATION MARK}{name}\N{RIGHT SINGLE QUOTATION MARK}"
