"""What a numbered caution is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from noiseflow.report.evidence import Evidence
from noiseflow.study.study import CautionCode


@dataclass(frozen=True)
class Caution:
    """A caution, whole; its page in the docs is made from it.

    Attributes:
        code: `NF001`; a number is never used for another.
        title: in a few words.
        find: sentences on the evidence; none where all is well.
        advice: what to do about it, in a sentence that the report adds.
        why: the rest of its page, Markdown.
    """

    code: CautionCode
    title: str
    find: Callable[[Evidence], Iterator[str]]
    advice: str
    why: str
