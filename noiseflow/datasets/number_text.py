"""Numbers that are written as text: `1,5`, `1,234`, `$9.00`, `45 %`, `12 kg`, `19M` beside `201k`, `12:30`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

_WORDS = (
    "|?|-|--|.|..|...|*|na|n.a.|n/a|#n/a|nan|none|null|nil|missing|<na>|(null)|n.d.|nd|not available|#value!|#div/0!|#ref!"
    "|unknown|unk|n/d|n/k|not known|not recorded|not applicable|not specified|unspecified|no data|no answer|refused"
    "|don't know|dont know|dk|??|???|---|(blank)|(missing)|(unknown)|keine angabe|k.a.|unbekannt|inconnu|desconocido"
)
MISSING_WORDS = frozenset(_WORDS.split("|"))
"""Words that mean a missing value among numbers, in lower case."""
_CURRENCY = r"[$€£¥₹₽₩₺]|(?:USD|EUR|GBP|CHF|JPY|INR|CAD|AUD|Rs\.?)(?![a-z])"
_MAGNITUDES = {"k": 1e3, "K": 1e3, "M": 1e6, "Mio": 1e6, "mn": 1e6, "B": 1e9, "bn": 1e9, "Mrd": 1e9}
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?\s*(?:([ap])\.?m\.?)?", re.IGNORECASE)
_DOTS = re.compile(r"([01]\d|2[0-3])\.([0-5]\d)\.([0-5]\d)")
"""A time of a day as some loggers write it: 18.00.00."""
_FOOTNOTE = re.compile(r"(?<=\d)\s*(?:[*†‡§]+|\[\w{1,2}\])$")
_FOOTNOTE_ENDS = frozenset("*†‡§]")
HOURS = "h:mm"
"""The unit of times of a day and of durations, which are read as hours (or as minutes, where seconds follow those)."""
_UNIT = rf"%|‰|{_CURRENCY}|[a-zA-Zµ°Ω][a-zA-Zµ°Ω²³/*^\d]{{0,6}}"


@dataclass(frozen=True)
class Style:
    """How a column writes its numbers: the mark before decimals, and the one between thousands, empty for none."""

    decimal: str = "."
    thousands: str = ""

    @cache  # noqa: B019 - a study can ask for some ten styles
    def pattern(self) -> re.Pattern[str]:
        """Sign, unit, digits, unit; parentheses are a minus of accountants."""
        decimal, thousands = re.escape(self.decimal), re.escape(self.thousands)
        grouped = (
            rf"[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|[1-9]\d?(?:{thousands}\d{{2}})+{thousands}\d{{3}}"  # 1,23,456 too
        )
        whole = rf"(?:{grouped}|\d+)" if self.thousands else r"\d+"
        number = rf"(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eEdD][-+]?\d+)?"
        return re.compile(rf"(\()?([-+−]?)\s*({_CURRENCY})?\s*([-+−]?)({number})\s*({_UNIT})?(\))?")


STYLES = tuple(
    Style(*marks) for marks in ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))
)
"""In the order in which they are tried: of two that fit as well the first one is taken."""


@dataclass(frozen=True)
class Parsed:
    """Texts read as numbers.

    Attributes:
        style: what they were read by.
        unit: that all of them share, empty for none.
        numbers: text -> number.
        others: texts that are no numbers, missing ones too.
        bare: how many have no unit while others have.
    """

    style: Style
    unit: str
    numbers: dict[str, float]
    others: tuple[str, ...]
    bare: int = 0

    @property
    def odd(self) -> tuple[str, ...]:
        """Texts that are neither a number nor a word for a missing value."""
        return tuple(text for text in self.others if text.strip().lower() not in MISSING_WORDS)


def parse(texts: list[str], style: Style | None = None) -> Parsed:
    """The different texts of a column read as numbers, by the style that reads most of them unless one is given."""
    if clock := _parse_clock(texts):
        return clock
    plain = {text: _plain(text) for text in texts}
    found: list[Parsed] = []
    for one in [style] if style else STYLES:
        found.append(_parse(plain, one))
        if len(found[-1].numbers) == len(plain):  # no other reads more
            break
    return max(found, key=lambda parsed: len(parsed.numbers))


def _parse(texts: dict[str, str], style: Style) -> Parsed:
    pattern = style.pattern()
    matched = {text: pattern.fullmatch(plain) for text, plain in texts.items()}
    units: dict[str, list[str]] = {}
    for text, match in matched.items():
        if match and not (match[1] and not match[7]) and not (match[2] and match[4]):
            units.setdefault((match[3] or "") + (match[6] or ""), []).append(text)
    if len(units) > 1 and {*units} <= {"", *_MAGNITUDES}:  # 19M and 201k, or 1.2k and 950
        values = {
            t: _number(matched[t], style) * _MAGNITUDES.get(name, 1.0) for name, all_ in units.items() for t in all_
        }
        return Parsed(style, "", values, tuple(text for text in texts if text not in values))
    unit = max((name for name in units if name), key=lambda name: len(units[name]), default="")
    taken = [text for name in dict.fromkeys(("", unit)) for text in units.get(name, ())]
    values = {text: _number(matched[text], style) for text in taken}
    bare = len(units.get("", ())) if unit and not re.fullmatch(_CURRENCY, unit) else 0
    return Parsed(style, unit, values, tuple(text for text in texts if text not in values), bare)


def _parse_clock(texts: list[str]) -> Parsed | None:
    """Times of a day or durations, all of as many parts: 12:30, 1:05 PM, 00:12:59."""
    plain = {text: _DOTS.sub(r"\1:\2:\3", text.strip()) for text in texts}
    matched = {text: match for text in texts if (match := _CLOCK.fullmatch(plain[text]))}
    others = tuple(text for text in texts if text not in matched)
    parsed = Parsed(STYLES[0], HOURS, {text: _hours(match) for text, match in matched.items()}, others)
    return parsed if matched and not parsed.odd and len({match[3] is None for match in matched.values()}) == 1 else None


def _hours(match: Any) -> float:
    half = (match[4] or "").lower()
    hours = int(match[1]) % 12 + 12 * (half == "p") if half else int(match[1])
    return hours + int(match[2]) / 60 + float(match[3] or 0) / 3600


def _plain(text: str) -> str:
    """The text without blanks at its ends, and with plain blanks within it."""
    plain = re.sub(r"[\s\u00a0\u202f\u2009\x1a]", " ", text).strip().replace("\u2019", "'")
    if plain[-1:] in _FOOTNOTE_ENDS:
        plain = _FOOTNOTE.sub("", plain)
    if plain[-1:] not in (")", "-", "−"):
        return plain
    plain = re.sub(rf"^({_CURRENCY})\s*\((.*)\)$", r"(\1\2)", plain)  # $(9.00)
    return re.sub(r"^(\d[\d.,' ]*[.,]\d+)\s*[-−]$", r"-\1", plain)  # 9.00-


def _number(match: Any, style: Style) -> float:
    digits = match[5].replace(style.thousands, "") if style.thousands else match[5]
    minus = match[1] or {match[2], match[4]} & {"-", "−"}
    return (-1.0 if minus else 1.0) * float(digits.replace(style.decimal, ".").lower().replace("d", "e"))  # Fortran's D


def as_numbers(column: pd.Series[Any], style: Style | None = None) -> pd.Series[Any]:
    """A column in float64, its texts read as numbers; NaN where one is missing, or is no number."""
    texts = column.dropna().astype(str)
    return column.astype(object).map(str, na_action="ignore").map(parse(list(texts.unique()), style).numbers)
