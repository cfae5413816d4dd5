"""Rows to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from noiseflow.scores import SCORES, Score, Task, score_named, scores_of
from noiseflow.spec.base import FilePath, Label, NamedPart, Seed, Setting, fault, settings_of_kind

TASK_NAMES: tuple[Task, ...] = get_args(Task)
if TYPE_CHECKING:
    ScoreName = str
else:
    ScoreName = Literal[tuple(score.name for score in SCORES)]
TASKS: dict[str, Task] = {
    **dict.fromkeys(("circles", "moons", "waves", "digits", "wine", "breast_cancer"), "classification"),
    **dict.fromkeys(("friedman1", "diabetes"), "regression"),
}

_FRESH: dict[str, Any] = {"n_eval": None}
_SPLIT: dict[str, Any] = {"n_train": None, "test_fraction": 0.3, "standardize": True, "split": None}
_ROWS: dict[str, Any] = {**_SPLIT, "path": ..., "task": ...}
SETTINGS: dict[str, dict[str, Any]] = {
    "circles": {"n_samples": 100, "n_train": 30, "noise": 0.1, "factor": 0.8, **_FRESH},
    "moons": {"n_samples": 100, "n_train": 30, "noise": 0.3, **_FRESH},
    "friedman1": {"n_samples": 150, "n_train": 50, "noise": 1.0, "n_features": 10, "standardize": True, **_FRESH},
    "waves": {"n_samples": 160, "n_train": 60, "noise": 1.0, "length": 20, **_FRESH},
    "digits": _SPLIT,
    "wine": _SPLIT,
    "breast_cancer": _SPLIT,
    "diabetes": _SPLIT,
    "table": {**_ROWS, "target": ..., "split_by": None, "drop": None, "missing": "refuse"},
    "arrays": _ROWS,
    "entry_point": {"entry_point": ..., "task": ..., "settings": {}, "finite": False},
}
"""The settings of each kind with their defaults; `...` where one must be given."""
MAX_VALUES = 100_000_000
"""Most numbers that a generator makes at once, 0.8 GB."""
EVERYWHERE = ("kind", "label", "data_seed", "score", "epochs")


class Dataset(NamedPart):
    """Rows to learn from: a generator's or a table's name, and its settings."""

    kind: Literal[
        "circles", "moons", "friedman1", "waves", "digits", "wine", "breast_cancer", "diabetes", "table", "arrays",
        "entry_point",
    ] = Field(
        description="circles, moons and friedman1 are scikit-learn's generators, waves are noisy sinusoids of two "
        "frequencies; digits, wine, breast_cancer and diabetes ship with scikit-learn; table is a CSV or Parquet file, "
        "arrays an .npz file with X and y, entry_point a function of an installed package"
    )  # fmt: skip
    data_seed: Seed = Field(1, description="Seed of the data; with other designs than replicate, the first of them")
    score: ScoreName | None = Field(
        None,
        description=f"What is compared; {' or '.join(scores_of(task)[0].name for task in TASK_NAMES)} unless given",
    )
    epochs: int | None = Field(
        None, ge=1, le=10_000_000, description="Passes over its training rows, instead of those of the training"
    )
    n_samples: int | None = Field(None, ge=4, le=1_000_000, description="Rows generated in all")
    n_train: int | None = Field(None, ge=2, description="Rows that train; the others test")
    n_eval: int | None = Field(None, ge=100, le=10_000_000, description="Fresh rows that are scored, if any")
    noise: float | None = Field(None, ge=0, le=100, description="Standard deviation of the noise of the coordinates")
    factor: float | None = Field(None, ge=0, lt=1, description="Radius of the inner circle; the outer one's is 1")
    n_features: int | None = Field(None, ge=5, le=10_000, description="Features of friedman1; five of them matter")
    length: int | None = Field(None, ge=4, le=10_000, description="Steps of a wave")
    path: FilePath | None = Field(None, description="The file; relative to the study file")
    target: Label | None = Field(None, description="Column that is predicted")
    task: Task | None = Field(None, description="What is learnt")
    test_fraction: float | None = Field(None, gt=0, lt=1, description="Share of the rows that test")
    split: Literal["stratified", "random", "group", "time"] | None = Field(
        None, description="How rows are split; stratified for classification, else random, unless given"
    )
    split_by: Label | None = Field(None, description="Column that names the group, or the time")
    drop: tuple[Label, ...] | None = Field(None, description="Columns that are left out, such as names of rows")
    standardize: bool | None = Field(
        None,
        description="Whether features, and the target of a regression, get mean 0 and stddev 1 on the training rows",
    )
    missing: Literal["refuse", "impute"] | None = Field(
        None, description="Missing values: refused, or imputed by the training rows' median or commonest value"
    )
    entry_point: Label | None = Field(None, description="Name in the entry-point group noiseflow.datasets")
    settings: dict[str, Setting] | None = Field(None, description="Arguments of the entry point")
    finite: bool | None = Field(
        None, description="Whether another data seed splits the same rows again, rather than bring fresh ones"
    )

    @model_validator(mode="before")
    @classmethod
    def _settings_of_its_kind(cls, data: Any) -> Any:
        return settings_of_kind(data, SETTINGS, [*cls.model_fields], EVERYWHERE)

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.n_samples is not None and self.n_train is not None and self.n_train > self.n_samples - 2:
            raise fault("rows", f"n_train must leave 2 rows for the test: at most {self.n_samples - 2}")
        if max(self.n_samples or 0, self.n_eval or 0) * self.n_values > MAX_VALUES:
            raise fault("rows", f"must make at most {MAX_VALUES:,} numbers, {self.n_values:,} for each row")
        if self.scored_by.task != self.of_task:
            known = ", ".join(score.name for score in scores_of(self.of_task))
            raise fault("score", f"must have one of the scores of a {self.of_task}, {known}")
        if self.split == "stratified" and self.of_task == "regression":
            raise fault("split", "must be a classification to be split stratified")
        if self.split in ("group", "time") and not self.split_by:
            raise fault("split", f"must be a table with split_by to be split by {self.split}")
        if self.split_by and self.split not in ("group", "time"):
            raise fault("split", "must be split by group or time to have split_by")
        if self.target and self.target == self.split_by:
            raise fault("split", "must have another column in split_by than in target")
        if {self.target, self.split_by} & set(self.drop or ()):
            raise fault("drop", "must not drop the columns of target and split_by")
        return self

    @property
    def of_task(self) -> Task:
        """What is learnt, given or by its kind."""
        return self.task or TASKS[self.kind]

    @property
    def n_values(self) -> int:
        """Numbers in each row that a generator makes."""
        return self.n_features or self.length or 2

    @property
    def scored_by(self) -> Score:
        """The score, given or by the task."""
        return score_named(self.score) if self.score else scores_of(self.of_task)[0]

    @property
    def score_name(self) -> str:
        """What tables call the score, larger being better: that of a loss is its negative, `-log_loss` or `-rmse`."""
        return self.scored_by.column

    @property
    def is_finite(self) -> bool:
        """Whether another data seed splits the same rows again, rather than bring fresh ones."""
        return self.finite is True or "test_fraction" in SETTINGS[self.kind]

    @property
    def split_kind(self) -> str:
        """How rows are split, given or by the task."""
        return self.split or ("stratified" if self.of_task == "classification" else "random")

    @property
    def is_split_once(self) -> bool:
        """Whether there is one split only, whatever the data seed."""
        return self.split == "time"
