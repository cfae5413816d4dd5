"""Numbered cautions, one file each: what makes an answer weaker than it looks.

A study file mutes one by its number (`muted: [NF003]`). To add one: a file like the others with a CAUTION, its line here, its
case in tests/report/test_cautions.py, and `python -m noiseflow.report.cautions.pages docs/cautions`, which writes its page.
"""

from noiseflow.report.cautions import edge_of_grid, failures, few_test_rows, plain_model, probabilities
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence

CAUTIONS: tuple[Caution, ...] = (
    edge_of_grid.CAUTION,
    plain_model.CAUTION,
    few_test_rows.CAUTION,
    failures.CAUTION,
    probabilities.CAUTION,
)
MOST_SENTENCES = 3  # of a caution


def cautions(evidence: Evidence) -> list[str]:
    """A line for each caution that the study does not mute: `NF003: circles has 70 test rows: …`, and what to do."""
    lines = []
    for caution in CAUTIONS:
        found = [] if caution.code in evidence.study.muted else list(caution.find(evidence))
        more = [f"{len(found) - MOST_SENTENCES} more are like this."] if len(found) > MOST_SENTENCES else []
        if found:
            lines.append(f"{caution.code}: {' '.join([*found[:MOST_SENTENCES], *more, caution.advice])}")
    return lines


def muted(evidence: Evidence) -> list[str]:
    """The numbers of those that the study mutes and that would be said."""
    return [c.code for c in CAUTIONS if c.code in evidence.study.muted and next(c.find(evidence), "")]
