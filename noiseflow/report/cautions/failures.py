"""NF004: many trainings failed."""

from __future__ import annotations

from collections.abc import Iterator

from noiseflow import wording
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence

MOST_FAILED = 0.05


def _find(evidence: Evidence) -> Iterator[str]:
    for row in evidence.summary.to_dict("records"):
        if row["n_failed"] > MOST_FAILED * row["n_seeds"]:
            yield (
                f"{row['n_failed']} of {row['n_seeds']} trainings of {wording.quoted(row['variant'])} failed: they diverged or "
                "ended no better than a constant guess."
            )


CAUTION = Caution(
    code="NF004",
    title="many trainings failed",
    find=_find,
    advice="Train fewer epochs, or lower the learning rate or the strength.",
    why=f"More than {100 * MOST_FAILED:g} % of the trainings of a variant diverged (their loss is not finite or 1,000 times "
    "the first one), or ended no better than a constant guess while most of the others do better. What is left is a selection "
    "of survivors: such a variant has no verdict on its mean, and a verdict on how often it fails instead. Where the baseline "
    "fails, noise is compared with a training that nobody would use.",
)
