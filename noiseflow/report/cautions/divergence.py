"""NF004: many trials diverged."""

from __future__ import annotations

from collections.abc import Iterator

from noiseflow import wording
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence

MOST_DIVERGED = 0.05


def _find(evidence: Evidence) -> Iterator[str]:
    for row in evidence.summary.to_dict("records"):
        if row["n_diverged"] > MOST_DIVERGED * row["n_seeds"]:
            yield f"{row['n_diverged']} of {row['n_seeds']} trials of {wording.quoted(row['variant'])} diverged."


CAUTION = Caution(
    code="NF004",
    title="many trials diverged",
    find=_find,
    advice="Lower the strength, or the learning rate.",
    why=f"More than {100 * MOST_DIVERGED:g} % of the trials of a variant ended with a loss that is not finite or is 1,000 "
    "times the first one. What is left is a selection of survivors, so such a variant gets no verdict.",
)
