"""What all parts of a study share: kinds of values, and a frozen model that refuses keys it does not know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, LiteralString

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise PydanticCustomError("name", "must be printable text without blanks at its ends")
    return name


def _readable(text: str) -> str:
    if not "".join(text.split()).isprintable():
        raise PydanticCustomError("text", "must be text without control characters")
    return text


Text = Annotated[str, AfterValidator(_readable)]
"""Words for people, who may read them in a terminal, a page or a database that takes no NUL."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(_printable)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_printable)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what keras.utils.set_random_seed takes
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Setting = str | int | float | bool
"""A value that a study hands to a user's own function."""


class Part(BaseModel):
    """A part of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class NamedPart(Part):
    """A part with a kind, and a label where the kind alone does not tell it from others."""

    kind: str
    label: Label | None = Field(None, description="Name in tables and plots; the kind unless given")

    def __hash__(self) -> int:
        """Of its content: settings of a user's own function are a dict."""
        return hash(self.model_dump_json())

    @property
    def name(self) -> str:
        """The label, or else the kind."""
        return self.label or self.kind


def fault(kind: LiteralString, text: str) -> PydanticCustomError:
    """A fault of a part as pydantic wants it raised; `kind` chooses the mend that the message ends with."""
    return PydanticCustomError(kind, "{text}", {"text": text})


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
