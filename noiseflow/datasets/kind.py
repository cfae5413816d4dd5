"""What a kind of dataset is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from noiseflow.base.values import Fields, Label, Setting, setting
from noiseflow.datasets.data import Array, Data
from noiseflow.datasets.rows import Index, inner_split
from noiseflow.scores import Task

if TYPE_CHECKING:
    from noiseflow.datasets.facts import ColumnRead
    from noiseflow.study import Dataset

N_TRAIN: Fields = {"n_train": setting(int, "Rows that train; the others test", 30, ge=2)}
STANDARDIZE: Fields = {
    "standardize": setting(
        bool, "Whether features, and the target of a regression, get mean 0 and stddev 1 on the training rows", True
    )
}
TASK: Fields = {"task": setting(Task, "What is learnt", "regression")}
ENTRY_POINT: Fields = {
    "entry_point": setting(Label, "Name in the entry-point group noiseflow.datasets", "example-spirals"),
    "settings": setting(dict[str, Setting], "Arguments of the entry point", {"n_train": 60}),
}


class DatasetKind:
    """A kind of dataset; each is a class in its own file, and a line in `DATASETS`.

    Attributes:
        name: as a study writes it.
        sentence: what it is, for the docs.
        task: what is learnt; None where the study says it.
        settings: the settings that it has with their defaults; `...` where one must be given, None where it may stay open.
        fields: their fields of the record `Dataset`, each with limits, a description and an example; all may be None. A field
            that two kinds have is one object, which both import, as `NOISE` of `generated.py`.
        is_users_file: whether the rows are in a file of the user's.
    """

    name: str
    sentence: str
    task: Task | None = None
    settings: Mapping[str, Any]
    fields: Fields
    is_users_file: bool = False

    def normalized(self, data: dict[str, Any]) -> dict[str, Any]:
        """The settings with those that are short for others written out."""
        return data

    def rules(self, dataset: Dataset) -> Iterator[tuple[str, str]]:
        """What does not go together in the settings of a dataset: the kind of fault, and what must hold."""
        yield from ()

    def is_finite(self, dataset: Dataset) -> bool:
        """Whether another data seed splits the same rows again, rather than bring fresh ones."""
        return False

    def inner_split(self, dataset: Dataset, data_seed: int, data: Data, number: int) -> tuple[Index, Index]:
        """Positions of a data seed's training rows that train and of those that validate; others for each number."""
        del dataset
        return inner_split(data.y_train, data.n_classes > 0, [data_seed, number])

    def data(self, dataset: Dataset, data_seed: int) -> Data:
        """The rows for one data seed; the same for the same arguments, as many whatever the data seed.

        Raises:
            InvalidInputError: its file or entry point is faulty.
        """
        raise NotImplementedError

    def faults(self, dataset: Dataset, data_seeds: Sequence[int]) -> list[str]:
        """What is wrong with the rows of these data seeds, as sentences that begin with a setting.

        Raises:
            InvalidInputError: its file or entry point is faulty.
        """
        raise NotImplementedError

    def entries(self, dataset: Dataset) -> tuple[tuple[str, bool], ...] | None:
        """Name of each entry of a row's last axis, and whether it is numeric rather than one of a category's; None without.

        Raises:
            InvalidInputError, OSError: its file is faulty.
        """
        return None

    def labels(self, dataset: Dataset) -> tuple[str, ...]:
        """The labels of the class indices; empty where these have no other names, and for a regression."""
        return ()

    def columns(self, dataset: Dataset) -> Iterable[ColumnRead]:
        """What each column of a table is used as."""
        return ()

    def aside(self, dataset: Dataset) -> Mapping[str, int]:
        """How many rows were set aside, by the reason."""
        return {}

    def cautions(self, dataset: Dataset) -> list[str]:
        """What a reader of the results should know about these rows, beyond what is said of all datasets."""
        return []

    def has_rule(self, dataset: Dataset) -> bool:
        """Whether the best possible rule is known, as the law that the rows come from is."""
        return False

    def rule(self, dataset: Dataset, X: Array) -> Array:
        """The class that the best possible rule gives each row: (n_rows,)."""
        raise NotImplementedError

    def rule_accuracy(self, dataset: Dataset) -> float:
        """How often the best possible rule is right on endlessly many rows, a fraction."""
        raise NotImplementedError
