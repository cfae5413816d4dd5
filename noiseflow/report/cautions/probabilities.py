"""NF005: probabilities are worse than a constant guess."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from noiseflow import wording
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence, cell_key
from noiseflow.statistics.pairs import CELL, CellKey, compared
from noiseflow.statistics.summary import MEASURE_MARGIN


def unreliable(evidence: Evidence) -> dict[CellKey, float]:
    """The cells whose mean loss on the rows compared is above a constant guess's by more than the margin, and that loss."""
    least = evidence.constant_losses
    if not least or evidence.trials.empty:  # a regression, or nothing trained
        return {}
    trials = evidence.trials.assign(loss=-compared(evidence.trials, "loss"))
    cells = trials.groupby(CELL, sort=False)["loss"].mean().reset_index().to_dict("records")
    return {
        cell_key(row): float(row["loss"])
        for row in cells
        if row["loss"] > least.get(row["dataset"], inf) + MEASURE_MARGIN
    }


def _find(evidence: Evidence) -> Iterator[str]:
    found = unreliable(evidence)
    for name, least in evidence.constant_losses.items():
        rows = evidence.summary[evidence.summary["dataset"] == name].to_dict("records")
        worse = {key: row for row in rows if (key := cell_key(row)) in found}
        if worse:
            losses = sorted(found[key] for key in worse)
            span = " to ".join(dict.fromkeys(wording.fraction(loss, 2) for loss in (losses[0], losses[-1])))
            yield (
                f"The loss of {wording.listed(wording.quoted(row['variant']) for row in worse.values())} on the "
                f"{'fresh' if evidence.is_fresh(name) else 'test'} rows of {name} ({span}) is above the "
                f"{wording.fraction(least, 2)} of a constant guess: the classes may be right, but do not rely on the "
                "probabilities."
            )


CAUTION = Caution(
    code="NF005",
    title="probabilities are worse than a constant guess",
    find=_find,
    advice="Stop earlier, or calibrate.",
    why="The loss of a variant on the rows compared is above the loss of predicting each class as often as it comes (ln 2 = "
    ".69 for two equal classes). Its classes may be right all the same, but it is sure of itself where it is wrong: do not use "
    "its probabilities. Networks that are trained far beyond their best epoch end there.",
)
