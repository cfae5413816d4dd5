"""Numbers that are written as text: `1,5`, `1,234`, `$9.00`, `45 %`, `12 kg`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

_WORDS = (
    "|?|-|--|.|..|...|*|na|n.a.|n/a|#n/a|nan|none|null|nil|missing|<na>|(null)|n.d.|nd|not available|#value!|#div/0!|#ref!"
    "|unknown|unk"
)
MISSING_WORDS = frozenset(_WORDS.split("|"))
"""Words that stand for a missing value among numbers, in lower case."""
_CURRENCY = r"[$€£¥₹₽₩₺]|(?:USD|EUR|GBP|CHF|JPY|INR|CAD|AUD|Rs\.?)(?![a-z])"
_UNIT = rf"%|‰|{_CURRENCY}|[a-zA-Zµ°Ω][a-zA-Zµ°Ω²³/*^\d]{{0,6}}"


@dataclass(frozen=True)
class Style:
    """How a column writes its numbers: the mark before decimals, and the one between thousands, empty for none."""

    decimal: str = "."
    thousands: str = ""

    def pattern(self) -> re.Pattern[str]:
        """Sign, unit, digits, unit; parentheses are a minus of accountants."""
        decimal, thousands = re.escape(self.decimal), re.escape(self.thousands)
        whole = rf"(?:[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|\d+)" if self.thousands else r"\d+"
        number = rf"(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][-+]?\d+)?"
        return re.compile(rf"(\()?([-+−]?)\s*({_CURRENCY})?\s*([-+−]?)({number})\s*({_UNIT})?(\))?")


STYLES = tuple(
    Style(*marks) for marks in ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))
)
"""In the order in which they are tried: of two that fit as well the first one is taken."""


@dataclass(frozen=True)
class Parsed:
    """Texts read as numbers.

    style: what they were read by; unit: that all of them share, empty for none; numbers: text -> number; others: texts that are
    no numbers, missing ones too.
    """

    style: Style
    unit: str
    numbers: dict[str, float]
    others: tuple[str, ...]

    @property
    def odd(self) -> tuple[str, ...]:
        """Texts that are neither a number nor a word for a missing value."""
        return tuple(text for text in self.others if text.strip().lower() not in MISSING_WORDS)


def parse(texts: list[str], style: Style | None = None) -> Parsed:
    """The different texts of a column read as numbers, by the style that reads most of them unless one is given."""
    found = [_parse(texts, one) for one in ([style] if style else STYLES)]
    return max(found, key=lambda parsed: len(parsed.numbers))


def _parse(texts: list[str], style: Style) -> Parsed:
    pattern = style.pattern()
    matched = {text: pattern.fullmatch(_plain(text)) for text in texts}
    units: dict[str, list[str]] = {}
    for text, match in matched.items():
        if match and not (match[1] and not match[7]) and not (match[2] and match[4]):
            units.setdefault((match[3] or "") + (match[6] or ""), []).append(text)
    unit = max((name for name in units if name), key=lambda name: len(units[name]), default="")
    taken = [text for name in dict.fromkeys(("", unit)) for text in units.get(name, ())]
    values = {text: _number(matched[text], style) for text in taken}
    return Parsed(style, unit, values, tuple(text for text in texts if text not in values))


def _plain(text: str) -> str:
    """Without blanks at its ends, each blank within it a plain one."""
    return re.sub(r"[\s\u00a0\u202f\u2009\x1a]", " ", text).strip().replace("\u2019", "'")


def _number(match: Any, style: Style) -> float:
    digits = match[5].replace(style.thousands, "") if style.thousands else match[5]
    minus = match[1] or {match[2], match[4]} & {"-", "−"}
    return (-1.0 if minus else 1.0) * float(digits.replace(style.decimal, "."))


def as_numbers(column: pd.Series[Any], style: Style | None = None) -> pd.Series[Any]:
    """A column in float64, its texts read as numbers; NaN where one is missing, or is no number."""
    texts = column.dropna().astype(str)
    return column.astype(object).map(str, na_action="ignore").map(parse(list(texts.unique()), style).numbers)
