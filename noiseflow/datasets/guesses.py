"""What a column seems to be, by its content and its name; the one guess that `init`, `plan` and the report share."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from noiseflow.base.faults import some_named
from noiseflow.datasets.columns import (
    COUNTED,
    MAX_CATEGORIES,
    MAX_CATEGORY_LENGTH,
    MONTH,
    column_kind,
    is_counter,
    numbers,
    texts,
    times,
)
from noiseflow.datasets.number_text import HOURS, MISSING_WORDS, Parsed, parse

GuessKind = Literal["number", "category", "date", "time", "group", "identifier", "text", "constant", "empty", "other"]


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


FEATURES = ("number", "category", "group")
"""Kinds that can be learnt from."""
UNITS_OF_PEOPLE = word_set(
    "subject patient person user customer client student pupil teacher child mother family household "
    "participant respondent individual animal rat mouse dog cat cow pig horse litter player driver employee "
    "worker doctor donor speaker author pat pt ptn subj usubj resp indiv proband vp vpn hh fam emp cust stud twin "
    "file filename recording"
)
UNITS = UNITS_OF_PEOPLE | word_set(
    "group site batch state country county city town village district province region firm company store shop "
    "school class hospital clinic center centre team club lab farm plot plant tree block cluster unit panel "
    "session station cage nest dam sire bank branch product item brand device machine sensor tank dyad couple "
    "village parish colony herd well river lake island precinct tract nation dataset experiment study location "
    "series scene video clip lot hosp sch pair case ticker symbol stock gvkey cusip permno isin iso commune municipality "
    "ward canton department psu stratum classroom plate"
)
_ROWS = word_set("rowid record rec obs observation serial rownames rowname rownumber lfd nummer rid")
"""Words that number rows, but name no group of them."""
_IDS = _ROWS | word_set("ssn mrn account id ids hid key code uid guid uuid pid sid no nr num number index idx row")
_STRONG_IDS = word_set("id ids hid uid guid uuid pid sid")
_BIRTH = word_set("birth birthdate birthday dob born")
_TIMES = word_set(
    "year yr date time timestamp datetime day week month quarter period date_time years months weeks days"
)
_DURATIONS = word_set("time times day days")
"""Words that may name how long something takes as well: of these a time has equal steps."""
_CLOCK = r"(?:[ T,]+\d{1,2}:\d{2}.*)?"
_DATES = re.compile(
    r"(?!\d+[-/.]00?[-/.])(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?(?:"
    rf"\d{{4}}[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?{_CLOCK}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{4}}|\d{{2}}){_CLOCK}|"
    rf"\d{{1,2}}[-/ .]*{MONTH}[-/ .,]*(?:\d{{4}}|\d{{2}}){_CLOCK}|{MONTH}[-/ .]*\d{{1,2}}(?:,|[ -])\s*\d{{4}}{_CLOCK}|"
    rf"\d{{1,2}}/\d{{2,4}}|{MONTH}[-/ .,]*(?:\d{{4}}|\d{{2}})|\d{{4}}[-/ ]{MONTH}(?:[-/ ]\d{{1,2}})?|"
    r"\d{4}[-/ ]?(?:Q[1-4]|W\d{1,2}(?:-\d)?)|\d{4}(?:M|:)\d{1,2}|"
    r"Q[1-4][-/ ]?\d{4})",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Guess:
    """What a column seems to be.

    Attributes:
        kind: number and category are learnt from; a group is a number or a category that several rows share; a time orders
            the rows, and a date is one that is written as such; of the others nothing can be learnt.
        why: the end of a sentence about the column.
        sure: whether `init` acts on it, or only says so.
        parsed: how its texts read as numbers.
    """

    kind: GuessKind
    why: str = ""
    sure: bool = True
    parsed: Parsed | None = None


_ROW_NAMES = ("Unnamed: 0", "row_name")
"""Names that a first column gets that has none, as R writes it."""
NAMELESS = "has no name and differs in each row, as names of rows do"
_UNIT_ROWS = 2
"""Rows below the header that may hold units or questions: texts above numbers."""
_FEW_IDS = 8
"""Fewer numbers are rather codes of an answer than names of units."""
_LEAST_ROWS = 20
_LEAST_OF_CLASS = 5
"""Least rows, of all and of each class, for a remark on a feature that gives the target away."""
_NEARLY_ALL, _SAME_ORDER = 0.97, 0.999


def words_of(name: object) -> set[str]:
    """The words of a name in lower case: `patient`, `id` of PatientID and of 'Patient ID'."""
    cut = re.sub(r"([a-z\d])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", str(name))
    words = {part for word in re.split(r"[^a-zA-Z]+", cut.lower()) for part in _parted(word)}
    return words | {word.removesuffix("s") for word in words}


def _parted(word: str) -> list[str]:
    """The word, or the unit and the `id` that it is made of: `famid`, `subjid`, `idno`; `acid` and `grid` are words."""
    for end in ("id", "no", "nr", "num"):
        stem = word.removesuffix(end)
        if stem != word and (stem in UNITS or stem in ("id", "case", "row", "rec", "obs")):
            return [stem, end]
    return [word] if word else []


def _names_units(name: object) -> bool:
    """Whether all words of a column's name mean an identifier or unit: `code`, `patient_no`; not `drivers`, nor `tax code`."""
    words = re.split(r"[^a-zA-Z]+", re.sub(r"([a-z\d])([A-Z])", r"\1 \2", str(name)).lower())
    words = [word for word in words if word]
    words = words[1:] if len(words) > 1 and words[0] in ("s", "sl", "sr") else words  # S.No
    return {part for word in words for part in _parted(word)} <= _IDS | UNITS


def _is_grouped(values: pd.Series[Any], distinct: int) -> bool:
    """Whether numbers are rather names than counts: as often as each other, or rows of one come together."""
    counts = values.value_counts()
    in_blocks = int((values != values.shift()).sum()) <= 1.5 * distinct
    return distinct >= 5 and counts.max() <= 5 * counts.median() and (in_blocks or counts.max() <= 2 * counts.min())


def is_date(column: pd.Series[Any]) -> bool:
    """Whether texts are dates: their first fifty look like it, and nearly all can be read."""
    values = column.dropna().astype(str).str.strip()
    if not all(_DATES.fullmatch(value) for value in values.unique()[:50]):
        return False
    return bool(np.asarray(pd.notna(times(values))).mean() > 0.95)


def guess_column(column: pd.Series[Any]) -> Guess:
    """What a column seems to be, as it was read."""
    kind, values, name = column_kind(column), column.dropna(), words_of(column.name)
    if kind in ("empty", "other"):
        return Guess(
            kind, "has no values" if kind == "empty" else f"holds {column.dtype}, which is no number and no text"
        )
    distinct, n = values.astype(object).nunique() if kind != "number" else values.nunique(), len(values)
    if distinct == 1:
        return Guess("constant", f"is {str(values.iloc[0])[:40]!r} in each row")
    if kind == "date":
        return _dated(name)
    if kind == "number":
        return _guess_number(column, values, name, distinct, n)
    if values.name in _ROW_NAMES and distinct == n > 2 and not is_date(values):
        return Guess("identifier", NAMELESS)
    is_category = isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(column.dtype)
    return Guess("category") if is_category else _guess_text(values, name, distinct, n)


def _dated(name: set[str]) -> Guess:
    return Guess("other", "holds dates of birth") if name & _BIRTH else Guess("date", "holds dates")


def _guess_number(column: pd.Series[Any], values: pd.Series[Any], name: set[str], distinct: int, n: int) -> Guess:
    in_order = bool(values.is_monotonic_increasing or values.is_monotonic_decreasing)
    is_whole = bool((np.trunc(numbers(values)) == numbers(values)).all())
    steps = np.diff(numbers(values))
    is_dated = bool(name & _TIMES - _DURATIONS) or (len(steps) > 0 and np.ptp(steps) <= 0.01 * np.abs(steps).max())
    is_calendar = is_whole and distinct > 2 and _is_calendar(numbers(values), in_order=in_order)
    if (is_calendar or (name & _TIMES and is_dated)) and distinct >= 0.9 * n and n > 2 and in_order:
        return Guess("time", "orders the rows in time")
    is_named = bool(name & _STRONG_IDS) or _names_units(column.name)
    if is_counter(column) or (is_named and distinct == n > 2 and is_whole):
        return Guess("identifier", "seems to number the rows")
    if column.name in _ROW_NAMES and distinct == n > 2 and is_whole:
        return Guess("identifier", NAMELESS)
    most = n - 1 if name & _STRONG_IDS else n / 2
    is_named = is_named and not name & _ROWS
    if 2 < distinct <= most and is_whole and (is_named or (name & UNITS and _is_grouped(values, distinct))):
        is_sure = is_named and ((bool(name & _STRONG_IDS) and distinct >= _FEW_IDS) or _is_grouped(values, distinct))
        if is_sure or not (values == 0).any():
            return Guess("group", "looks like a name that rows share", is_sure)
    if is_calendar or (name & _TIMES and is_whole and distinct > 2):
        return Guess("number", "looks like a time that several rows share", sure=False)
    return Guess("number")


def _dated_text(values: pd.Series[Any], name: set[str], *, is_unique: bool) -> Guess | None:
    if is_date(values):
        return _dated(name)
    is_counted = is_unique and values.str.fullmatch(COUNTED.pattern, flags=re.IGNORECASE).all()
    return Guess("time", "orders the rows in time") if is_counted and times(values).is_monotonic_increasing else None


def _is_calendar(values: Any, *, in_order: bool) -> bool:
    """Whether whole numbers read as 20260131 or 202601, or go up as seconds or milliseconds since 1970."""
    if not np.isfinite(values).all():
        return False
    years, months = (
        (values // 10_000, values // 100 % 100) if values.min() > 10_000_000 else (values // 100, values % 100)
    )
    days = values % 100 if values.min() > 10_000_000 else np.ones(1)
    parts = ((years, 1800, 2100), (months, 1, 12), (days, 1, 31))
    is_written = all(bool((part >= least).all() and (part <= most).all()) for part, least, most in parts)
    is_unix = any(values.min() >= 9.4e8 * unit and values.max() <= 2.2e9 * unit for unit in (1, 1_000))  # since 2000
    return is_written or (in_order and is_unix)


def _guess_text(values: pd.Series[Any], name: set[str], distinct: int, n: int) -> Guess:
    words = texts(values).str.strip()
    unique = list(words.unique())
    missing = [word for word in unique if word.lower() in MISSING_WORDS]
    parsed = parse(unique)
    is_named = bool(name & _STRONG_IDS) or _names_units(values.name)
    few_odd = len(parsed.odd) <= min(3, 0.05 * len(unique)) if not is_named else not parsed.odd and bool(parsed.others)
    few_odd |= n > _UNIT_ROWS and bool(parsed.odd) and not words[_UNIT_ROWS:].isin(parsed.odd).any()
    if len(parsed.numbers) > 1 and few_odd and not (is_named and parsed.unit):
        return Guess("number", _parsed_text(parsed), sure=not parsed.odd, parsed=parsed)
    rest = words[~words.isin(missing)] if missing else words
    if dated := _dated_text(rest, name, is_unique=distinct >= 0.9 * n and n > 2):
        return dated
    if rest.str.len().max() > MAX_CATEGORY_LENGTH or (rest.str.count(" ").mean() > 5 and distinct > 20):
        return Guess("text", "holds sentences")
    is_shared = bool(name & _STRONG_IDS) and n / 2 < distinct < n
    if distinct > 2 and (distinct == n or (n > 20 and distinct > n / 2) or distinct > MAX_CATEGORIES) and not is_shared:
        nearly = "nearly " * (distinct < n)
        many = f"has {distinct:,} different texts, too many for a category"
        why = many if distinct <= n / 2 else f"names {nearly}each row differently"
        if begin_with_digits(unique):
            why += f". If these are numbers, such as {unique[0][:40]!r}, write them in one unit or in a column for each"
        return Guess("identifier", why)
    if is_shared or (5 <= distinct <= n / 2 and (is_named or name & (UNITS | {"key", "code", "name"}))):
        return Guess("group", "looks like a name that rows share", bool(name & (_STRONG_IDS | UNITS_OF_PEOPLE)))
    return Guess("category")


def begin_with_digits(unique: list[str]) -> bool:
    """Whether nearly all texts begin with a digit, but are no numbers of one unit."""
    parsed, n = parse(unique), sum(re.match(r"[-+$€£<>~(]?\s*\d", text) is not None for text in unique)
    return n >= 0.9 * len(unique) and (not parsed.numbers or bool(parsed.odd))


def _parsed_text(parsed: Parsed) -> str:
    marks = [
        "a comma before the decimals" * (parsed.style.decimal == ","),
        f"{parsed.style.thousands!r} between thousands" * bool(parsed.style.thousands),
        f"the unit {parsed.unit!r}" * (parsed.unit not in ("", HOURS)),
        f"{' and '.join(map(repr, parsed.others[:3]))} for missing values" * bool(parsed.others),
    ]
    listed = ", ".join(mark for mark in marks if mark)
    what = "times of a day or durations, read as hours" if parsed.unit == HOURS else "numbers as text"
    doubt = f". Not sure: {parsed.bare} of {len(parsed.numbers)} values have no unit" * bool(parsed.bare)
    return f"holds {what}" + (f", with {listed}" if listed else "") + doubt


def gives_target_away(column: pd.Series[Any], target: pd.Series[Any], *, is_class: bool) -> bool:
    """Whether a feature alone gives the target away: it cuts the classes apart, or is nearly the target in other units.

    Of two classes also where its values are missing in all rows of one and in none of the other.
    """
    known = column.notna() & target.notna()
    if is_class and _gaps_tell(column[target.notna()].isna(), target[target.notna()]):
        return True
    column, target = column[known], target[known]
    if len(column) < _LEAST_ROWS or column.nunique() < 2 or target.nunique() < 2:
        return False
    if column_kind(column) != "number":
        levels = texts(column)
        return (
            is_class
            and levels.nunique() <= len(column) / 5
            and len(pd.DataFrame({"level": levels, "class": target.astype(str)}).drop_duplicates()) == levels.nunique()
        )
    values = numbers(column)
    if not is_class:
        if column_kind(target) != "number":
            return False
        pair = np.stack([values, numbers(target)])
        ranks = pd.DataFrame(pair.T).rank().to_numpy().T
        correlations = [abs(float(np.asarray(np.corrcoef(both))[0, 1])) for both in (pair, ranks)]
        return correlations[0] > _NEARLY_ALL or correlations[1] > _SAME_ORDER
    codes, order = pd.factorize(target)[0], np.argsort(values, kind="stable")
    changes = np.flatnonzero(np.diff(codes[order]))
    in_order = values[order]
    return len(changes) == target.nunique() - 1 and bool((in_order[changes] < in_order[changes + 1]).all())


def _gaps_tell(is_gap: pd.Series[bool], target: pd.Series[Any]) -> bool:
    """Whether a value is missing in all rows of one class and in none of the other, of several rows each."""
    if not is_gap.any() or len(is_gap) < _LEAST_ROWS or target.nunique() != 2:
        return False
    classes = is_gap.groupby(target.astype(str))
    return bool(classes.nunique().eq(1).all()) and not is_gap.all() and bool(classes.size().min() >= _LEAST_OF_CLASS)


def is_twin(name: object, target: object) -> bool:
    """Whether a column is called like the target: Min.Price and Price, readscr and testscr."""
    both = str(name).lower(), str(target).lower()
    if all(re.fullmatch(r"column_\d+", one) for one in both):  # of a file without a header
        return False
    ends = [both[0][-3:] == both[1][-3:], both[0][:3] == both[1][:3]]
    return bool(words_of(name) & words_of(target)) or (any(ends) and min(map(len, both)) > 3)


def panel_units(frame: pd.DataFrame, guesses: dict[str, Guess]) -> list[str]:
    """Columns that name the units of a panel: each value has a row for each of the same times, as countries for years."""
    timely = [n for n, g in guesses.items() if words_of(n) & _TIMES and 2 < frame[n].nunique() <= len(frame) / 2]
    units = []
    for name, guess in guesses.items():
        n_levels = frame[name].nunique()
        if (
            guess.kind not in FEATURES
            or name in timely
            or not 4 < n_levels <= len(frame) / 2
            or _is_measured(frame[name])
        ):
            continue
        for time in timely:
            pairs = frame[[name, time]]
            if not pairs.duplicated().any() and len(pairs) > 0.7 * n_levels * frame[time].nunique():
                units.append(name)
                break
    return units


def _is_measured(column: pd.Series[Any]) -> bool:
    return column_kind(column) == "number" and bool((np.trunc(known := numbers(column.dropna())) != known).any())


def nearly_equal(column: pd.Series[Any]) -> list[tuple[str, ...]]:
    """Groups of texts that differ in blanks at their ends, in capitals or in a mark at the end only."""
    groups: dict[str, list[str]] = {}
    for text in texts(column.dropna()).unique():
        groups.setdefault(tidied(text), []).append(text)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def numbered_names(frame: pd.DataFrame) -> list[str]:
    """A sentence on columns that are called as another one, with a number: x and x.1."""
    names = {str(name) for name in frame.columns}
    found = [name for name in names if (cut := re.fullmatch(r"(.*)\.\d+", name)) and cut[1] in names]
    what = f"{some_named(sorted(found))} {'is' if len(found) == 1 else 'are'} called like another column, with a number"
    return [f"{what}. If the first line is a row, set header: none."] if found else []


def has_blanks(column: pd.Series[Any]) -> bool:
    """Whether texts have blanks at their ends."""
    return any(text != text.strip() for text in texts(column.dropna()).unique())


_UNSEEN = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad]")


def tidied(text: str) -> str:
    """What texts that are nearly equal have in common."""
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).strip().strip("\"'").strip().rstrip(".,;:!").rstrip()
    return re.sub(r"(?<=[^\W\d_])[\s_-]+(?=[^\W\d_])", " ", plain).casefold()
