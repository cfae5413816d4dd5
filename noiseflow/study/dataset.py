"""Rows to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, create_model, model_validator

from noiseflow.base.parts import NamedPart, Part, settings_of_kind
from noiseflow.base.values import Seed, fault
from noiseflow.datasets import DATASETS, dataset_kind
from noiseflow.scores import SCORES, Score, Task, score_named, scores_of

TASKS: tuple[Task, ...] = get_args(Task)
SETTINGS = {kind.name: kind.settings for kind in DATASETS}
"""The settings of each kind with their defaults; `...` where one must be given."""
EVERYWHERE = ("kind", "label", "data_seed", "score", "epochs", "corrupt")


class Corrupt(Part):
    """What is wrong in the training rows, and stays so; the test rows are clean."""

    labels: float = Field(
        gt=0,
        lt=1,
        description="Share of the training rows that get the label of another class, or in a regression the target of another "
        "row; the same rows for each data seed",
        examples=[0.2],
    )


class _DatasetRules(NamedPart):
    """Rows to learn from: a generator's or a table's name, and its settings.

    `noiseflow.datasets.DATASETS` holds the kinds, their fields and rules.
    """

    entry_points: ClassVar[str] = "noiseflow.datasets"
    data_seed: Seed = Field(
        1, description="Seed of the data; with other designs than replicate, the first of them", examples=[1]
    )
    score: str | None = None
    epochs: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Passes over its training rows, in place of the epochs under `training`",
        examples=[500],
    )

    corrupt: Corrupt | None = Field(
        None, description="What is wrong in the training rows; the test rows stay clean", examples=[{"labels": 0.2}]
    )

    @model_validator(mode="before")
    @classmethod
    def _settings_of_its_kind(cls, data: Any) -> Any:
        filled = settings_of_kind(data, SETTINGS, [*cls.model_fields], EVERYWHERE)
        is_known = isinstance(filled, dict) and isinstance(filled.get("kind"), str) and filled["kind"] in SETTINGS
        return dataset_kind(filled["kind"]).normalized(filled) if is_known else filled

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for kind, text in dataset_kind(self.kind).rules(self):  # type: ignore[arg-type] # a Dataset
            raise fault(kind, text)
        if self.scored_by.task != self.of_task:
            known = ", ".join(score.name for score in scores_of(self.of_task))
            raise fault("score", f"must have one of the scores of a {self.of_task}, {known}")
        return self

    @property
    def of_task(self) -> Task:
        """What is learnt, given or by its kind."""
        return getattr(self, "task", None) or dataset_kind(self.kind).task  # type: ignore[return-value] # one has it

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns of a table that are predicted, one or several; empty for other kinds."""
        target: str | tuple[str, ...] | None = getattr(self, "target", None)
        return (target,) if isinstance(target, str) else target or ()

    @property
    def scored_by(self) -> Score:
        """The score, given or by the task."""
        return score_named(self.score) if self.score else scores_of(self.of_task)[0]

    @property
    def score_name(self) -> str:
        """What tables call the score, larger being better; a loss is made negative, `-log_loss` or `-rmse`."""
        return self.scored_by.column

    @property
    def is_finite(self) -> bool:
        """Whether another data seed splits the same rows again, rather than bring fresh ones."""
        return dataset_kind(self.kind).is_finite(self)  # type: ignore[arg-type] # a Dataset

    @property
    def is_masked(self) -> bool:
        """Whether its rows are sequences of several lengths, with a last feature that marks the real steps."""
        return getattr(self, "padding", None) == "masked"

    @property
    def split_kind(self) -> str:
        """How rows of one target are split, given or by the task; `rows.split_kind` knows of several."""
        split: str | None = getattr(self, "split", None)
        return split or ("stratified" if self.of_task == "classification" else "random")

    @property
    def is_split_once(self) -> bool:
        """Whether there is one split only, whatever the data seed."""
        return self.split_kind in ("time", "given")


if TYPE_CHECKING:

    class Dataset(_DatasetRules):
        """Rows to learn from."""

        def __getattr__(self, name: str) -> Any: ...
else:
    Dataset = create_model(
        "Dataset",
        __base__=_DatasetRules,
        __module__=__name__,
        __doc__=_DatasetRules.__doc__,
        kind=(
            Literal[tuple(kind.name for kind in DATASETS)],
            Field(description="Which rows; the table above says what each kind is", examples=["table"]),
        ),
        score=(
            Literal[tuple(score.name for score in SCORES)] | None,
            Field(
                None,
                description=f"What is compared; {' or '.join(scores_of(task)[0].name for task in TASKS)} unless given",
                examples=["balanced_accuracy"],
            ),
        ),
        **{name: field for kind in DATASETS for name, field in kind.fields.items()},
    )
