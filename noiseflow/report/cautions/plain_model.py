"""NF002: the baseline is worse than a plain model."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

from noiseflow import wording
from noiseflow.base.values import BASELINE
from noiseflow.datasets.facts import BOOSTING
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence


def _find(evidence: Evidence) -> Iterator[str]:
    """Baselines below a constant guess, or below gradient boosting by more than the margin where its score is known."""
    boosted = {read.dataset: read.scores.get(BOOSTING, nan) for read in evidence.read}
    for row in evidence.summary[evidence.summary["variant"] == BASELINE].to_dict("records"):
        score, least = wording.score_of(row), evidence.constants.get(row["dataset"], -inf)
        best = boosted.get(row["dataset"], nan)
        subject = (
            f"The baseline's {evidence.compared([row])} of {wording.fraction(row['score_mean'])} on {row['dataset']}"
        )
        if not score.is_loss and row["score_mean"] < least:
            yield (
                f"{subject} is below the {wording.fraction(least)} of a constant guess: this network has learnt nothing that "
                "noise could protect."
            )
        if row["score_mean"] < best - evidence.study.margin:
            yield (
                f"{subject} ({row['architecture']}) is below the {wording.fraction(best)} of scikit-learn's gradient boosting "
                "on the same splits: another network, or other training, may gain more than noise."
            )


CAUTION = Caution(
    code="NF002",
    title="the baseline is worse than a plain model",
    find=_find,
    advice="Look at the features, the learning rate and the epochs before you look at noise.",
    why="The baseline's mean score is below the score of the best constant prediction: the accuracy of always guessing the "
    "most frequent class of the test rows, an AUC of .5, an R² of 0. Noise cannot protect what was not learnt.\n\n"
    "For your own table the baseline is also compared with scikit-learn's histogram gradient boosting (100 trees at "
    "most) on the first splits of the study. The caution names a baseline that scores less by more than the margin.",
)
