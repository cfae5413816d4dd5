"""NF003: there are few test rows."""

from __future__ import annotations

from collections.abc import Iterator

from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence, small_test_sets

FEW_ROWS = 200
"""Test rows below which one row is more than half a point."""


def _find(evidence: Evidence) -> Iterator[str]:
    for name, n in small_test_sets(evidence).items():
        if 0 < n < FEW_ROWS:
            yield f"{name} has {n} test rows: one row is {100 / n:.2g} % of them."


CAUTION = Caution(
    code="NF003",
    title="there are few test rows",
    find=_find,
    advice="Take more rows. Where there is one split (design: replicate), one for each seed (design: resample) helps too.",
    why=f"Below {FEW_ROWS} test rows one row is more than half a percent of them. Seeds make the test set no larger: "
    "differences between variants are still paired on the same rows, but the scores themselves say little about new rows.",
)
