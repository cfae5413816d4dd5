"""How input is refused: one error that names every fault, and its words in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class InvalidInputError(ValueError):
    """Input that is refused before anything is done; one message that names every fault."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.faults,), self.__dict__


MOST_FAULTS = 100


def some_of(texts: Iterable[str], most: int = 12) -> str:
    """The texts with commas between; of more than `most` the first ones, and how many others there are."""
    found = list(texts)
    shown = ", ".join(found[:most])
    return shown if len(found) <= most else f"{shown} and {len(found) - most} more"


def some_named(names: Iterable[str]) -> str:
    """The names in quotes, as `some_of` gives them."""
    return some_of(map(repr, names))


def refusal(faults: Sequence[str]) -> str:
    """One message with every fault, for a terminal; beyond a hundred the others are counted."""
    lines = [f"  - {fault}" for fault in faults[:MOST_FAULTS]]
    lines += [f"  - and {len(faults) - MOST_FAULTS:,} more"] if len(faults) > MOST_FAULTS else []
    return "\n".join(["noiseflow: the input is not valid", *lines])


def one_line(error: Exception) -> str:
    """An error's text in one printable line; it may quote what a file holds."""
    return printable(" ".join(str(error).split())[:300])


MOST_LETTERS = 4_000


def in_terminal(error: object) -> str:
    """An error's text, some lines of it, without what a terminal would obey; it may quote a server or a whole study."""
    text = "\n".join(printable(line) for line in str(error).splitlines())
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}… ({len(text):,} letters)"


def printable(text: str) -> str:
    """The text without what a terminal would obey, or could not show."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
