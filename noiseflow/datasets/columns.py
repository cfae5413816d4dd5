"""What the columns of a table are: numbers, categories, dates or nothing to learn from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd

from noiseflow.base.faults import some_of
from noiseflow.datasets.data import Array
from noiseflow.datasets.number_text import parse
from noiseflow.datasets.rows import MAX_NUMBER

ColumnKind = Literal["number", "category", "date", "other", "empty"]
MAX_CATEGORIES = 1_000
MAX_CATEGORY_LENGTH = 1_000

_DATE = re.compile(
    r"(?!\d+[-/.]00?[-/.])\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T ]\d{1,2}:\d{2}.*)?\s*"
)


COUNTED = re.compile(r"^(?:week|wk|day|month|quarter|year|fy|period|round)[ ._-]?(\d{1,6})$", re.IGNORECASE)
"""Times that are counted: week 12, FY1990."""
_MONTHS = {
    **dict.fromkeys(("ene", "jän"), "jan"), **dict.fromkeys(("fév", "fev"), "feb"), **dict.fromkeys(("mär", "mrz"), "mar"),
    **dict.fromkeys(("avr", "abr"), "apr"), "mai": "may", "juin": "jun", "juil": "jul",
    **dict.fromkeys(("aoû", "aou", "ago"), "aug"), "okt": "oct", **dict.fromkeys(("dez", "déc", "dic"), "dec"),
}  # fmt: skip
_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = rf"(?:{'|'.join((*_ENGLISH, *_MONTHS))})[^\W\d_]*\.?"
"""Names of months in English, German, French and Spanish."""


def _english(text: re.Match[str]) -> str:
    """The first letters of a month's name."""
    word = text[0].lower()
    return next((_MONTHS[word[:n]] for n in (4, 3) if word[:n] in _MONTHS), word[:3])


def column_kind(column: pd.Series[Any]) -> ColumnKind:
    """What a column is taken for."""
    types = pd.api.types
    if column.isna().all():
        return "empty"
    if isinstance(column.dtype, pd.CategoricalDtype) or types.is_bool_dtype(column.dtype):
        return "category"
    if types.is_datetime64_any_dtype(column.dtype) or isinstance(column.dtype, pd.PeriodDtype):
        return "date"
    if types.is_numeric_dtype(column.dtype):
        return "other" if types.is_complex_dtype(column.dtype) else "number"
    if types.is_object_dtype(column.dtype) or types.is_string_dtype(column.dtype):
        return _kind_of_objects(column.dropna())
    return "other"


def _kind_of_objects(values: pd.Series[Any]) -> ColumnKind:
    if isinstance(values.iloc[0], date) and all(isinstance(value, date) for value in values):
        return "date"
    if pd.api.types.infer_dtype(values) != "string" and not all(
        isinstance(v, str | bool | int | float) for v in values
    ):
        return "other"
    return "date" if all(_DATE.fullmatch(str(value)) for value in values.unique()[:50]) else "category"


def numbers(column: pd.Series[Any]) -> Array:
    """The column in float64, NaN where a value is missing."""
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column as text, NaN where a value is missing."""
    values = column.astype(object)
    return values.map(str).where(column.notna(), np.nan)


def label_of(value: Any) -> str:
    """What a class is called: 1 for 1.0."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def times(column: pd.Series[Any]) -> Any:
    """The column as what sorts by time: numbers, or dates, NaN or NaT where a value is missing or no date."""
    if column_kind(column) == "number":
        return numbers(column)
    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column
    written = texts(column).str.strip()
    counted = written.str.extract(COUNTED, expand=False)
    if counted.notna().sum() == written.notna().sum():
        return counted.astype(float)
    dates = pd.to_datetime(written, format="ISO8601", utc=True, errors="coerce")
    rest = written[dates.isna() & written.notna()]
    return dates if rest.empty else dates.fillna(_dates_of_other_forms(rest))


def _dates_of_other_forms(written: pd.Series[Any]) -> pd.Series[Any]:
    """Dates such as 31/01/2026, 31-Jan-2026, 2026Q1 and 2026-W05; NaT for anything else.

    The day comes first where a first number is over 12, or where only then the rows are in order.
    """
    quarters = written.str.extract(r"^(?:(\d{4})[-/ ]?Q([1-4])|Q([1-4])[-/ ]?(\d{4}))$", flags=re.IGNORECASE)
    year, quarter = quarters[0].fillna(quarters[3]), quarters[1].fillna(quarters[2])
    months = year + "-" + (3 * pd.to_numeric(quarter) - 2).map("{:02.0f}".format) + "-01"
    shares = written.str.extract(r"^(\d{1,2})/(\d{4}|\d{2})$"), written.str.extract(r"^(\d{4})[-/]\d{2}$")
    of_month, of_season = "1 " + shares[0][0] + " " + shares[0][1], shares[1][0] + "-01-01"
    both = pd.to_datetime(of_month, format="%d %m %y", errors="coerce", utc=True).fillna(
        pd.to_datetime(of_month, format="%d %m %Y", errors="coerce", utc=True)
    )  # 1/86, and 1889-90
    both = both.fillna(pd.to_datetime(of_season, format="%Y-%m-%d", errors="coerce", utc=True))
    of_month_number = written.str.extract(r"^(\d{4})[mM:](\d{1,2})$")  # 1949M01, 2010:1
    months = months.fillna(of_month_number[0] + "-" + of_month_number[1].str.zfill(2) + "-01")
    written = written.str.replace(rf"\b{MONTH}", _english, regex=True, flags=re.IGNORECASE)
    written = written.str.replace(r"^(\d{1,2})\. ", r"\1 ", regex=True)
    written = months.fillna(written).where(both.isna(), both.astype(str))
    weeks = pd.to_datetime(
        written.str.replace(r"-?W(\d)(-\d)?$", r"-W0\1\2", regex=True) + "-1",
        format="%G-W%V-%u",
        utc=True,
        errors="coerce",
    )
    first = pd.to_numeric(written.str.extract(r"^(\d{1,2})[-/.]")[0], errors="coerce")
    second = pd.to_numeric(written.str.extract(r"^\d{1,2}[-/.](\d{1,2})[-/.]")[0], errors="coerce")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a day that cannot be a month
        month_first, day_first = (
            pd.to_datetime(written, format="mixed", dayfirst=is_first, utc=True, errors="coerce")
            for is_first in (False, True)
        )
    is_open = not (first > 12).any() and not (second > 12).any()
    in_order = day_first.is_monotonic_increasing and not month_first.is_monotonic_increasing
    return weeks.fillna(day_first if (first > 12).any() or (is_open and in_order) else month_first)


def feature_faults(frame: pd.DataFrame, categorical: Collection[str] = (), *, imputes: bool) -> list[str]:
    """What keeps columns from being features, all of a sort in one sentence.

    Args:
        categorical: columns that the study calls so.
        imputes: whether missing values are filled.
    """
    kinds = {str(name): column_kind(frame[name]) for name in frame.columns}
    found: dict[Callable[[], tuple[str, str]], list[str]] = {}
    for name, kind in kinds.items():
        for sort, detail in _column_faults(frame[name], kind, imputes=imputes, is_named=name in categorical):
            found.setdefault(sort, []).append(f"{name!r}{detail}")
    return [
        f"path must be a table {must}; received {some_of(columns, most=20)}. {fix}"
        for (must, fix), columns in ((sort(), columns) for sort, columns in found.items())
    ]


def _column_faults(
    column: pd.Series[Any], kind: ColumnKind, *, imputes: bool, is_named: bool
) -> Iterator[tuple[Callable[[], tuple[str, str]], str]]:
    missing = int(column.isna().sum())
    if kind == "empty":
        yield _empty, ""
    elif missing and not imputes:
        yield _missing, f" ({missing} of {len(column)})"
    if kind == "date":
        yield _dates, ""
    elif kind == "other":
        yield _strange, f" ({column.dtype})"
    elif kind == "number":
        values = numbers(column)
        n_large = int((np.abs(values) > MAX_NUMBER).sum())
        if n_large:
            yield _infinite, f" ({n_large})"
    elif kind == "category":
        yield from _category_faults(column.dropna(), is_named=is_named)


def _category_faults(values: pd.Series[Any], *, is_named: bool) -> Iterator[tuple[Callable[[], tuple[str, str]], str]]:
    distinct = pd.Series(texts(values).unique())
    is_number = pd.to_numeric(distinct, errors="coerce").notna()
    if not is_named and len(distinct) >= 10 and 0.8 <= is_number.mean() < 1:
        yield _mixed, f" (with {', '.join(map(repr, distinct[~is_number][:3]))})"
    elif is_identity(values):
        parsed = parse(list(distinct))
        detail = f" (such as {distinct[0]!r})" if parsed.numbers and not parsed.odd else ""
        yield (_written_numbers if detail else _identities), detail
    elif len(distinct) > MAX_CATEGORIES:
        yield _crowded, f" ({len(distinct)})"
    elif (longest := int(distinct.str.len().max())) > MAX_CATEGORY_LENGTH:
        yield _long, f" ({longest:,})"


def is_identity(values: pd.Series[Any]) -> bool:
    """Whether a column of categories names each row differently, so that nothing can be learnt from it."""
    return len(values) > 2 and not pd.api.types.is_bool_dtype(values.dtype) and values.nunique() == len(values)


def is_counter(column: pd.Series) -> bool:
    """Whether a column of numbers goes up by 1 from row to row, as an index does."""
    is_number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
    return len(column) > 2 and is_number and bool((np.diff(column.to_numpy(dtype=float, na_value=np.nan)) == 1).all())


def _empty() -> tuple[str, str]:
    return "whose columns have values", "Name them under drop."


def _missing() -> tuple[str, str]:
    fix = "Fill them, remove those rows, or set missing: impute. Empty cells and words such as NA, null and None count."
    return "without missing values", fix


def _dates() -> tuple[str, str]:
    fix = "Name the column under drop, turn it into numbers such as days since then, or give it to split_by with split: time."
    return "without dates among its features", fix


def _strange() -> tuple[str, str]:
    return "of numbers, text and booleans", "Convert the columns, or name them under drop."


def _infinite() -> tuple[str, str]:
    return f"of finite numbers, at most {MAX_NUMBER:g} in size", "Correct them, or name them under na_values."


def _mixed() -> tuple[str, str]:
    return (
        "whose columns are numbers or text, not both",
        "Name what means a missing value in na_values, or the column under categorical.",
    )


def _identities() -> tuple[str, str]:
    return (
        "without columns of text that differ in every row",
        "Nothing can be learnt from them: name them under drop.",
    )


def _written_numbers() -> tuple[str, str]:
    return "without columns of text that differ in every row", "They look like numbers: name them under numeric."


def _crowded() -> tuple[str, str]:
    fix = "Group the rare ones, or name the columns under drop."
    return f"with at most {MAX_CATEGORIES:,} categories in a column", fix


def _long() -> tuple[str, str]:
    fix = "Fix the file (perhaps a quote never closes), or name the columns under drop."
    return f"with at most {MAX_CATEGORY_LENGTH:,} characters in a category", fix
