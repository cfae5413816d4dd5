"""How a text file seems to be written, guessed from its first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import pairwise
from typing import Any

from charset_normalizer import from_bytes

from noiseflow.base.user_files import open_file
from noiseflow.datasets.number_text import HOURS, MISSING_WORDS, STYLES, Parsed, Style, parse
from noiseflow.datasets.packed import unpacked
from noiseflow.datasets.text_files import MOST_LINES, PANDAS_WORDS, SEPARATORS, Reading, quote_of, separator_of

_RARE_SEPARATORS = (":", "^")
"""Looked at where no other mark cuts the lines: times of a day hold colons."""
_LOOKED_AT = 2**18  # bytes from which the form is guessed
_MOST_SKIPPED = 50
_LEAST_ROWS = 10


def guess_text(path: str) -> tuple[Reading, dict[str, str]]:
    """How a text file seems to be written, only what is not usual; and why, by key."""
    with open_file(path) as file:
        raw = unpacked(path, file, _LOOKED_AT).read(_LOOKED_AT)
    found: dict[str, Any] = {}
    why: dict[str, str] = {}
    encoding = _encoding(raw, cut=len(raw) == _LOOKED_AT)
    if encoding != "utf-8-sig":
        text = raw.decode(encoding, errors="replace").lstrip("\ufeff")
        read = re.search(r"[^\W\d_]*[^\x00-\x7f]+[^\W\d_]*", text)
        example = f": {read[0][:20]!r} is in the text if it is right" if read else ""
        found["encoding"], why["encoding"] = encoding, f"The text is not UTF-8; this is a guess{example}."
    lines = raw.decode(encoding, errors="replace").splitlines()
    lines = _whole_lines((lines[:-1] if len(raw) == _LOOKED_AT and len(lines) > 1 else lines)[:MOST_LINES])
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
    """Doubts about how the file was read, by key."""
    why = {}
    if "decimal" not in found and "thousands" not in found and (name := _three_digits(cells)):
        text = f'Not sure: {name!r} has three digits after each point. If they are thousands, set thousands: ".".'
        why["path"] = text
    if name := _leading_zeros(cells):
        text = f"Not sure: numbers of {name!r} begin with zeros, as codes do. If they are codes, set categorical: [{name}]."
        why["path"] = f"{why['path']} {text}" if "path" in why else text
    if taken := _words_of_pandas(cells):
        word = taken[0].split("'")[1]
        why["missing"] = (
            f"Words that are read as missing: {', '.join(taken)}. If one is a category: not_missing: [{word}]."
        )
    return why


def _words_of_pandas(cells: list[list[str]]) -> list[str]:
    """Columns of text with words that pandas takes for missing, such as None or NA, and which: they may be a category."""
    columns = zip(*(row for row in cells if len(row) == len(cells[0])), strict=True)
    found = []
    for name, *column in columns:
        words = sorted({text.strip() for text in column} & (PANDAS_WORDS - {""}))
        if words and _number_column([*dict.fromkeys(column)]) is None:
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
        return "utf-8-sig" if cut and error.start >= len(raw) - 8 else _encoding_of_letters(raw)
    return "utf-8-sig"


_ENCODINGS = ["cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1251", "koi8_r"]
"""Of scripts in which most letters are no ASCII."""


_LATIN_WORD = re.compile(rb"[A-Za-z]+[\xc0-\xff]{1,2}[a-z]+")
"""A word with one or two accented letters within, `Gr\xf6\xdfe`: no other script has letters beyond ASCII among others."""


def _encoding_of_letters(raw: bytes) -> str:
    """A Latin encoding where letters beyond ASCII come one by one; else the likeliest of another script."""
    runs = re.findall(rb"[\x80-\xff]+", _LATIN_WORD.sub(b"", raw))
    if runs and sum(len(run) for run in runs if len(run) > 1) > sum(map(len, runs)) / 2:
        best = from_bytes(raw[: raw.rfind(b"\n") + 1] or raw, cp_isolation=_ENCODINGS).best()
        if best is not None:
            return str(best.encoding)
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _whole_lines(lines: list[str]) -> list[str]:
    """Lines, joined where a quoted value goes on in the next one."""
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
        if mark in _RARE_SEPARATORS and best[2]:
            break
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
        says |= (
            width > 2
            and filled < 2
            and (not filled or cells[0].strip() != "")
            and sum(bool(cell.strip()) for cell in _cells((following or [""])[-1], separator)) >= 2
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
    shared = [i for i in others if first[i].strip() and first[i].strip() in columns[i]]
    has_decimals = any("." in text or "," in text for text in at_numbers)
    if others:
        return bool(shared) or ((has_decimals or len(numeric) >= 2 * len(others)) and not _counts_up(at_numbers))
    return has_decimals or len(set(at_numbers)) < len(at_numbers) or not _counts_up(at_numbers)


def _three_digits(cells: list[list[str]]) -> str | None:
    """The name of a column of numbers that all have three digits after a point, and at most three before it."""
    for name, *column in zip(*(row for row in cells if len(row) == len(cells[0])), strict=True):
        if len({*column}) >= _LEAST_ROWS and all(re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", text.strip()) for text in column):
            return str(name)
    return None


def _leading_zeros(cells: list[list[str]]) -> str | None:
    """The name of a column of whole numbers of one length, some with a leading zero."""
    for name, *column in zip(*(row for row in cells if len(row) == len(cells[0])), strict=True):
        written = {text.strip() for text in column} - {""}
        is_code = len({*map(len, written)}) == 1 and all(text.isdecimal() for text in written)
        if is_code and max(map(len, written)) > 1 < len(written) and any(text[0] == "0" for text in written):
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
    """How the columns of text write their numbers, and the words among them that mean a missing value."""
    width = Counter(map(len, cells)).most_common(1)[0][0] if cells else 0
    columns = [list(dict.fromkeys(row[i] for row in cells if len(row) == width)) for i in range(width)]
    found = [parsed for column in columns if (parsed := _number_column(column))]
    styles = Counter(parsed.style for parsed in found if parsed.style != STYLES[0])
    style, dotted = styles.most_common(1)[0][0] if styles else STYLES[0], Style(",", ".")
    commas = [[*p.numbers] for p in found if p.style.decimal == ","]
    if style == Style(",") and dotted in styles and all(len(parse(t, dotted).numbers) == len(t) for t in commas):
        style = dotted  # 137,50 beside 1.174,50 in another column
    if style.decimal == "," and not style.thousands:
        points = [
            [*p.numbers] for p in found if p.unit != HOURS and p.style == STYLES[0] and any("." in t for t in p.numbers)
        ]
        style = dotted if any(len(parse(texts, dotted).numbers) == len(texts) for texts in points) else style
    if style.decimal == "." and any(p.style.decimal == "," for p in found):  # columns that disagree are read one by one
        style = STYLES[0]
    words = dict.fromkeys(text.strip() for parsed in found for text in parsed.others if text.strip())
    known = {word.lower() for word in words} & MISSING_WORDS
    marks = dict.fromkeys(t.strip() for column in columns for t in column if t.strip() in ("?", "-", "--", "..", "*"))
    kept = {word: None for word in words if word.lower() in known} | marks
    return style, tuple(word for word in kept if word not in PANDAS_WORDS)


def _number_column(texts: list[str]) -> Parsed | None:
    """The texts of a column as numbers; None where they are no numbers."""
    parsed = parse(texts)
    least = 1 if not parsed.unit and parsed.style == STYLES[0] else 2
    return parsed if len(parsed.numbers) >= least and not parsed.odd else None
