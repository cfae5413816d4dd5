"""Tables that are text: how they are read, and how their form is guessed from their first lines."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from noiseflow.base.user_files import open_file
from noiseflow.datasets.number_text import MISSING_WORDS, STYLES, Parsed, Style, parse

if TYPE_CHECKING:
    from noiseflow.study import Dataset

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".csv.gz", ".tsv.gz")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
MAX_HEADER = 2**22
"""Most bytes of the first line."""
_LOOKED_AT = 2**18  # bytes from which the form is guessed
_MOST_LINES = 500
_MOST_SKIPPED = 50
_LEAST_ROWS = 10


@dataclass(frozen=True)
class Reading:
    """How a file is read, where its suffix does not say it; None as it is usual.

    separator, decimal, thousands, encoding, na_values, header, skip_rows, sheet, sample: as the study file has them.
    drawn_by: the seed that a sample is drawn by.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    na_values: tuple[str, ...] | None = None
    header: str | None = None
    skip_rows: int | None = None
    sheet: str | None = None
    sample: int | None = None
    drawn_by: int = 0

    @classmethod
    def of(cls, dataset: Dataset) -> Reading:
        """That of a dataset."""
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


def suffix_of(path: str) -> str:
    """`.csv`, or `.csv.gz`."""
    name = Path(path).name.lower()
    return next((one for one in (".csv.gz", ".tsv.gz") if name.endswith(one)), Path(name).suffix)


def separator_of(path: str, reading: Reading) -> str:
    """What is between values."""
    return reading.separator or ("\t" if ".tsv" in suffix_of(path) else ",")


def unpacked(path: str, file: BinaryIO, most: int) -> BinaryIO:
    """The bytes of a text file; of a packed one no more than `most` + 1."""
    return io.BytesIO(streamed(path, file).read(most + 1)) if suffix_of(path).endswith(".gz") else file


def streamed(path: str, file: BinaryIO) -> BinaryIO:
    """The bytes of a text file, to be read once from begin to end; a packed one is unpacked on the way."""
    return gzip.GzipFile(fileobj=file) if suffix_of(path).endswith(".gz") else file  # type: ignore[return-value]


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
    given |= {"na_values": [f"{a}{word}{b}" for word in reading.na_values or () for a in ("", " ") for b in ("", " ")]}
    if (style := reading.style) and "dtype" not in options:
        given |= {"decimal": style.decimal, "thousands": style.thousands or None}
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
            frame = pd.read_csv(file, header=0, names=names, **given)
    return frame


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
        header, *rows = islice(lines, reading.skip_rows or 0, (reading.skip_rows or 0) + _MOST_LINES)
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


def guess_text(path: str) -> tuple[Reading, dict[str, str]]:
    """How a text file seems to be written, only what is not usual; and why, by key."""
    with open_file(path) as file:
        raw = unpacked(path, file, _LOOKED_AT).read(_LOOKED_AT)
    found: dict[str, Any] = {}
    why: dict[str, str] = {}
    encoding = _encoding(raw, cut=len(raw) == _LOOKED_AT)
    if encoding != "utf-8-sig":
        found["encoding"], why["encoding"] = encoding, "The text is not UTF-8; this is a guess."
    lines = raw.decode(encoding, errors="replace").splitlines()
    lines = _joined((lines[:-1] if len(raw) == _LOOKED_AT and len(lines) > 1 else lines)[:_MOST_LINES])
    if any(quote_of(next(iter(lines), ""), mark) == "'" for mark in SEPARATORS):
        lines = [line.replace("'", '"') for line in lines]
    usual = separator_of(path, Reading())
    separator, width = _separator(lines, usual)
    if separator != usual:
        found["separator"], why["separator"] = separator, f"Values are between {SEPARATORS[separator]}."
    if skipped := _preamble(lines, separator, width):
        found["skip_rows"] = skipped
        why["skip_rows"] = f"The table begins below {skipped} line{'s' * (skipped > 1)} of other text."
    cells = [_cells(line, separator) for line in lines[skipped:] if line.strip()]
    if _lacks_header(cells, width):
        found["header"] = "none"
        why["header"] = "The first line looks like values, not like names: columns are column_1, column_2, and so on."
    style, words = _marks(cells if "header" in found else cells[1:])
    if style.decimal != ".":
        found["decimal"], why["decimal"] = style.decimal, "Numbers have a comma before their decimals."
    if style.thousands:
        found["thousands"], why["thousands"] = style.thousands, "Numbers have a mark between thousands."
    if words:
        shown = " and ".join(map(repr, words))
        found["na_values"], why["na_values"] = words, f"{shown} among values of another kind mean that one is missing."
    return Reading(**found), why | (_doubts(cells, found) if cells and "header" not in found else {})


def _doubts(cells: list[list[str]], found: dict[str, Any]) -> dict[str, str]:
    """What may be meant otherwise than it is read, by key."""
    why = {}
    if "decimal" not in found and "thousands" not in found and (name := _three_digits(cells)):
        text = f'Not sure: {name!r} has three digits after each point. If they are thousands, set thousands: ".".'
        why["path"] = text
    if taken := _words_of_pandas(cells):
        why["missing"] = f"Words that are always read as missing: {', '.join(taken)}."
    return why


def _words_of_pandas(cells: list[list[str]]) -> list[str]:
    """Columns of text with words that pandas takes for missing, such as None or NA, and which: they may be a category."""
    columns = zip(*(row for row in cells if len(row) == len(cells[0])), strict=True)
    found = []
    for name, *column in columns:
        words = sorted({text.strip() for text in column} & (_PANDAS_WORDS - {""}))
        if words and number_column([*dict.fromkeys(column)]) is None:
            found.append(f"{words[0]!r} in {name!r}")
    return found


def _encoding(raw: bytes, *, cut: bool) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for half, order in ((raw[1::2], "le"), (raw[::2], "be")):
        if half and half.count(0) > 0.4 * len(half):
            return f"utf-16-{order}"
    try:
        raw[: -4 if cut else None].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8-sig" if cut and error.start >= len(raw) - 8 else "cp1252"
    return "utf-8-sig"


def _joined(lines: list[str]) -> list[str]:
    """Lines of which those that a quoted value goes on in are one."""
    joined: list[str] = []
    is_open = False
    for line in lines:
        if is_open:
            joined[-1] += f"\n{line}"
        else:
            joined.append(line)
        is_open ^= line.count('"') % 2 == 1 and (is_open or re.search(r'(^|[,;\t|])\s*"', line) is not None)
    return lines if is_open else joined


def _cells(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _separator(lines: list[str], usual: str) -> tuple[str, int]:
    """What is between values, and how many there are in a line: the mark that cuts most lines into as many parts."""
    best = (0.0, 0.0, 0, usual)
    for mark in dict.fromkeys((usual, *SEPARATORS)):
        counts = [len(_cells(line, mark)) for line in lines if line.strip()]
        if not counts:
            break
        width, n = Counter(counts[len(counts) // 5 :]).most_common(1)[0]
        likely = mark != " " or width > 2
        if width < 2 or not likely:
            continue
        share = round(n / len(counts[len(counts) // 5 :]), 2)
        head = any(abs(count - width) <= 1 and count > 1 for count in counts[:1])
        first_fits = any(count == width for count in counts[: _MOST_SKIPPED + 1])
        best = max(
            best,
            (share, float(head and first_fits) or 0.5 * first_fits, width * (mark != " "), mark),
            key=lambda b: b[:2],
        )
    return best[3], best[2] or max(1, len(_cells(next(iter(lines), ""), best[3])))


def _preamble(lines: list[str], separator: str, width: int) -> int:
    """How many lines come before the header."""
    n = 0
    for i, line in enumerate(lines[:_MOST_SKIPPED]):
        cells = _cells(line, separator)
        following = [other for other in lines[i + 1 : i + 3] if other.strip()]
        says = line.startswith(("#", "%", "//")) and bool(following)
        says = says and (
            len(cells) != width or not _is_values(_cells(following[0], separator)) or following[0][0] == line[0]
        )
        filled = sum(bool(cell.strip()) for cell in cells)
        says |= re.fullmatch('"?sep=."?', line.strip()) is not None  # of Excel
        says |= width > 2 and filled < 2 <= sum(
            bool(cell.strip()) for cell in _cells((following or [""])[-1], separator)
        )
        if says or (width > 1 and len(cells) not in (width, width - 1, width + 1)):
            n = i + 1
        elif line.strip():
            break
    return n if n < len(lines) - 1 else 0


def _is_values(cells: list[str]) -> bool:
    return any(parse([cell]).numbers for cell in cells)


def _lacks_header(cells: list[list[str]], width: int) -> bool:
    """Whether the first line is a row: where columns hold numbers it has one too, and it is no list of years or numbers."""
    if len(cells) < 3 or len(cells[0]) != width:
        return False
    first, *rows = cells[:100]
    rows = [row for row in rows if len(row) == width]
    columns = [[row[i].strip() for row in rows] for i in range(width)]
    numeric = [i for i, column in enumerate(columns) if column and len(parse(column).numbers) >= 0.8 * len(set(column))]
    if any(not first[i].strip() for i in range(width) if i not in numeric) and not numeric:
        return False
    if not numeric and len(rows) >= _LEAST_ROWS:
        return width > 1 and all(first[i].strip() in column for i, column in enumerate(columns))
    at_numbers = [first[i].strip() for i in numeric]
    if not numeric or not all(parse([text]).numbers or text.lower() in MISSING_WORDS - {""} for text in at_numbers):
        return False
    others = [i for i in range(width) if i not in numeric]
    shared = [i for i in others if first[i].strip() in columns[i]]
    has_decimals = any("." in text or "," in text for text in at_numbers)
    if others:
        return bool(shared) or has_decimals or len(numeric) >= 2 * len(others)
    return has_decimals or len(set(at_numbers)) < len(at_numbers) or not _counts_up(at_numbers)


def _three_digits(cells: list[list[str]]) -> str | None:
    """The name of a column of numbers that all have three digits after a point, and at most three before it."""
    for name, *column in zip(*(row for row in cells if len(row) == len(cells[0])), strict=True):
        if len({*column}) >= _LEAST_ROWS and all(re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", text.strip()) for text in column):
            return str(name)
    return None


def _counts_up(texts: list[str]) -> bool:
    """Whether names such as 2001, 2002, 2003 or 0, 1, 2 count."""
    try:
        whole = [int(text) for text in texts]
    except ValueError:
        return False
    return len(whole) > 1 and len({b - a for a, b in pairwise(whole)}) == 1


def _marks(cells: list[list[str]]) -> tuple[Style, tuple[str, ...]]:
    """How the columns of text write their numbers, and the words among them that stand for a missing value."""
    width = Counter(map(len, cells)).most_common(1)[0][0] if cells else 0
    columns = [list(dict.fromkeys(row[i] for row in cells if len(row) == width)) for i in range(width)]
    found = [parsed for column in columns if (parsed := number_column(column))]
    styles = Counter(parsed.style for parsed in found if parsed.style != STYLES[0])
    style = styles.most_common(1)[0][0] if styles else STYLES[0]
    if style.decimal == "," and not style.thousands:
        dotted = Style(",", ".")
        points = [list(p.numbers) for p in found if p.style == STYLES[0] and any("." in text for text in p.numbers)]
        style = dotted if any(len(parse(texts, dotted).numbers) == len(texts) for texts in points) else style
    if style.decimal == "." and any(p.style.decimal == "," for p in found):  # columns that disagree are read one by one
        style = STYLES[0]
    words = dict.fromkeys(text.strip() for parsed in found for text in parsed.others if text.strip())
    known = {word.lower() for word in words} & MISSING_WORDS
    marks = dict.fromkeys(t.strip() for column in columns for t in column if t.strip() in ("?", "-", "--", "..", "*"))
    kept = {word: None for word in words if word.lower() in known} | marks
    return style, tuple(word for word in kept if word not in _PANDAS_WORDS)


_PANDAS_WORDS = {"NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None", "n/a", "<NA>", ""}


def number_column(texts: list[str]) -> Parsed | None:
    """The texts of a column read as numbers, where that is what they are; None for others."""
    parsed = parse(texts)
    least = 1 if not parsed.unit and parsed.style == STYLES[0] else 2
    return parsed if len(parsed.numbers) >= least and not parsed.odd else None
