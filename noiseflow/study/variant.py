"""What a variant does to the training: noise injections, and controls that are rivals to noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, create_model, model_validator

from noiseflow.controls import CONTROLS, control_kind
from noiseflow.noise import KINDS, PLACES, kind_of
from noiseflow.study.base import Part
from noiseflow.study.values import Fraction, Label, fault

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


class _ControlRules(Part):
    """A rival to noise; the kinds, their fields and what they do are those of `noiseflow.controls.CONTROLS`."""

    kind: str

    @model_validator(mode="before")
    @classmethod
    def _has_defaults(cls, data: Any) -> Any:
        found = [kind for kind in CONTROLS if isinstance(data, Mapping) and data.get("kind") == kind.name]
        defaults = found[0].defaults if found else {}
        return {**data, **{key: data.get(key) or value for key, value in defaults.items()}} if defaults else data

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for kind in CONTROLS:
            for key in kind.fields:
                if getattr(self, key) is not None and key not in control_kind(self.kind).fields:
                    raise fault("control", f"must be of kind {kind.name} to have {key}")
        return self

    @property
    def strength(self) -> float | None:
        """The factor or the patience; None where it is left to the variant's `strengths`."""
        strength: float | None = getattr(self, control_kind(self.kind).strength)
        return strength

    def of_strength(self, strength: float) -> Self:
        """The same with another factor or patience."""
        return type(self).model_validate(self.model_dump() | {control_kind(self.kind).strength: strength})


if TYPE_CHECKING:

    class Control(_ControlRules):
        """A rival to noise."""

        def __getattr__(self, name: str) -> Any: ...
else:
    Control = create_model(
        "Control",
        __base__=_ControlRules,
        __module__=__name__,
        __doc__=_ControlRules.__doc__,
        kind=(
            Literal[tuple(kind.name for kind in CONTROLS)],
            Field(description="Which rival", examples=["early_stopping"]),
        ),
        **{name: field for kind in CONTROLS for name, field in kind.fields.items()},
    )


class Variant(Part):
    """A named set of injections and controls; the one named `baseline` has none.

    With `strengths` it stands for a family: a cell for each strength, which all its injections and controls take, and a
    cross-fitted choice among them.
    """

    name: Label = Field(description="Name in tables and plots", examples=["hidden noise"])
    injections: tuple[Injection, ...] = Field(
        (), description="Where noise is put, and how much", examples=[[{"place": "before_activation", "stddev": 0.1}]]
    )
    controls: tuple[Control, ...] = Field(
        (), description="Rivals to noise", examples=[[{"kind": "l2", "factor": 0.001}]]
    )
    strengths: tuple[float, ...] = Field(
        (),
        max_length=64,
        description="Strengths to choose from, each a cell of its own; the choice is cross-fitted",
        examples=[[0.03, 0.1, 0.3]],
    )
    architectures: tuple[Label, ...] = Field(
        (), description="Names of the architectures that it is for; all if empty", examples=[["mlp"]]
    )

    @model_validator(mode="after")
    def _has_strengths(self) -> Self:
        parts: tuple[Injection | Control, ...] = (*self.injections, *self.controls)
        if len(set(self.strengths)) < len(self.strengths):
            raise fault("strengths", "must have no strength twice in strengths")
        if len({f"{strength:g}" for strength in self.strengths}) < len(self.strengths):
            raise fault("strengths", "must have strengths that differ in their first six digits")
        if self.strengths and not parts:
            raise fault("strengths", "must have an injection or a control that takes the strengths")
        for part in parts:
            if not self.strengths and part.strength is None:
                kind = kind_of(part.kind) if isinstance(part, Injection) else control_kind(part.kind)
                needed = kind.strength
                raise fault("strength", f"must give the {part.kind} part its {needed}, or the variant its strengths")
        if sum(control_kind(control.kind).stops for control in self.controls) > 1:
            raise fault("control", "must not stop early twice")
        _ = self.members  # a strength that a part does not take is found here
        return self

    @property
    def strength(self) -> float | None:
        """The largest strength of the injections and controls; None without one."""
        found = [*(part.strength for part in self.injections), *(part.strength for part in self.controls)]
        return max((strength for strength in found if strength is not None), default=None)

    @property
    def members(self) -> tuple[Variant, ...]:
        """The variant itself, or one for each of its strengths, in ascending order, named after both."""
        if not self.strengths:
            return (self,)
        return tuple(
            Variant(
                name=f"{self.name[:50]} {strength:g}",
                injections=tuple(injection.of_strength(strength) for injection in self.injections),
                controls=tuple(control.of_strength(strength) for control in self.controls),
                architectures=self.architectures,
            )
            for strength in sorted(self.strengths)
        )
