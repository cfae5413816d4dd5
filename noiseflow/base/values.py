"""Kinds of values in a study, shared by its records and by the entries that bring their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, LiteralString

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

Fields = Mapping[str, tuple[Any, Any]]
"""Name of a field to its type and pydantic's `Field(...)`."""


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
ColumnName = Annotated[
    str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True), AfterValidator(_printable)
]
"""A column of a file; blanks at its ends do not count."""
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_printable)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what keras.utils.set_random_seed takes
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Setting = str | int | float | bool
"""A value that a study hands to a user's own function."""
FIRST_LOOK = 10
"""Seeds at the first look of a study that trains until it is decided: below 9 no flip of signs is rare enough."""
BASELINE = "baseline"
"""Name of the variant without noise and controls."""
MAX_WEIGHTS = 100_000_000
"""Most weights of a network, 0.4 GB for each replica, before what the optimizer keeps of them."""


def setting(kind: Any, description: str, example: Any, **limits: Any) -> tuple[Any, Any]:
    """A field that an entry brings into its record, None unless given: its type and pydantic's `Field`.

    Args:
        kind: its type.
        example: a value, for the docs.
        limits: as `Field` takes them.
    """
    return kind | None, Field(None, description=description, examples=[example], **limits)


def fault(kind: LiteralString, text: str) -> PydanticCustomError:
    """A fault of a part as pydantic wants it raised; `kind` chooses the advice that the message ends with."""
    return PydanticCustomError(kind, "{text}", {"text": text})
