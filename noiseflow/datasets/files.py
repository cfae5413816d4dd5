"""A table from a user's file of any form: nothing in it is executed, and what is wrong with it is said in a sentence."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from noiseflow.base.faults import InvalidInputError, one_line
from noiseflow.base.user_files import check_directory, open_file
from noiseflow.datasets import file_limits
from noiseflow.datasets.file_limits import (
    MAX_NUMBERS,
    ROWS_AT_ONCE,
    SAMPLED_SUFFIXES,
    check_file,
    check_kinds,
    check_unpacked,
    check_values,
    check_width,
    file_fault,
    refuse_unpacked,
    take_sample,
)
from noiseflow.datasets.packed import BROKEN, PACKED, TEXT_SUFFIXES, streamed, suffix_of, unpacked
from noiseflow.datasets.samples import LONGEST_ROW, RowTooLongError, drawn_rows, drawn_text
from noiseflow.datasets.text_files import (
    MAX_HEADER,
    SEPARATORS,
    Reading,
    distinct,
    header_of,
    is_wide,
    na_options,
    plain_name,
    rows_of,
    words_kept,
)
from noiseflow.datasets.text_guesses import guess_text

N_ROWS = "rows of the file"
"""Attribute of a frame that is a sample of a file's rows: how many there are."""
_LOOKED_AT = 50  # rows of a sheet from which its form is guessed


def read_table(path: str, reading: Reading = Reading()) -> pd.DataFrame:  # noqa: B008 - frozen
    """The table of a file; not to be changed, as it is kept for the next caller.

    Raises:
        InvalidInputError: it cannot be read; the sentence begins with `path must`.
    """
    return _read_table(path, reading, *stamp(path, is_sampled=reading.sample is not None))


def stamp(path: str, *, is_sampled: bool = False) -> tuple[int, int]:
    """When a table's file was changed, and its size.

    Args:
        is_sampled: whether only a sample of its rows is kept.

    Raises:
        InvalidInputError: it cannot be looked at, or is too large.
    """
    return check_file(
        path,
        SUFFIXES,
        file_limits.MAX_SAMPLED if is_sampled and suffix_of(path) in SAMPLED_SUFFIXES else file_limits.MAX_BYTES,
    )


def is_too_large(path: str, reading: Reading) -> bool:
    """Whether a file is only read if a sample of its rows is asked for."""
    try:
        read_table(path, reading)
    except InvalidInputError as error:
        return any("set sample" in fault for fault in error.faults)
    return False


@lru_cache(maxsize=4)
def _read_table(path: str, reading: Reading, _modified: int, _size: int) -> pd.DataFrame:
    try:
        with open_file(path) as file:  # an open file: pandas would fetch a path that is an address
            frame = FORMATS[suffix_of(path)](path, file, reading)
    except InvalidInputError:
        raise
    except UnicodeError as error:
        fix = _hint(path, reading) or "Set encoding: cp1252 (or shift_jis, gb18030, utf-16), or save it as UTF-8."
        raise file_fault(path, "be a table", f"whose text is not UTF-8 ({error})", fix) from None
    except Exception as error:  # noqa: BLE001 - whatever a bad file makes a parser raise, the file is at fault
        fix = _hint(path, reading) or "See that each row has as many values as the header has names."
        fix = "Pack it again, or fetch it again." if suffix_of(path).endswith((*PACKED,)) and _is_broken(error) else fix
        raise file_fault(path, "be a table", f"which cannot be read: {_error_text(error)}", fix) from None
    empty = [name for name in frame.columns if re.fullmatch(r"Unnamed: \d+", str(name)) and frame[name].isna().all()]
    frame = frame.drop(columns=empty)  # of a mark at the end of each line
    _check_frame(path, frame, reading)
    if reading.sample and N_ROWS not in frame.attrs:
        rows = frame.iloc[drawn_rows(len(frame), reading.sample, reading.drawn_by)].reset_index(drop=True)
        rows.attrs[N_ROWS], frame = len(frame), rows
    return frame.set_axis(distinct([str(name).strip() for name in frame.columns]), axis=1)


def _is_broken(error: Exception) -> bool:
    """Whether a packed file is at fault, and not what is in it."""
    return isinstance(error, (*BROKEN, OSError))


def _error_text(error: Exception) -> str:
    """What pandas says of a file, less what it says of itself."""
    if isinstance(error, pd.errors.ParserWarning):
        return "a row has more values than the header has names"
    return one_line(error).removeprefix("Error tokenizing data. C error: ")


def _hint(path: str, reading: Reading) -> str:
    """Which keys would read a text file, where others than the given ones would."""
    if suffix_of(path) not in TEXT_SUFFIXES:
        return ""
    try:
        guessed = guess_text(path)[0].keys()
    except Exception:  # noqa: BLE001 - the message that is being made says so
        return ""
    form = ("separator", "encoding", "skip_rows", "header")
    keys = {name: value for name, value in guessed.items() if name in form and getattr(reading, name) != value}
    lines = ", ".join(f"{name}: {json.dumps(value)}" for name, value in keys.items())
    separated = (
        f" It looks as if values were separated by {SEPARATORS[keys['separator']]}." if "separator" in keys else ""
    )
    return f"Set {lines} (or let `noiseflow init` do it).{separated}" if keys else ""


def _read_text(path: str, packed: BinaryIO, reading: Reading) -> pd.DataFrame:
    if reading.sample is None:
        return _parsed(path, unpacked(path, packed, file_limits.MAX_BYTES), reading)
    if is_wide(reading.encoding):
        raise file_fault(
            path, "be text in one byte a letter to be sampled", f"of {reading.encoding}", "Save it as UTF-8."
        )
    n_head = (reading.skip_rows or 0) + (reading.header != "none")
    try:
        text, n_rows = drawn_text(streamed(path, packed), reading.sample, reading.drawn_by, n_head)
    except RowTooLongError:
        received = f"where a row has over {LONGEST_ROW:,} bytes"
        raise file_fault(path, "have rows that end", received, "Look for a quote that is not closed.") from None
    frame = _parsed(path, io.BytesIO(text), reading)
    frame.attrs[N_ROWS] = n_rows
    return frame


def _parsed(path: str, file: BinaryIO, reading: Reading) -> pd.DataFrame:
    head = file.read(MAX_HEADER)
    if b"\0" in head and not is_wide(reading.encoding):
        fix = _hint(path, reading) if head.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
        raise file_fault(path, "be a table", "which holds binary data", fix or "Save it as text with commas.")
    if b"\n" not in head and len(head) == MAX_HEADER:
        raise file_fault(path, "be a table", f"whose first line is over {MAX_HEADER:,} bytes", "Give it fewer columns.")
    if isinstance(file, io.BytesIO):
        refuse_unpacked(path, file.seek(0, 2))
    file.seek(0)
    names = header_of(file, path, reading)
    _check_columns(path, names)
    check_values(path, file, len(names))
    file.seek(0)
    return rows_of(file, path, reading).rename(columns=plain_name)


def _read_feather(path: str, file: BinaryIO, _: Reading) -> pd.DataFrame:
    reader = pa.ipc.open_file(file)
    batches, n_bytes = [], 0
    for i in range(reader.num_record_batches):
        batches.append(reader.get_batch(i))
        n_bytes += batches[-1].nbytes
        refuse_unpacked(path, n_bytes)
    return _finished(path, pa.Table.from_batches(batches, reader.schema).to_pandas())


def _read_excel(path: str, file: BinaryIO, reading: Reading) -> pd.DataFrame:
    _check_workbook(path, file)
    options: dict[str, Any] = {"skiprows": reading.skip_rows or 0, **na_options(reading)}
    options |= {"header": None} if reading.header == "none" else {}
    frame = words_kept(pd.read_excel(file, sheet_name=reading.sheet or 0, engine="openpyxl", **options), reading)
    named = [f"column_{i}" for i in range(1, len(frame.columns) + 1)]
    return _finished(path, frame.set_axis(named, axis=1) if reading.header == "none" else frame)


def _check_workbook(path: str, file: BinaryIO) -> None:
    check_directory(file)
    with zipfile.ZipFile(file) as archive:
        refuse_unpacked(path, sum(member.file_size for member in archive.infolist()))


def guess_sheet(path: str) -> tuple[Reading, dict[str, str]]:
    """Which sheet of an Excel file seems to hold the table, and below how many rows, where that is not usual; and why."""
    found: dict[str, Any] = {}
    why: dict[str, str] = {}
    try:
        with open_file(path) as file:
            _check_workbook(path, file)
            sheets = pd.read_excel(file, sheet_name=None, header=None, nrows=_LOOKED_AT, engine="openpyxl")
    except Exception:  # noqa: BLE001 - reading says what is wrong
        return Reading(), {}
    usable = [name for name, cells in sheets.items() if len(cells.columns) > 1 and len(cells) > 1]
    if usable and usable[0] != next(iter(sheets)):
        found["sheet"], why["sheet"] = usable[0], "The first sheet with a table."
    cells = sheets[usable[0] if usable else next(iter(sheets))]
    filled = cells.notna().sum(axis=1).to_numpy()
    first = int((filled > max(1, len(cells.columns) // 2)).argmax())
    if first:
        found["skip_rows"] = first
        why["skip_rows"] = f"The table begins below {first} row{'s' * (first > 1)} of other text."
    return Reading(**found), why


def _read_lines(path: str, file: BinaryIO, _: Reading) -> pd.DataFrame:
    is_whole = suffix_of(path) == ".json"
    rows = json.load(file) if is_whole else [json.loads(line) for line in file if line.strip()]
    if isinstance(rows, dict):
        tables = [value for value in rows.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        is_columns = len({len(value) if isinstance(value, list) else -1 for value in rows.values()} | {-1}) == 2
        rows = tables[0] if len(tables) == 1 else pd.DataFrame(rows).to_dict("records") if is_columns else rows
    if not isinstance(rows, list):
        raise file_fault(path, "be a list of rows", f"which is a {type(rows).__name__}", 'Save it as [{"a": 1}, ...].')
    nested = any(isinstance(value, dict) for row in rows if isinstance(row, dict) for value in row.values())
    return _finished(path, pd.json_normalize(rows, sep=".") if nested else pd.DataFrame(rows))


def _read_stata(path: str, file: BinaryIO, _: Reading) -> pd.DataFrame:
    try:
        frame = pd.read_stata(file)
    except ValueError as error:
        if "not unique" not in str(error):
            raise
        file.seek(0)  # two codes have one label
        frame = pd.read_stata(file, convert_categoricals=False)
    return _finished(path, frame)


def _read_arff(path: str, file: BinaryIO, _: Reading) -> pd.DataFrame:
    from scipy.io import arff

    rows, _about = arff.loadarff(io.StringIO(file.read().decode("utf-8")))
    frame = pd.DataFrame(rows)
    texts = {name: frame[name].str.decode("utf-8") for name in frame.columns if frame[name].dtype == object}
    return _finished(path, frame.assign(**{name: text.where(text != "?") for name, text in texts.items()}))


def _read_parquet(path: str, file: BinaryIO, reading: Reading) -> pd.DataFrame:
    file.seek(-8, 2)
    length, mark = struct.unpack("<I4s", file.read(8))
    if mark != b"PAR1":
        raise file_fault(path, "be a table", "which is no Parquet file", "Save it again, or as .csv.")
    if length > MAX_HEADER * 8:
        raise file_fault(path, "be a table", f"whose footer has {length:,} bytes", "Give it fewer columns.")
    if reading.sample is not None:
        return _sampled_parquet(path, file, reading.sample, reading.drawn_by)
    check_unpacked(path, file)
    return _finished(path, pd.read_parquet(file))


def _sampled_parquet(path: str, file: BinaryIO, n: int, seed: int) -> pd.DataFrame:
    table = pq.ParquetFile(file)
    check_kinds(path, table)
    n_rows = table.metadata.num_rows
    drawn, first, n_bytes, parts = drawn_rows(n_rows, n, seed), 0, 0, []
    for rows in table.iter_batches(ROWS_AT_ONCE):
        here = drawn[np.searchsorted(drawn, first) : np.searchsorted(drawn, first + len(rows))]
        parts.append(rows.take(pa.array(here - first)))
        first, n_bytes = first + len(rows), n_bytes + parts[-1].nbytes
        refuse_unpacked(path, n_bytes)
    frame = _finished(path, pa.Table.from_batches(parts, table.schema_arrow).to_pandas())
    frame.attrs[N_ROWS] = n_rows
    return frame


def _finished(path: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with names of text, its named index as a column, decimals as numbers and lists of one length as columns."""
    frame = frame.reset_index(drop=list(frame.index.names) == [None])  # a named index is a column that was set aside
    frame = frame.set_axis(distinct([plain_name(name) for name in frame.columns]), axis=1)
    _check_columns(path, list(frame.columns))
    # text is decoded here, not when it is first looked at: what is no UTF-8 is the file's fault
    frame = frame.astype({name: object for name in frame.columns if isinstance(frame[name].dtype, pd.StringDtype)})
    spans = frame.select_dtypes("timedelta")
    frame = frame.assign(**{str(name): spans[name].dt.total_seconds() for name in spans})
    parts = [_single_values(path, frame[name]) for name in frame.columns if frame[name].dtype == object]
    if any(parts):
        columns = {name: {name: frame[name]} for name in frame.columns} | {part[0]: part[1] for part in parts if part}
        made = [pair for each in columns.values() for pair in each.items()]
        frame = pd.DataFrame({i: values for i, (_, values) in enumerate(made)})
        frame = frame.set_axis(distinct([name for name, _ in made]), axis=1)
        _check_columns(path, list(frame.columns))
    return frame


def _single_values(path: str, column: pd.Series[Any]) -> tuple[str, dict[str, Any]] | None:
    """The columns that a column of decimals or of lists becomes; None for others.

    Lists of one length of numbers are a column each; any other of JSON is a text.
    """
    values, name = column.dropna(), str(column.name)
    if len(values) and all(isinstance(value, Decimal) for value in values):
        return name, {name: column.astype(float)}
    if not any(isinstance(value, dict | list | np.ndarray) for value in values):
        return None
    lists = [value for value in column if isinstance(value, np.ndarray | list)]
    if len(lists) == len(column) and len({len(value) for value in lists}) == 1 and lists[0] is not None:
        if len(lists) * len(lists[0]) > MAX_NUMBERS:
            received = f"where {name!r} holds {len(lists[0]):,} numbers a row"
            raise file_fault(path, f"hold at most {MAX_NUMBERS:,} numbers", received, take_sample(path))
        with suppress(TypeError, ValueError):
            stacked = np.stack([np.asarray(value, dtype=np.float64) for value in lists])
            if stacked.ndim == 2 and not any(isinstance(value, str) for value in lists[0]):
                return name, {f"{name}_{i}": stacked[:, i] for i in range(stacked.shape[1])}
    if any(isinstance(value, np.ndarray) for value in values):  # of Parquet, which says that they are numbers
        received = f"where {name!r} holds lists of several lengths"
        raise file_fault(path, "have columns of single values", received, "Make a column of each entry.")
    return name, {name: column.map(_as_json, na_action="ignore")}


def _as_json(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value


def _check_columns(path: str, names: list[str]) -> None:
    check_width(path, len(names))
    if not all(name.isprintable() for name in names):
        fix = _hint(path, Reading()) or "Rename them."
        raise file_fault(path, "have columns with printable names", "whose first line holds others", fix)


def _check_frame(path: str, frame: pd.DataFrame, reading: Reading) -> None:
    if len(frame) == 0:
        raise file_fault(path, "have rows", "which has a header only", "Save the rows again.")
    if len(frame.columns) < 2:
        only = str(frame.columns[0]) if len(frame.columns) else ""
        received = f"whose only column is {only[:80]!r}"
        hint = _hint(path, reading) or "Add features, or set separator to what is between values."
        raise file_fault(path, "have a target and at least one feature", received, hint)


FORMATS: dict[str, Callable[[str, BinaryIO, Reading], pd.DataFrame]] = {
    ".csv": _read_text,
    ".parquet": _read_parquet,
    ".feather": _read_feather,
    ".xlsx": _read_excel,
    **dict.fromkeys((".jsonl", ".json"), _read_lines),
    ".arff": _read_arff,
    ".dta": _read_stata,
    **dict.fromkeys(TEXT_SUFFIXES, _read_text),
}
SUFFIXES = tuple(FORMATS)
"""Kinds of files that are tables."""
