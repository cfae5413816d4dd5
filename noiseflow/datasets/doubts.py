"""What may be wrong with a column though it can be read: each doubt is a sentence of `init`, `plan` and the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.base.faults import some_of
from noiseflow.datasets.columns import column_kind, is_counter, numbers, texts
from noiseflow.datasets.guesses import Guess, begin_with_digits, word_set, words_of
from noiseflow.datasets.number_text import MISSING_WORDS, parse

_SENTINELS = (-1.0, *(sign * float("9" * n) for n in range(1, 7) for sign in (1, -1)))
_NOMINAL = word_set(
    "race ethnicity ethnic religion sex gender region zip zipcode postcode postal plz marital occupation industry sector "
    "category type class kind species colour color treatment arm diagnosis icd language nationality major party"
)
_TESTS = word_set("train training test testing val valid validation holdout dev eval evaluation")
_ROLES = word_set("fold folds cv weight weights wt wgt istest istrain split")
_TOTALS = word_set("total totals sum overall mean average subtotal gesamt summe")
_SAME = frozenset(
    map(
        frozenset,
        [("y", "yes"), ("n", "no"), ("t", "true"), ("f", "false"), ("m", "male"), ("f", "female"), ("j", "ja")],
    )
)
_MOST_LEVELS = 1_000
_LEAST_ROWS = 10


@dataclass(frozen=True)
class Doubt:
    """A kind of doubt.

    Attributes:
        of: the detail that is shown after a column's name, empty for none; None where there is no doubt.
        what, advice: sentences before and after the columns.
    """

    of: Callable[[pd.Series[Any], Guess], str | None]
    what: str
    advice: str


def doubts(columns: Iterable[pd.Series[Any]], guesses: Mapping[str, Guess]) -> list[str]:
    """A sentence for each kind of doubt, with the columns that it is about.

    Args:
        columns: features and targets as they are used.
        guesses: of the features, by name; a target needs none.
    """
    found: dict[Doubt, list[str]] = {}
    for column in columns:
        guess = guesses.get(str(column.name), Guess("category"))
        if column_kind(column) == "number" and np.isinf(numbers(column)).any():
            continue  # refused elsewhere
        for doubt in DOUBTS:
            if (detail := doubt.of(column, guess)) is not None:
                found.setdefault(doubt, []).append(f"{str(column.name)!r}{detail and f' ({detail})'}")
                break
    return [f"{doubt.what}: {some_of(names)}. {doubt.advice}" for doubt, names in found.items()]


def _sentinel(column: pd.Series[Any], _: Guess) -> str | None:
    """A number of nines, or -1, that several rows have and that lies farther from the others than these do."""
    if column_kind(column) != "number":
        return None
    values = numbers(column.dropna())
    for value in sorted({values.min(), values.max()} & {*_SENTINELS}) if len(values) else ():
        kin = (
            (value, value * 8 / 9, value * 7 / 9, value - 1, value - 2) if value > 9 else (value,)
        )  # 99 beside 88 and 98
        others, n = values[~np.isin(values, kin)], int((values == value).sum())
        if n < 2 or len(np.unique(others)) < 2 or (value == -1 and others.min() < 0):
            continue
        gap, spread = np.abs(others - value).min(), np.ptp(others)
        if gap > spread or (value == -1 and spread > 10 and n < len(values) / 2) or (value < -1 and others.min() >= 0):
            return f"{value:g} in {n:,} rows"
    return None


def _code(column: pd.Series[Any], guess: Guess) -> str | None:
    if guess.kind != "number" or column_kind(column) != "number" or not words_of(column.name) & _NOMINAL:
        return None
    values = numbers(column.dropna())
    n = len(np.unique(values))
    return f"{n:,} whole numbers" if n > 2 and not (values % 1).any() else None


def _numbering(column: pd.Series[Any], guess: Guess) -> str | None:
    """Numbers in equal steps, or each of as many whole numbers as there are rows once, in any order."""
    if guess.kind != "number" or column_kind(column) != "number" or len(column) < _LEAST_ROWS or is_counter(column):
        return None
    values = numbers(column)
    steps = np.diff(values)
    if steps.all() and np.ptp(steps) <= 1e-3 * np.abs(steps).max():
        return "in equal steps"
    is_whole = np.ptp(values) == len(values) - 1 and len(np.unique(values)) == len(values)
    return "without a gap or a repetition" if is_whole else None


def _blocks(column: pd.Series[Any], guess: Guess) -> str | None:
    """Whole numbers that count blocks of rows: 1, 1, 1, 2, 2, 2 and so on."""
    if guess.kind != "number" or not guess.sure or column_kind(column) != "number" or column.isna().any():
        return None
    values = numbers(column)
    starts = np.flatnonzero(np.diff(values, prepend=np.nan))
    steps, n = np.diff(values[starts]), len(starts)
    is_block = 8 <= n <= len(values) / 2 and bool((steps == 1).all()) and not (values % 1).any()
    return f"{n:,} blocks of rows" if is_block else None


def _role(column: pd.Series[Any], guess: Guess) -> str | None:
    words = {re.sub(r"[^a-z]", "", str(column.name).lower())} | {w for w in words_of(column.name) if len(w) > 1}
    if guess.kind not in ("number", "category"):
        return None
    if column_kind(column) == "category":
        levels = {text.strip().lower() for text in texts(column.dropna()).unique()[:9]}
        return "" if len(levels) > 1 and levels <= _TESTS else None
    is_weight = bool(words & {"weight", "weights", "wt", "wgt"})
    return "" if words & _ROLES and (not is_weight or words & {"sample", "survey", "case", "samp", "freq"}) else None


def _units(column: pd.Series[Any], guess: Guess) -> str | None:
    """Texts that nearly all begin with a digit, but are no numbers of one unit."""
    if guess.kind != "category" or column_kind(column) != "category":
        return None
    levels = [text.strip() for text in texts(column.dropna()).unique()[:_MOST_LEVELS]]
    return f"such as {levels[0]!r}" if len(levels) >= _LEAST_ROWS and begin_with_digits(levels) else None


def _words(column: pd.Series[Any], guess: Guess) -> str | None:
    if guess.kind not in ("category", "group") or column_kind(column) != "category":
        return None
    levels = texts(column.dropna()).value_counts()
    levels = levels[:_MOST_LEVELS]
    words = [str(text) for text in levels.index if str(text).strip().lower() in MISSING_WORDS - {"nd", "na", "nil"}]
    others = [str(text) for text in levels.index if text not in words]
    if not words and len(others) > 2 and 1 < len(others) - 1 == len((p := parse([o.strip() for o in others])).numbers):
        words = [
            text
            for text in p.odd
            if not any(c.isdigit() for c in text)
            and text.lower() not in ("true", "false")
            and 1 < levels.get(text, 0) < len(column) / 2
        ]
    return f"{words[0]!r} in {int(levels[words[0]]):,} rows" if words else None


def _alike(column: pd.Series[Any], guess: Guess) -> str | None:
    """Two texts that differ by a letter, one of them rare; or y beside yes."""
    if guess.kind != "category" or column_kind(column) != "category":
        return None
    counts = texts(column.dropna()).str.strip().value_counts()
    if not 2 < len(counts) <= 50:
        return None
    names = [str(name) for name in counts.index]
    for i, common in enumerate(names):
        for rare in names[i + 1 :]:
            both = common.lower(), rare.lower()
            if frozenset(both) in _SAME or (counts[rare] <= counts[common] / 2 and _differ_by_a_letter(*both)):
                return f"{common!r} and {rare!r}"
    return None


def _differ_by_a_letter(a: str, b: str) -> bool:
    if min(len(a), len(b)) < 5 or a[0] != b[0] or abs(len(a) - len(b)) > 1 or not (a.isalpha() and b.isalpha()):
        return False
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True)) == 1
    long, short = (a, b) if len(a) > len(b) else (b, a)
    return not long.endswith("s") and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


def _total(column: pd.Series[Any], _: Guess) -> str | None:
    if column_kind(column) != "category" or column.isna().iloc[-1]:
        return None
    last = str(column.iloc[-1]).strip().lower()
    return "" if last in _TOTALS and int((texts(column).str.strip().str.lower() == last).sum()) == 1 else None


DOUBTS = (
    Doubt(
        _sentinel,
        "Values far from all others, which often mean that one is missing",
        "Name them under na_values if they do.",
    ),
    Doubt(_code, "Numbers that may be codes", "Name them under categorical if their order means nothing."),
    Doubt(
        _numbering,
        "Numbers that may only number the rows",
        "If they do, name them under drop; if they are times, under time.",
    ),
    Doubt(
        _blocks,
        "Numbers that count blocks of rows",
        "If rows of one block belong together, name the column under group.",
    ),
    Doubt(
        _role,
        "Columns that may say how rows are split or weighted, but are read as features",
        "Name them under drop, or set split: given with split_by where a column says which rows test.",
    ),
    Doubt(
        _units,
        "Texts that begin with digits, but are no numbers in one unit",
        "They are read as categories: write them as numbers, or name them under drop or categorical.",
    ),
    Doubt(_total, "The last row may be a total of the others", "Remove it from the file if it is."),
    Doubt(
        _words,
        "Words that are read as a category, but may mean that a value is missing",
        "Name them under na_values if they do.",
    ),
    Doubt(_alike, "Values that may be one", "Correct the file if they are."),
)
"""The first one that a column raises counts."""
