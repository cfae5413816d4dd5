"""A published claim about cells of a study, and what would count for and against it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from noiseflow.base.parts import Part
from noiseflow.base.values import BASELINE, Label, Text, fault


class Claim(Part):
    """What somebody published, and how a study's intervals decide on it: holds, refuted or undecided.

    It holds where the whole 95 % interval is on the claimed side, is refuted where the whole interval is on the other, and
    undecided else. `about` claims that the quantity is `published` ± `tolerance`; `differs` is refuted where the whole
    interval is within `bound` ± `tolerance`.
    """

    says: Text = Field(max_length=300, description="The claim in a line", examples=["Noise helps on 30 rows"])
    source: Text = Field(
        max_length=300, description="Paper, table and page", examples=["Zur et al. (2009), table II, page 4813"]
    )
    dataset: Label = Field(description="Name of the dataset", examples=["circles"])
    architecture: Label = Field("mlp", description="Name of the architecture", examples=["mlp"])
    variant: Label = Field(description="Name of the variant", examples=["noise"])
    against: Label = Field(BASELINE, description="Name of the variant that it is compared with", examples=["baseline"])
    quantity: Literal["difference", "score", "ece", "brier", "test_loss", "data_share"] = Field(
        "difference",
        description="difference: of the compared score, from `against`; score: the variant's own; ece, brier or test_loss: the "
        "difference of that column of the trials; data_share: of a crossed study, the data seeds' share of the variance of the "
        "score that data seeds and seeds make",
        examples=["difference"],
    )
    relation: Literal["greater", "less", "about", "differs"] = Field(
        "greater",
        description="Whether the quantity is claimed to be above, below or other than `bound`, or about `published`",
        examples=["about"],
    )
    bound: float = Field(0.0, description="What greater, less and differs are claimed of", examples=[0.0])
    published: float | None = Field(None, description="The published figure, if there is one", examples=[0.03])
    tolerance: float | None = Field(
        None,
        gt=0,
        description="Of a claim that is about a figure, or of a difference: within it there is none",
        examples=[0.01],
    )
    note: Text = Field(
        "", max_length=500, description="How this differs from the original", examples=["40 rows, not 50"]
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.relation == "about" and (self.published is None or self.tolerance is None):
            raise fault("claim", "must have published and tolerance to be about a figure")
        if (self.relation in ("about", "differs")) != (self.tolerance is not None):
            raise fault("claim", "must have a tolerance if it is about a figure or differs, and else none")
        return self
