"""A study: its parts together, and how many seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from noiseflow.base.parts import Part
from noiseflow.base.values import Fraction, Label, Text
from noiseflow.study.architecture import Architecture, Training
from noiseflow.study.claim import Claim
from noiseflow.study.consistency import faults_between, faults_of_study
from noiseflow.study.dataset import Dataset
from noiseflow.study.resources import Resources
from noiseflow.study.robustness import Robustness, as_list
from noiseflow.study.variant import Variant

CautionCode = Literal["NF001", "NF002", "NF003", "NF004", "NF005"]
"""Numbers of the report's cautions, as a study may mute them."""
ShippedStudy = Literal[
    "circles", "controls", "depth", "placement", "recipes", "smoke", "stddev-grid", "tutorial"
]  # fmt: skip
"""Names of the files in `noiseflow/study/shipped/`, as choices for Prefect's run form; a test keeps them together."""

StudyName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]


class Published(Part):
    """A single run that somebody published, to be marked on the distribution over seeds."""

    variant: Label = Field(description="Name of the variant that was run", examples=["baseline"])
    train_score: Fraction = Field(description="Its score on the training rows", examples=[1.0])
    test_score: Fraction = Field(description="Its score on the test rows", examples=[0.757])
    epochs: int | None = Field(
        None, ge=1, description="Marked only where the study trains as long; None: always", examples=[4000]
    )
    source: Text = Field(max_length=300, description="Where it was published", examples=["the tutorial's single run"])


class Study(Part):
    """A declared experiment: datasets x architectures x variants x seeds, and how to train."""

    name: StudyName = Field(description="Folder of its results, and prefix of its artifacts", examples=["mine"])
    purpose: Text = Field(
        "", max_length=500, description="What it asks, in a line", examples=["Does noise help on my table?"]
    )
    design: Literal["replicate", "resample", "crossed"] = Field(
        "replicate",
        description="replicate: the data is fixed, seeds vary; resample: each seed has its own data seed; crossed: every "
        "seed with every data seed",
        examples=["resample"],
    )
    n_seeds: int = Field(
        30, ge=1, le=10_000, description="Trials of each cell, or of each data seed if crossed", examples=[30]
    )
    n_data_seeds: int | None = Field(
        None, ge=2, le=1_000, description="Data seeds of a crossed design; 10 unless given", examples=[10]
    )
    datasets: tuple[Dataset, ...] = Field(
        min_length=1, max_length=100, description="What is learnt from", examples=[[{"kind": "circles"}]]
    )
    architectures: tuple[Architecture, ...] = Field(
        min_length=1, max_length=100, description="Which networks", examples=[[{"kind": "mlp"}]]
    )
    variants: tuple[Variant, ...] = Field(
        min_length=1,
        max_length=1_000,
        description="What is compared: one named baseline, and the others",
        examples=[[{"name": "baseline"}]],
    )
    training: Training = Field(
        default=Training(), description="How each network is trained", examples=[{"epochs": 500}]
    )
    robustness: Annotated[tuple[Robustness, ...], BeforeValidator(as_list)] = Field(
        (),
        max_length=16,
        description="Noise at test time that every trained network is measured under; one entry or a list",
        examples=[[{"place": "input", "stddev": [0.05, 0.1, 0.2], "relative": True}]],
    )
    margin: float = Field(
        0.01,
        gt=0,
        description="Differences of the score within it are not worth having; of an rmse in units of the target, and then it "
        "must be given",
        examples=[0.01],
    )
    claims: tuple[Claim, ...] = Field(
        (),
        max_length=200,
        description="Published claims that its cells decide on; `noiseflow reproduce` prints how",
        examples=[
            [
                {
                    "says": "Noise helps",
                    "source": "a paper",
                    "dataset": "circles",
                    "variant": "noise",
                    "published": 0.03,
                }
            ]
        ],
    )
    published: tuple[Published, ...] = Field(
        (),
        max_length=1_000,
        description="Single runs that somebody published, marked on the distribution over seeds",
        examples=[[{"variant": "baseline", "train_score": 1.0, "test_score": 0.757, "source": "a tutorial"}]],
    )
    muted: tuple[CautionCode, ...] = Field(
        (), max_length=100, description="Numbers of cautions that the report leaves out", examples=[["NF003"]]
    )
    resources: Resources = Field(
        default=Resources(),
        description="What each batch may use of a machine, and for how long; changes no number",
        examples=[{"timeout_seconds": 3600}],
    )

    _changes: str = PrivateAttr("")

    @property
    def changes(self) -> str:
        """What this run trains otherwise than the study declares, `epochs-200`; empty where that is nothing."""
        return self._changes

    @model_validator(mode="before")
    @classmethod
    def _crosses_data_seeds(cls, data: Any) -> Any:
        crossed = isinstance(data, Mapping) and data.get("design") == "crossed"
        return {**data, "n_data_seeds": data.get("n_data_seeds") or 10} if crossed else data

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults_at_once(cls, data: Any, handler: Any) -> Self:
        """Adds the faults between the parts to those within them, so that one message names every one."""
        faults = faults_between(data) if isinstance(data, Mapping) else []
        try:
            study: Self = handler(data)
        except ValidationError as error:
            # where an entry is faulty, pydantic adds that the list is too short
            found = [e for e in error.errors() if not (e["type"] == "too_short" and e["input"])]
            faults = [_detail(e) for e in found] + faults
        else:
            faults += faults_of_study(study)
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return study

    def parts(self) -> list[tuple[Dataset, Architecture, Variant, Variant]]:
        """What its cells are made of, in order: dataset, architecture, the variant, and its member that the cell trains."""
        return [
            (dataset, architecture, variant, member)
            for dataset in self.datasets
            for architecture in self.architectures
            if not architecture.datasets or dataset.name in architecture.datasets
            for variant in self.variants
            if not variant.architectures or architecture.name in variant.architectures
            for member in variant.members
        ]

    def training_of(self, dataset: Dataset, architecture: Architecture) -> Training:
        """How an architecture is trained on a dataset."""
        training = architecture.training or self.training
        return training if dataset.epochs is None else training.model_copy(update={"epochs": dataset.epochs})

    def data_seeds(self, dataset: Dataset, seeds: Sequence[int] | None = None) -> list[int]:
        """The data seeds of a dataset: one, one for each seed, or n_data_seeds.

        Args:
            seeds: those that are trained; the study's own, from 0 on, unless given.
        """
        if self.design == "replicate":
            return [dataset.data_seed]
        counted = range(self.n_data_seeds or 0) if self.design == "crossed" else self._seeds(seeds)
        return [dataset.data_seed + i for i in counted]

    def pairs(self, dataset: Dataset, seeds: Sequence[int] | None = None) -> list[tuple[int, int]]:
        """(data seed, seed) of each trial of a cell on this dataset; seeds as for `data_seeds`."""
        data_seeds, seeds = self.data_seeds(dataset, seeds), self._seeds(seeds)
        if self.design == "resample":
            return list(zip(data_seeds, seeds, strict=True))
        return [(data_seed, seed) for data_seed in data_seeds for seed in seeds]

    def _seeds(self, seeds: Sequence[int] | None) -> Sequence[int]:
        return range(self.n_seeds) if seeds is None else seeds


def _detail(error: Any) -> InitErrorDetails:
    kept = PydanticCustomError(error["type"], "{text}", {**error.get("ctx", {}), "text": error["msg"]})
    return InitErrorDetails(type=kept, loc=error["loc"], input=error["input"])
