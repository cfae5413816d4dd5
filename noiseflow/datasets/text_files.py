"""Tables that are text: how they are read."""

from __future__ import annotations

import csv
import io
import re
import warnings
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from noiseflow.base.user_files import open_file
from noiseflow.datasets.number_text import Style
from noiseflow.datasets.packed import suffix_of, unpacked

if TYPE_CHECKING:
    from noiseflow.study import Dataset

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks", ":": "colons", "^": "carets"}
MOST_LINES = 500
"""Lines that are looked at for what a file's form is."""
MAX_HEADER = 2**22
"""Most bytes of the first line."""
PANDAS_WORDS = {
    "",
    "NA",
    "N/A",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "n/a",
    "<NA>",
    "NaN",
    "nan",
    "-NaN",
    "-nan",
    "null",
    "NULL",
}
PANDAS_WORDS |= {"None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
"""What pandas takes for a missing value by itself."""


@dataclass(frozen=True)
class Reading:
    """How a file is read, where its suffix does not say it; None means the usual way.

    Attributes:
        drawn_by: the seed that a sample is drawn with. The study file has the other fields.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    na_values: tuple[str, ...] | None = None
    not_missing: tuple[str, ...] | None = None
    header: str | None = None
    skip_rows: int | None = None
    sheet: str | None = None
    sample: int | None = None
    drawn_by: int = 0

    @classmethod
    def of(cls, dataset: Dataset) -> Reading:
        """How the file of a dataset is read."""
        keys = {name: getattr(dataset, name) for name in cls.__dataclass_fields__ if name != "drawn_by"}
        return cls(**keys, drawn_by=dataset.data_seed if dataset.sample else 0)

    @property
    def style(self) -> Style | None:
        """How numbers are written, where the study says it."""
        if self.decimal is None and self.thousands is None:
            return None
        return Style(self.decimal or (".,"[self.thousands == "."]), self.thousands or "")

    def keys(self) -> dict[str, Any]:
        """What is set, as a study file has it."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "drawn_by"}


def separator_of(path: str, reading: Reading) -> str:
    """What is between values."""
    return reading.separator or ("\t" if ".tsv" in suffix_of(path) else ",")


def header_of(file: BinaryIO, path: str, reading: Reading) -> list[str]:
    """The names in the first line, as they are written."""
    options = {"nrows": 1, "dtype": str, "keep_default_na": False}
    first = pd.read_csv(file, header=None, **_options(file, path, reading), **options)  # type: ignore[call-overload]
    return [plain_name(name) for name in first.iloc[0]]


def names_are_below(path: str, target: str, reading: Reading) -> bool:
    """Whether a column of this name is in the line below the header only, as where there are two lines of names."""
    if reading.header == "none" or not target.strip():  # an empty cell is no name
        return False
    found = []
    for skipped in (reading.skip_rows or 0, (reading.skip_rows or 0) + 1):
        with open_file(path) as file:
            text = unpacked(path, file, MAX_HEADER)
            try:
                names = header_of(text, path, replace(reading, skip_rows=skipped))
            except (ValueError, pd.errors.ParserError):  # there is no such line
                names = []
        found.append(target.strip().casefold() in [name.strip().casefold() for name in names])
    return found == [False, True]


def plain_name(name: object) -> str:
    """The name in one line."""
    return re.sub(r"\s*[\r\n\t\v\f]+\s*", " ", str(name))


def rows_of(file: BinaryIO, path: str, reading: Reading, **options: Any) -> pd.DataFrame:
    """The rows of a text file as pandas reads them; those longer than the header raise a ParserWarning."""
    given: dict[str, Any] = {**_options(file, path, reading), "index_col": False, "low_memory": False, **options}
    given |= na_options(reading)
    if (style := reading.style) and "dtype" not in options:
        given |= {"decimal": style.decimal}  # pandas would take the mark between thousands out of dates too
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut
        if reading.header == "none":
            frame: pd.DataFrame = pd.read_csv(file, header=None, **given)
            return frame.set_axis([f"column_{i}" for i in range(1, len(frame.columns) + 1)], axis=1)
        try:
            frame = pd.read_csv(file, **given)
        except (pd.errors.ParserWarning, pd.errors.ParserError):
            file.seek(0)
            if (names := _longer_names(file, path, reading)) is None:
                raise
            file.seek(0)
            frame = pd.read_csv(file, header=0, names=distinct(names), **given)
    return words_kept(frame, reading) if "dtype" not in options else frame


def na_options(reading: Reading) -> dict[str, Any]:
    """Which texts are missing values, as pandas' readers take it."""
    kept = {*(reading.not_missing or ())}
    words = [*(reading.na_values or ()), *(PANDAS_WORDS - kept if kept else ())]
    return {
        "na_values": [f"{a}{word}{b}" for word in words for a in ("", " ") for b in ("", " ")],
        "keep_default_na": not kept,
    }


def words_kept(frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The frame with its columns of numbers as such: among them a word that is kept as a category is a missing value."""
    found: dict[str, Any] = {}
    for name in frame.columns if reading.not_missing else ():
        rest = frame[name].astype(object).mask(frame[name].isin(reading.not_missing or ()))
        if not pd.api.types.is_numeric_dtype(frame[name].dtype) and rest.notna().any():
            values = pd.to_numeric(rest, errors="coerce")
            found |= {name: values} if values.notna().equals(rest.notna()) else {}
    return frame.assign(**found)


def distinct(names: list[str]) -> list[str]:
    """The names, with a number behind those that were there before, as in pandas: x, x.1."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (other for i in count(1) if (other := f"{name}.{i}") not in names and other not in found)
        found[next(numbered) if name in found else name] = None
    return list(found)


def _options(file: BinaryIO, path: str, reading: Reading) -> dict[str, Any]:
    separator, encoding, skipped = separator_of(path, reading), reading.encoding or "utf-8-sig", reading.skip_rows or 0
    found: dict[str, Any] = {"sep": r"\s+"} if separator == " " else {"sep": separator}
    if not is_wide(encoding):
        head = [file.readline(MAX_HEADER) for _ in range(skipped + 1)][-1]
        file.seek(0)
        found["quotechar"] = quote_of(head.decode(encoding, errors="replace"), separator)
    return found | {"encoding": encoding, "skiprows": skipped}


def is_wide(encoding: str | None) -> bool:
    """Whether a letter has several bytes throughout, as in UTF-16."""
    return "16" in (encoding or "") or "32" in (encoding or "")


def quote_of(header: str, separator: str) -> str:
    """The quote of a text file: a single one where all names of its first line are between such."""
    cells = [cell.strip() for cell in (header.split() if separator == " " else header.split(separator))]
    is_single = all(len(cell) > 2 and cell[0] == cell[-1] == "'" for cell in cells)
    return "'" if is_single and cells else '"'


def _longer_names(file: BinaryIO, path: str, reading: Reading) -> list[str] | None:
    """Names for rows that all have one value more than the header: the first is a row's name, or nothing follows the last."""
    quote = _options(file, path, reading).get("quotechar", '"')
    text = io.TextIOWrapper(file, encoding=reading.encoding or "utf-8-sig", newline="")
    try:
        lines = csv.reader(text, delimiter=separator_of(path, reading), quotechar=quote)
        header, *rows = islice(lines, reading.skip_rows or 0, (reading.skip_rows or 0) + MOST_LINES)
    except (csv.Error, ValueError):
        return None
    finally:
        text.detach()
    rows = [row for row in rows if row]
    if not rows or any(len(row) != len(header) + 1 for row in rows):
        return None
    nothing = f"Unnamed: {len(header)}"
    return [*header, nothing] if not any(row[-1] for row in rows) else ["row_name", *header]


# -- the guess -------------------------------------------------------------------------------------------------------------
