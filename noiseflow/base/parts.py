"""What all parts of a study share: a frozen model that refuses keys it does not know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from noiseflow.base.values import Label, fault


class Part(BaseModel):
    """A part of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class NamedPart(Part):
    """A part with a kind, and a label where others of the study have the same kind."""

    kind: str
    label: Label | None = Field(None, description="Name in tables and plots; the kind unless given", examples=["mine"])

    def __hash__(self) -> int:
        """Hash of the content: settings of a user's own function are a dict."""
        return hash(self.model_dump_json())

    @property
    def name(self) -> str:
        """The label, or else the kind."""
        return self.label or self.kind


def settings_of_kind(
    data: Any, settings: Mapping[str, Mapping[str, Any]], fields: Collection[str], everywhere: Collection[str]
) -> Any:
    """The data of a part with the defaults of its kind filled in; data without a known kind as it is.

    Args:
        settings: kind to its settings and their defaults; `...` where one must be given, None where it may stay open.
        fields: all fields of the part.
        everywhere: those that every kind has.

    Raises:
        PydanticCustomError: a setting belongs to another kind, or one is lacking.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if not isinstance(kind, str) or kind not in settings:
        return data
    known = settings[kind]
    given = {key: value for key, value in data.items() if value is not None}
    foreign = [key for key in given if key in fields and key not in (*everywhere, *known)]
    if foreign:
        raise fault("kind", f"of kind {kind} has no {', '.join(foreign)}; it has {', '.join(known)}")
    lacking = [key for key, default in known.items() if default is ... and key not in given]
    if lacking:
        raise fault("kind", f"of kind {kind} must have {', '.join(lacking)}")
    return {**{key: value for key, value in known.items() if value is not None}, **given}
