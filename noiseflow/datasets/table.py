"""A table of one's own: a CSV or Parquet file whose columns are told apart, encoded and standardised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from noiseflow.base.values import Label, setting
from noiseflow.datasets.data import Data
from noiseflow.datasets.finite import FILE_FIELDS, FROM_FILE, Finite
from noiseflow.datasets.rows import Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Table(Finite):
    """A CSV or Parquet file; `table_rows` makes rows of numbers of it."""

    name = "table"
    sentence = "a CSV or Parquet file"
    settings = {**FROM_FILE, "target": ..., "split_by": None, "drop": None, "missing": "refuse"}
    fields = {
        **Finite.fields,
        **FILE_FIELDS,
        "target": setting(Label, "Column that is predicted", "price"),
        "split_by": setting(Label, "Column that names the group, or the time", "patient"),
        "drop": setting(tuple[Label, ...], "Columns that are left out, such as names of rows", ["name", "born"]),
        "missing": setting(
            Literal["refuse", "impute"],
            "Missing values: refused, or imputed by the training rows' median or commonest value",
            "impute",
        ),
    }
    is_users_file = True

    def rules(self, dataset: Dataset) -> Iterator[tuple[str, str]]:
        """Each column has one part to play."""
        yield from super().rules(dataset)
        if dataset.split_by and dataset.split not in ("group", "time"):
            yield "split", "must be split by group or time to have split_by"
        if dataset.target == dataset.split_by:
            yield "split", "must have another column in split_by than in target"
        if {dataset.target, dataset.split_by} & set(dataset.drop or ()):
            yield "drop", "must not drop the columns of target and split_by"

    def rows(self, dataset: Dataset) -> Rows:
        from noiseflow.datasets.table_rows import read

        return read(dataset).rows

    def data(self, dataset: Dataset, data_seed: int) -> Data:
        """One split of the table, encoded and standardised by what the training rows say."""
        from noiseflow.datasets.table_rows import table_data

        return table_data(dataset, data_seed)

    def columns(self, dataset: Dataset) -> tuple[tuple[str, bool], ...]:
        """The numeric columns, then one for each category, which bears the name of the column that it is from."""
        from noiseflow.datasets.table_rows import read

        table = read(dataset)
        categories = [(name, False) for name, found in table.categories.items() for _ in found]
        return (*((name, True) for name in table.numeric), *categories)

    def cautions(self, dataset: Dataset) -> list[str]:
        """Columns that number the rows."""
        from noiseflow.datasets.columns import is_counter

        X = self.rows(dataset).X
        found = [str(name) for name in X.columns if is_counter(X[name])]
        if not found:
            return []
        names = ", ".join(map(repr, found))
        return [f"{names} counts the rows. Unless that means something, remove it: the order may give the target away."]
