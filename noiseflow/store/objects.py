"""What a store asks of the place that its files lie in: seven requests, and how a refusal is said.

A disk and an object store answer them; the simulation of the tests answers them from memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

from noiseflow.base.faults import printable

A = TypeVar("A")
B = TypeVar("B")
_FIXES = {
    "no space left": "Make room and run again: what was published is kept.",
    "file too large": "Make room and run again: what was published is kept.",
    "read-only": "Make it writable or choose another place.",
    "denied": "Change its rights or choose another place.",
}


class StoreError(OSError):
    """The place that results lie in does not take or give a file; one sentence that says what happened, and what to do."""


class Objects(Protocol):
    """The files of one study. A file is there whole or not at all, and stays when the machine loses its power."""

    location: str
    """Path or URL."""
    is_remote: bool
    at_once: int
    """Requests that are worth making side by side."""

    def listed(self, folder: str) -> dict[str, str]:
        """The files right in a folder, ascending, each with its tag; none if the folder is not there."""

    def tag(self, path: str) -> str | None:
        """What changes whenever a file does; None if it is not there."""

    def get(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            FileNotFoundError: it is not there.
        """

    def create(self, path: str, content: bytes) -> bool:
        """Creates a file; False if another one is there. The content must be unlike what any other process creates."""

    def replace(self, path: str, content: bytes) -> None:
        """Writes a file, in one step from what was there to this."""

    def delete(self, path: str) -> None:
        """Deletes a file; it may be gone already."""


def each(objects: Objects, function: Callable[[A], B], values: Iterable[A]) -> list[B]:
    """A function of each value, some side by side: hashing, decoding and the network leave Python free."""
    values = list(values)
    if objects.at_once == 1 or len(values) < 2:
        return [function(value) for value in values]
    with ThreadPoolExecutor(objects.at_once) as pool:
        return list(pool.map(function, values))


@contextmanager
def explained(location: str, done: str, kinds: tuple[type[Exception], ...], fix: str = "") -> Iterator[None]:
    """Within it, errors of these kinds end in one sentence; a file that is not there only when it was not to be read.

    Args:
        done: what was to be done with it: opened, listed, read, written, deleted.
    """
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError as error:
        if done == "read":
            raise
        raise StoreError(_sentence(location, done, error, fix)) from error
    except kinds as error:
        raise StoreError(_sentence(location, done, error, fix)) from error


def _sentence(location: str, done: str, error: Exception, fix: str) -> str:
    reason = first_line(error)
    if "404 Not Found" in reason:
        reason = f"there is no bucket of that name at this endpoint ({reason})"
    known = next((fix for words, fix in _FIXES.items() if words in reason.lower()), "Look at the disk and its rights.")
    return f"{location} cannot be {done}: {reason}. {fix or known}"


def first_line(error: Exception) -> str:
    """What happened, without the library's inner view of it, and without a user's name and password in an address."""
    line = re.sub(r": <.*", "", str(error).partition("\n")[0])  # a server's answer as XML
    return printable(re.sub(r"//[^/@\s]*@", "//", line).rstrip(".")[:400])
