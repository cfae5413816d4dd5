"""R²: the share of the target's variance that is explained."""

from __future__ import annotations

from typing import Any

import numpy as np

from noiseflow.scores.score import SCORE, Array, OutputForm, Score


class R2(Score):
    """The share of the target's variance that is explained."""

    name = "r2"
    task = "regression"
    sentence = "the share of the target's variance that is explained"
    label = "R²"
    unit = "of R²"
    most = 1.0
    keras_names = ("r2_score",)

    def value(self, outputs: Array, y: Array) -> Array:
        """The R² of each seed; NaN for a constant target."""
        spread = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2, axis=1)
        explained = 1 - np.sum((outputs[..., 0] - y) ** 2, axis=1) / spread
        return np.asarray(np.where(np.ptp(y, axis=1) > 0, explained, np.nan))

    def metric(self, n_classes: int, form: OutputForm) -> Any:
        import keras

        return keras.metrics.R2Score(name=SCORE)
