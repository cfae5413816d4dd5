"""RMSE: the root of the mean squared error."""

from __future__ import annotations

from typing import Any

import numpy as np

from noiseflow.scores.score import SCORE, Array, OutputForm, Score


class Rmse(Score):
    """The root of the mean squared error, in units of the target."""

    name = "rmse"
    task = "regression"
    sentence = "the root of the mean squared error, in units of the target"
    label = "negative RMSE"
    unit = "units of the target"
    is_loss = True
    in_target_units = True
    takes_several = False  # their units differ
    margin = None
    most = 0.0

    def value(self, outputs: Array, y: Array) -> Array:
        """Its negative, in units of y."""
        return np.asarray(-np.sqrt(np.mean((outputs[..., 0] - y) ** 2, axis=1)))

    def metric(self, n_classes: int, form: OutputForm) -> Any:
        import keras

        return keras.metrics.RootMeanSquaredError(name=SCORE)
