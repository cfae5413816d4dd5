"""What runs out of memory is halved, with a warning; imports no TensorFlow."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)


class SeedTooLargeError(MemoryError):
    """The memory does not hold the training of a single seed: nothing is left to halve."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            f"the memory of {where} does not hold the training of one seed; use a smaller batch_size, fewer rows or a "
            "smaller network, or a machine with more memory"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.where,), self.__dict__


def halves(items: Sequence[T], what: str, where: str, error: BaseException) -> tuple[Sequence[T], Sequence[T]]:
    """The items in two halves, to be tried one after the other, with a warning.

    Args:
        what: that they are of: `program` or `batch`.

    Raises:
        SeedTooLargeError: there is one only, or the error says so already.
    """
    if isinstance(error, SeedTooLargeError):
        raise error
    if len(items) == 1:
        raise SeedTooLargeError(where) from error
    half = len(items) // 2
    logger.warning("out of memory with %d seeds in one %s; going on with %d", len(items), what, half)
    return items[:half], items[half:]
