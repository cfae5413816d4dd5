"""The scores, one file each: how good outputs are, for all seeds at once, and as a Keras metric.

Larger is better: the value of a loss is its negative. Importing it imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

from noiseflow.scores.accuracy import Accuracy
from noiseflow.scores.auc import Auc
from noiseflow.scores.balanced_accuracy import BalancedAccuracy
from noiseflow.scores.log_loss import LogLoss
from noiseflow.scores.losses import clipped, loss
from noiseflow.scores.r2 import R2
from noiseflow.scores.rmse import Rmse
from noiseflow.scores.score import OutputForm, Score, Task

SCORES: tuple[Score, ...] = (Accuracy(), BalancedAccuracy(), Auc(), LogLoss(), R2(), Rmse())
"""All scores; the first of a task is the one that is taken unless another is named."""
__all__ = ["SCORES", "OutputForm", "Score", "Task", "clipped", "loss", "score_named", "score_of_column", "scores_of"]


def scores_of(task: str) -> list[Score]:
    """The scores of a task, its own first."""
    return [score for score in SCORES if score.task == task]


def score_named(name: str) -> Score:
    """The score that a study calls by this name."""
    return next(score for score in SCORES if score.name == name)


def score_of_column(column: str) -> Score:
    """The score that a table calls by this name (`score_name`); one of no known unit or bound where it is not ours."""
    return next((score for score in SCORES if score.column == column), _Other(column))


class _Other(Score):
    """The score that `compare` takes for fits without one: `-loss`."""

    unit = ""
    margin = None

    def __init__(self, column: str) -> None:
        self.name = self.label = column
