"""Noise at test time: how well trained networks work under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from noiseflow.base.parts import Part
from noiseflow.base.values import fault
from noiseflow.noise import kind_of
from noiseflow.noise.injection import Columns, Correlation, Injection, KindName, Share

Shares = Annotated[tuple[Share, ...], Field(min_length=1, max_length=64)]


class Robustness(Part):
    """After training, every network is measured under noise of some strengths on its test rows, or on its weights.

    All networks of a data seed meet the same noisy rows, so that variants pair; each strength is measured over several draws.
    """

    place: Literal["input", "weights"] = Field(description="Where the noise is at test time", examples=["input"])
    kind: KindName = Field("gaussian", description="What is drawn, as in an injection", examples=["gaussian"])
    stddev: Shares | None = Field(
        None, description="Strengths of a kind with a stddev", examples=[[0.05, 0.1, 0.2, 0.4]]
    )
    rate: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...], Field(min_length=1, max_length=64)] | None = Field(
        None, description="Strengths of a kind with a rate", examples=[[0.1, 0.3]]
    )
    relative: bool = Field(
        default=False,
        description="Whether a stddev counts in units of the spread of the training inputs, or of each array of weights",
        examples=[True],
    )
    columns: Columns | None = Field(None, description="As in an injection", examples=["all"])
    draws: Literal["element", "channel", "row"] = Field("element", description="As in an injection", examples=["row"])
    correlation: Correlation | None = Field(None, description="As in an injection", examples=[{"ar1": 0.9}])
    n_draws: int = Field(5, ge=1, le=100, description="Draws that each strength is measured over", examples=[5])

    def __hash__(self) -> int:
        """Hash of the content: columns may be a mapping."""
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def _is_noise(self) -> Self:
        key = kind_of(self.kind).strength
        given = getattr(self, key, None)
        if given is None:
            raise fault("robustness", f"must have strengths under {key}, being of kind {self.kind}")
        if (self.stddev is None) == (self.rate is None):
            raise fault("robustness", f"must have strengths under {key} only, being of kind {self.kind}")
        if len(set(given)) < len(given):
            raise fault("robustness", f"must have no {key} twice")
        _ = self.at(1.0 if key == "stddev" else 0.5)  # what does not go together in an injection is found here
        return self

    @property
    def strengths(self) -> tuple[float, ...]:
        """Ascending, from 0, the clean rows, on."""
        return tuple(sorted({0.0, *(self.stddev or self.rate or ())}))

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.kind} noise on {'the inputs' if self.place == 'input' else 'the weights'}"

    def at(self, strength: float) -> Injection:
        """The injection of one strength; relative noise on weights is measured by whoever adds it."""
        given = self.model_dump(exclude={"stddev", "rate", "n_draws"}, exclude_defaults=True)
        if self.place == "weights":
            given.pop("relative", None)
        return Injection.model_validate({**given, "place": self.place, kind_of(self.kind).strength: strength})


def as_list(data: Any) -> Any:
    """One entry as a list of it."""
    return [data] if isinstance(data, Mapping) else data
