"""How far a fit has come; imports no TensorFlow, so that a process that only watches need not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a fit has come.

    Attributes:
        epochs_done: of all seeds, in the mean.
        seeds_a_second: whole trainings a second, at the speed so far.
    """

    epochs_done: int
    seeds_a_second: float
