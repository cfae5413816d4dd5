"""The record of an injection: what noise a study or a caller of `fit_seeds` puts where, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from noiseflow.base.parts import Part
from noiseflow.base.values import Fraction, fault
from noiseflow.noise import KINDS, PLACES, kind_of

if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(kind.name for kind in KINDS)]
Place = Annotated[
    str, StringConstraints(pattern=rf"^({'|'.join(place.replace('<layer>', '.{1,200}') for place in PLACES)})$")
]
GRADIENT_DECAY = 0.55
"""Exponent of the decay that Neelakantan et al. (2015) used."""


class Injection(Part):
    """Noise put into a training at one place; active at train time only, drawn anew at each step.

    The kinds are those of `noiseflow.noise.KINDS`; each says what it does in a file of its own. Within the model (`input`,
    `before_activation`, `after_activation`, `after:<layer>`) they are what the Keras layers of their names are. `labels` takes
    gaussian (regression) or flip (classification). `weights` takes gaussian, added to the trainable weights while the
    gradient is computed. `gradients` takes gaussian, whose variance falls as stddev² / (1 + step)^decay.

    References:
        Neelakantan et al. (2015), Adding gradient noise improves learning for very deep networks, equation 1.
        Graves, Mohamed and Hinton (2013), Speech recognition with deep recurrent neural networks: weight noise.
    """

    place: Place = Field(
        description="input, before_activation, after_activation, after:<layer name>, labels, weights or gradients",
        examples=["after:pool"],
    )
    stddev: Fraction | None = Field(
        None, description="Standard deviation of gaussian noise, in the units of the place of injection", examples=[0.1]
    )
    kind: KindName = Field("gaussian", description="What is drawn", examples=["dropout"])
    rate: float | None = Field(
        None, ge=0, lt=1, description="Share of elements dropped, or of labels flipped", examples=[0.2]
    )
    relative: bool = Field(
        default=False,
        description="Whether stddev counts in units of the signal's spread at the place, measured on the training data "
        "at each seed's initial weights",
        examples=[True],
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant",
        description="How stddev goes over the epochs: from its full size at the first to `final` at the last",
        examples=["cosine"],
    )
    final: Fraction = Field(0.0, description="Share of stddev that a schedule ends with", examples=[0.1])
    decay: float | None = Field(
        None,
        ge=0,
        le=10,
        description=f"Exponent of the decay of gradient noise; {GRADIENT_DECAY} unless given",
        examples=[0.55],
    )

    @model_validator(mode="before")
    @classmethod
    def _gradients_decay(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("place") == "gradients" and data.get("decay") is None:
            return {**data, "decay": GRADIENT_DECAY}
        return data

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for wrong, text in self._faults():
            if wrong:
                raise fault("injection", text)
        return self

    def _faults(self) -> list[tuple[bool, str]]:
        kind, place = kind_of(self.kind), self.place
        here = " or ".join(k.name for k in KINDS if place.partition(":")[0] in k.places)
        only = (
            f"must be at the place {kind.places[0]}, being of kind {kind.name}"
            if len(kind.places) == 1
            else f"must be {here}, at the place {place}"
        )
        adding = " or ".join(k.name for k in KINDS if k.adds)
        other = "rate" if kind.strength == "stddev" else "stddev"
        return [
            (
                place.partition(":")[0] not in kind.places,
                only if len(kind.places) == 1 else f"must be {here}, at the place {place}",
            ),
            (
                getattr(self, other) is not None,
                f"must have a {kind.strength} and no {other}, being of kind {kind.name}",
            ),
            (self.relative and not kind.adds, f"must be {adding} to be relative"),
            (self.relative and place in ("weights", "gradients"), f"must not be relative at the place {place}"),
            (self.schedule != "constant" and not kind.adds, f"must be {adding} to follow a schedule"),
            (
                self.final != 0 and self.schedule == "constant",
                "must follow a schedule, linear or cosine, to have a final share",
            ),
            (self.decay is not None and place != "gradients", "must be at the place gradients to have a decay"),
        ]

    @property
    def strength(self) -> float | None:
        """The stddev or rate; None where it is left to the variant's `strengths`."""
        strength: float | None = getattr(self, kind_of(self.kind).strength)
        return strength

    def of_strength(self, strength: float) -> Injection:
        """The same with another stddev or rate."""
        return Injection.model_validate(self.model_dump() | {kind_of(self.kind).strength: strength})
