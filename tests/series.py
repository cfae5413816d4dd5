"""Long series of cases of one kind: some stand for the kind and run each time, `make evidence` runs the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def series(cases: Iterable[Any], each_time: Iterable[Any]) -> list[Any]:
    """Parameters of a test: every case, those that are not named in `each_time` marked as evidence.

    Raises:
        ValueError: `each_time` names what is no case.
    """
    cases, named = list(cases), list(each_time)
    if unknown := [name for name in named if name not in cases]:
        raise ValueError(f"no cases: {unknown}")
    several = [case if isinstance(case, tuple) else (case,) for case in cases]
    marks = [() if case in named else (pytest.mark.evidence,) for case in cases]
    return [pytest.param(*values, marks=marked) for values, marked in zip(several, marks, strict=True)]
