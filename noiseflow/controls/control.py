"""The record of a control: which rival to noise, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, create_model, model_validator

from noiseflow.base.parts import Part
from noiseflow.base.values import fault
from noiseflow.controls import CONTROLS, control_kind


class _ControlRules(Part):
    """A rival to noise; `noiseflow.controls.CONTROLS` holds the kinds, their fields and what they do."""

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
        """The field that says how strong it is (`ControlKind.strength`); None where it is left to the variant's `strengths`."""
        strength: float | None = getattr(self, control_kind(self.kind).strength)
        return strength

    def of_strength(self, strength: float) -> Self:
        """A copy with another strength."""
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
