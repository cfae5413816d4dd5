"""What a section of the report is: one finding with its table, its pictures and its sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from noiseflow.report.evidence import Evidence, telling_names
from noiseflow.report.picture import Picture
from noiseflow.report.selection import CLEAREST, clearest
from noiseflow.report.tables import Columns, Table
from noiseflow.wording import NOTHING, Row

WHOLE, FOLDED = 150, 40  # rows up to which a table is shown whole; that a longer one is folded to


@dataclass(frozen=True)
class TableForm:
    """How a finding becomes a table.

    Attributes:
        place: `summary` is under "Summary", `answer` comes after it and before the pictures, `details` after the pictures.
        names: columns that name a row.
        columns: header to text of a row.
        n_words: how many of these hold words, the first ones.
        note: how to read it.
        file: where all rows are.
    """

    place: Literal["summary", "answer", "details"]
    names: tuple[str, ...]
    columns: Callable[[Evidence], Columns]
    n_words: int
    note: str | Callable[[Evidence], str]
    file: str


@dataclass(frozen=True)
class Section:
    """A section of the report; a part that it does not have must be given as None.

    Attributes:
        title: heading of its table; it is not shown without one.
        finding: rows of its table; without rows there is no table. Pictures and limits are asked all the same.
        table: how these rows become a table.
        pictures: pictures with their captions, and sentences on what is not drawn.
        limits: sentences on what the finding does not show.
    """

    title: str
    finding: Callable[[Evidence], pd.DataFrame]
    table: TableForm | None
    pictures: Callable[[Evidence], Iterator[Picture | str]] | None
    limits: Callable[[Evidence], list[str]] | None


@dataclass(frozen=True)
class PageTable:
    """A section's table on the page."""

    title: str
    table: Table
    note: str


def parts_of(section: Section, evidence: Evidence, whole: int = WHOLE, folded: int = FOLDED) -> list[PageTable]:
    """The section's table and note, if it has any; a table of more rows than `whole` is folded and says so.

    Columns without a value in any row are left out.
    """
    form = section.table
    if form is None or (frame := section.finding(evidence)).empty:
        return []
    columns = form.columns(evidence)
    named = [*(telling_names(frame) if "dataset" in frame else []), *form.names]
    shown = frame if len(frame) <= whole else clearest(frame, folded)
    texts = [*({name.capitalize(): _text_of(name) for name in named} | dict(columns)).items()]
    every = frame.to_dict("records")
    kept = [k for k, (_, text) in enumerate(texts) if k < len(named) or any(text(row) != NOTHING for row in every)]
    n_left = sum(k < len(named) + form.n_words for k in kept)
    rows = [[texts[k][1](row) for k in kept] for row in shown.to_dict("records")]
    note = form.note if isinstance(form.note, str) else form.note(evidence)
    if len(shown) < len(frame):
        which = CLEAREST if "difference_mean" in frame else "the first ones"
        note = f"{note} These are {len(shown):,} of {len(frame):,} rows: {which}. All are in {form.file}.".strip()
    table = Table([texts[k][0] for k in kept], rows, len(named), n_left)
    return [PageTable(section.title, table, note)]


def _text_of(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name])
