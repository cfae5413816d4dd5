"""A part of the report that only some studies have: a title, a table, and a note that says how to read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from noiseflow.report.evidence import telling_names
from noiseflow.report.tables import Table
from noiseflow.wording import Row


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    table: Table
    note: str


@dataclass(frozen=True)
class Form:
    """How a frame becomes a section.

    header: of the columns that follow the names; texts: what stands in them, of a row; n_words: how many of them are words
    rather than numbers.
    """

    title: str
    header: tuple[str, ...]
    texts: Callable[[Row], list[str]]
    n_words: int
    note: str


def filled(form: Form, frame: pd.DataFrame, names: Sequence[str]) -> list[Section]:
    """The section of a frame, whose rows are named by these columns; none of a frame without rows."""
    if frame.empty:
        return []
    places = telling_names(frame) if "dataset" in frame else []
    columns = [*places, *names]
    rows = [[str(row[name]) for name in columns] + form.texts(row) for row in frame.to_dict("records")]
    header = [*(name.capitalize() for name in columns), *form.header]
    table = Table(header, rows, n_names=len(columns), n_left=len(columns) + form.n_words)
    return [Section(form.title, table, form.note)]
