"""A variant: a named set of noise injections, and of controls that are rivals to noise."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from noiseflow.base.parts import Part
from noiseflow.base.values import Label, fault
from noiseflow.controls import control_kind
from noiseflow.controls.control import Control
from noiseflow.noise import kind_of
from noiseflow.noise.injection import Injection


class Variant(Part):
    """A named set of injections and controls; the one named `baseline` has none.

    With `strengths` it is a family: a cell for each strength, which all its injections and controls take, and a
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
        description="Strengths to choose from, each its own cell; the choice is cross-fitted",
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
        ends = [
            kind for kind in (control_kind(control.kind) for control in self.controls) if kind.stops or kind.averages
        ]
        if len(ends) > 1:
            raise fault("control", "must not stop early, or average weights, twice")
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
