"""Numbers and names as the words of a report; a row is one of the summary's, with its `score_name`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

Row = Mapping[Any, Any]

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SCORE_NAMES = {
    "accuracy": "test accuracy",
    "balanced_accuracy": "balanced test accuracy",
    "auc": "test AUC",
    "-log_loss": "test log likelihood",
    "r2": "test R²",
    "-rmse": "negative test RMSE",
}
UNITS = {
    "auc": "of AUC",
    "-log_loss": "nats",
    "r2": "of R²",
    "-rmse": "units of the target",
}
"""What a difference is told in where it is not points."""
NARROW = 0.002
"""Width of an interval, as a fraction, of which the usual decimals show nothing."""


def signed(value: float, decimals: int) -> str:
    """`+3.4`; a dash where there is none."""
    return f"{_rounded(value, decimals):+.{decimals}f}".replace("-", MINUS) if isfinite(value) else NOTHING


def fraction(value: float, decimals: int = 3) -> str:
    """`.769`; a dash where there is none."""
    if not isfinite(value):
        return NOTHING
    return re.sub(r"^(-?)0\.", r"\1.", f"{_rounded(value, decimals):.{decimals}f}").replace("-", MINUS)


def _rounded(value: float, decimals: int) -> float:
    """So many decimals, and no minus before a zero."""
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


def is_accuracy(row: Row) -> bool:
    """True if differences of the row are told in points."""
    return row["score_name"] in ("accuracy", "balanced_accuracy")


def score_name(row: Row) -> str:
    """`test accuracy`."""
    return SCORE_NAMES.get(str(row["score_name"]), str(row["score_name"]))


def unit(row: Row) -> str:
    """`of R²`."""
    return UNITS.get(str(row["score_name"]), "")


def amount(row: Row, *, bare: bool = False) -> str:
    """The size of the row's mean difference: `3.4 points`, or `.034 of R²`; `bare` where the score was just named: `.034`."""
    size = abs(row["difference_mean"])
    if is_accuracy(row):
        return f"{100 * size:.{decimals(row)}f} points"
    return fraction(size, decimals(row)) if bare else f"{fraction(size, decimals(row))} {unit(row)}"


def difference(row: Row) -> str:
    """`+3.4`, in points for an accuracy, else `+0.034`; a dash where there is none."""
    return signed((100 if is_accuracy(row) else 1) * row["difference_mean"], decimals(row))


def decimals(row: Row) -> int:
    """Those that the row's difference is told with: one more than usual where its interval would not show its width."""
    usual = 1 if is_accuracy(row) else 3
    return usual + bool(row["difference_ci_high"] - row["difference_ci_low"] < NARROW)


def margin(row: Row, value: float) -> str:
    """`± 1 point`, or `± 0.01 of R²`."""
    if not is_accuracy(row):
        return f"± {value:g} {unit(row)}"
    return f"± {100 * value:g} point{'' if value == 0.01 else 's'}"


def difference_interval(row: Row, *, as_size: bool = False) -> str:
    """`2.8 to 4.0`, in points for an accuracy; `as_size` turns an interval of losses into one of their sizes."""
    low, high = float(row["difference_ci_low"]), float(row["difference_ci_high"])
    if as_size and high <= 0:
        low, high = -high, -low
    places = decimals(row)
    if is_accuracy(row):
        return " to ".join(f"{_rounded(100 * end, places):.{places}f}" for end in (low, high)).replace("-", MINUS)
    return f"{fraction(low, places)} to {fraction(high, places)}"


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
    """The name as it stands in a sentence, where a plain `input` would read as a word."""
    return f"\N{LEFT SINGLE QUOTATION MARK}{name}\N{RIGHT SINGLE QUOTATION MARK}"
