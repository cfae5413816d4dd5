"""NF005: probabilities are worse than a constant guess."""

from __future__ import annotations

from collections.abc import Iterator

from noiseflow import wording
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence
from noiseflow.statistics.summary import MEASURE_MARGIN


def _find(evidence: Evidence) -> Iterator[str]:
    for name, least in evidence.constant_losses.items():
        rows = evidence.summary[evidence.summary["dataset"] == name].to_dict("records")
        worse = [row for row in rows if row["test_loss_mean"] > least + MEASURE_MARGIN]
        if worse:
            losses = sorted(float(row["test_loss_mean"]) for row in worse)
            span = " to ".join(dict.fromkeys(wording.fraction(loss, 2) for loss in (losses[0], losses[-1])))
            yield (
                f"The test loss of {wording.listed(wording.quoted(row['variant']) for row in worse)} on {name} ({span}) is "
                f"above the {wording.fraction(least, 2)} of a constant guess: the classes may be right, the probabilities are "
                "not to be used."
            )


CAUTION = Caution(
    code="NF005",
    title="probabilities are worse than a constant guess",
    find=_find,
    advice="Stop earlier, or calibrate.",
    why="The test loss of a variant is above the loss of predicting each class as often as it comes (ln 2 = .69 for two equal "
    "classes). Its classes may be right all the same, but it is sure of itself where it is wrong: do not use its "
    "probabilities. Networks that are trained far beyond their best epoch end there.",
)
