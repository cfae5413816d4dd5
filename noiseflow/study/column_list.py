"""The columns of a table with a guess for each: what `noiseflow init my.csv` lists where no target is named."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import pandas as pd

from noiseflow.base.faults import InvalidInputError, printable
from noiseflow.base.program import command
from noiseflow.datasets.files import N_ROWS
from noiseflow.datasets.guesses import FEATURES, Guess, guess_column
from noiseflow.study.choosing import guess_task, see_file
from noiseflow.study.choosing_table import read_as_guessed, see_target

MOST_ROWS = 30
"""Columns that are listed; of more the first and the last ones are, where targets mostly are."""
_LAST = 5
_LONGEST = 24
_READ_AS = {
    "number": "numbers",
    "date": "dates",
    "time": "times",
    "group": "names that rows share",
    "identifier": "names of rows",
    "constant": "one value",
    "empty": "no values",
    "other": "no numbers, no text",
}


@dataclass(frozen=True)
class ListedColumn:
    """A column of a table before anything is chosen.

    Attributes:
        name: of the column.
        read_as: what it would be read as.
        missing: rows without a value.
        example: its first value.
        as_target: the task that it would make as the target; empty where nothing could be predicted.
    """

    name: str
    read_as: str
    missing: int
    example: str
    as_target: str


def column_lines(path: str) -> list[str]:
    """The columns of a table as lines, in the order of the file, and how to go on; of many columns some are shown.

    Raises:
        InvalidInputError: the file is faulty.
    """
    see_file(path)
    frame = read_as_guessed(path)
    n_rows, n_columns = int(frame.attrs.get(N_ROWS, len(frame))), frame.shape[1]
    drawn = f"; what follows is of {len(frame):,} rows, drawn at random" if len(frame) < n_rows else ""
    folded = n_columns > MOST_ROWS
    places = [*range(MOST_ROWS - _LAST), *range(n_columns - _LAST, n_columns)] if folded else range(n_columns)
    lines = _table([_listed(frame.iloc[:, at]) for at in places])
    if folded:
        lines.insert(1 + MOST_ROWS - _LAST, f"… {n_columns - MOST_ROWS:,} more columns")
    return [
        f"{_number(n_rows, 'row')}, {_number(n_columns, 'column')}{drawn}",
        "",
        *map(printable, lines),
        "",
        "Name the column that is to be predicted:",
        "",
        f"  {command()} init {shlex.quote(path)} --target COLUMN",
    ]


def _table(columns: list[ListedColumn]) -> list[str]:
    """A head and a line for each column."""
    head = ("column", "read as", "missing", "example", "as the target")
    rows = [(_short(c.name), c.read_as, f"{c.missing:,}", _short(c.example), c.as_target) for c in columns]
    widths = [max(map(len, cells)) for cells in zip(head, *rows, strict=True)]
    aligned = [
        [
            cell.rjust(width) if at == "missing" else cell.ljust(width)
            for at, cell, width in zip(head, row, widths, strict=True)
        ]
        for row in (head, *rows)
    ]
    return ["  ".join(row).rstrip() for row in aligned]


def _listed(column: pd.Series[Any]) -> ListedColumn:
    guess, values = guess_column(column), column.dropna()
    return ListedColumn(
        name=str(column.name),
        read_as=_read_as(guess, values),
        missing=len(column) - len(values),
        example=str(values.iloc[0]) if len(values) else "",
        as_target=_as_target(column, guess),
    )


def _read_as(guess: Guess, values: pd.Series[Any]) -> str:
    if guess.kind == "category":
        return f"category, {values.astype(object).nunique():,} levels"
    return _READ_AS.get(guess.kind, guess.kind)


def _as_target(column: pd.Series[Any], guess: Guess) -> str:
    """The task of a column that can be learnt from; nothing where it is refused as a target."""
    if guess.kind not in FEATURES:
        return ""
    task = "regression" if guess.parsed else guess_task(column)
    try:
        see_target(column, task)
    except InvalidInputError:
        return ""
    return task if task == "regression" else f"classification, {column.astype(object).nunique():,} classes"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _number(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
