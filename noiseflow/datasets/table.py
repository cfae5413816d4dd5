"""The user's own table: a CSV or Parquet file; its columns get their types, and are encoded and standardised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Len
from pydantic import StringConstraints

from noiseflow.base.values import ColumnName, Fields, FilePath, Label, setting
from noiseflow.datasets.data import Data
from noiseflow.datasets.finite import FILE_FIELDS, FROM_FILE, Finite
from noiseflow.datasets.rows import BY_GROUP, BY_TIME, MOST_TARGETS, Rows

if TYPE_CHECKING:
    from noiseflow.datasets.facts import ColumnRead
    from noiseflow.study import Dataset


READING: Fields = {
    "separator": setting(
        Literal[",", ";", "\t", "|", " ", ":", "^"], "What is between values; a comma unless given", ";"
    ),
    "decimal": setting(Literal[".", ","], "Mark before decimals, of numbers that are text too", ","),
    "thousands": setting(Literal[",", ".", " ", "'"], "Mark between thousands", ","),
    "encoding": setting(
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z][\w-]{0,30}$")], "Of the text; UTF-8 unless given", "cp1252"
    ),
    "na_values": setting(tuple[str, ...], "Texts that mean a missing value, beside NA, null and such", ["?"]),
    "not_missing": setting(
        tuple[str, ...], "Words that are a category, though they mean a missing value else, such as NA", ["None"]
    ),
    "header": setting(Literal["none"], "That the file has none: columns are column_1, column_2 and so on", "none"),
    "skip_rows": setting(int, "Lines above the header", 2, ge=1, le=10_000),
    "sheet": setting(Label, "Of an .xlsx file; the first unless given", "prices"),
    "sample": setting(
        int,
        "Rows that are read, drawn at random by data_seed, such as of a file that is too large",
        50_000,
        ge=20,
        le=10**8,
    ),
}
ROLES: Fields = {
    "numeric": setting(tuple[ColumnName, ...], "Columns of numbers, as text too: `$9.00`, `45 %`, `1,5`", ["price"]),
    "categorical": setting(tuple[ColumnName, ...], "Columns of categories, written as numbers too", ["zip code"]),
    "ordinal": setting(
        dict[ColumnName, tuple[str, ...]],
        "Columns of ordered categories with their values, the least first: they become 0, 1, 2 …",
        {"size": ["small", "large"]},
    ),
    "group": setting(
        ColumnName, "The same as `split: group` with this `split_by`: rows that share a value stay together", "patient"
    ),
    "time": setting(ColumnName, "The same as `split: time` with this `split_by`: the latest rows test", "date"),
    "test_path": setting(FilePath, "A file like `path` with the rows that test", "test.csv"),
    "tidy": setting(bool, "Whether texts that differ in blanks, capitals or a mark at their end only are one", True),
    "set_aside": setting(
        tuple[Literal["missing_target", "rare_classes", "duplicates"], ...],
        "Rows that are left out and counted: without a target, the only one of their class, equal to another",
        ["missing_target"],
    ),
}


class Table(Finite):
    """A CSV or Parquet file; `table_rows` makes rows of numbers of it."""

    name = "table"
    sentence = "a file with a table, such as .csv, .xlsx or .parquet"
    settings = {
        **FROM_FILE,
        "target": ...,
        "split_by": None,
        "drop": None,
        "missing": "refuse",
        **dict.fromkeys((*READING, *ROLES)),
    }
    fields = {
        **Finite.fields,
        **FILE_FIELDS,
        "target": setting(
            ColumnName | Annotated[tuple[ColumnName, ...], Len(2, MOST_TARGETS)],
            "Column that is predicted, or several: of numbers, or of labels with two values each",
            "price",
        ),
        "split_by": setting(ColumnName, "Column that names the group, the time, or which rows test", "patient"),
        "drop": setting(tuple[ColumnName, ...], "Columns that are left out, such as names of rows", ["name", "born"]),
        **ROLES,
        **READING,
    }
    is_users_file = True

    def normalized(self, data: dict[str, Any]) -> dict[str, Any]:
        """The settings with `group` and `time` written as `split` and `split_by`, and a given test as a split."""
        for key, splits in (("group", BY_GROUP), ("time", BY_TIME)):
            if (name := data.get(key)) and data.get("split") in (None, *splits) and data.get("split_by") is None:
                data = {**data, "split": data.get("split") or key, "split_by": name, key: None}
        return {**data, "split": "given"} if data.get("test_path") and not data.get("split") else data

    def rules(self, dataset: Dataset) -> Iterator[tuple[str, str]]:
        """Each column has one part to play."""
        yield from super().rules(dataset)
        if dataset.group or dataset.time:
            yield "split", "must have one of group, time, and split with split_by"
        if dataset.split_by and dataset.split not in (*BY_GROUP, *BY_TIME, "given"):
            yield "split", f"must be split by {', '.join((*BY_GROUP, *BY_TIME))} or given to have split_by"
        if dataset.test_path and (dataset.split != "given" or dataset.split_by):
            yield "split", "must leave out split and split_by where test_path is given"
        if len(set(dataset.targets)) < len(dataset.targets):
            yield "target", "must name each of several targets once"
        if dataset.split_by in dataset.targets:
            yield "split", "must have another column in split_by than in target"
        if {*dataset.targets, dataset.split_by} & set(dataset.drop or ()):
            yield "drop", "must not drop the columns of target and split_by"
        named = [
            *(dataset.numeric or ()),
            *(dataset.categorical or ()),
            *(dataset.ordinal or ()),
            *(dataset.drop or ()),
        ]
        if len(set(named)) < len(named):
            yield "drop", "must name a column once under numeric, categorical, ordinal and drop"
        if dataset.thousands and dataset.thousands == (dataset.decimal or "."):
            yield "thousands", "must have another mark in thousands than in decimal"

    def rows(self, dataset: Dataset) -> Rows:
        from noiseflow.datasets.table_rows import read

        return read(dataset).rows

    def split_data(self, dataset: Dataset, data_seed: int) -> Data:
        """One split of the table, encoded and standardised by what the training rows say."""
        from noiseflow.datasets.table_rows import table_data

        return table_data(dataset, data_seed)

    def entries(self, dataset: Dataset) -> tuple[tuple[str, bool], ...]:
        """The numeric columns, then one for each category, under the name of the column that it is from."""
        from noiseflow.datasets.table_rows import read

        table = read(dataset)
        categories = [(name, False) for name, found in table.categories.items() for _ in found]
        return (*((name, True) for name in table.numeric), *categories)

    def columns(self, dataset: Dataset) -> Iterable[ColumnRead]:
        from noiseflow.datasets.table_facts import table_columns

        return table_columns(dataset)

    def aside(self, dataset: Dataset) -> Mapping[str, int]:
        from noiseflow.datasets.preparation import prepare_table

        return prepare_table(dataset).aside

    def cautions(self, dataset: Dataset) -> list[str]:
        """Columns that were probably read as the wrong type, and doubled rows."""
        from noiseflow.datasets.table_facts import table_cautions

        return table_cautions(dataset)
