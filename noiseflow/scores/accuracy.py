"""Accuracy: the share of the rows that are classified correctly."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from noiseflow.scores.score import SCORE, Array, OutputForm, Score, predicted


class Accuracy(Score):
    """The share of the rows that are classified correctly."""

    name = "accuracy"
    task = "classification"
    sentence = "the share of the rows that are classified correctly"
    label = "accuracy"
    unit = "percentage points of accuracy"
    in_points = True
    most = 1.0
    is_share_of_rows = True
    keras_names = ("accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")

    def value(self, outputs: Array, y: Array) -> Array:
        return np.asarray(np.mean(predicted(outputs) == y, axis=1))

    def metric(self, n_classes: int, form: OutputForm) -> Any:
        """Keras' own, except for logits of two classes."""
        import keras

        if form.width > 1 and form.n_targets == 1:
            return keras.metrics.SparseCategoricalAccuracy(name=SCORE)
        return _logit_accuracy()() if form.from_logits else keras.metrics.BinaryAccuracy(name=SCORE)

    def interval_of(self, value: float, n_rows: int, n_positive: int | None) -> tuple[float, float]:
        """Wilson's interval.

        The mean accuracy of several models on one test set may be given as it is: the interval is then for one model as
        good.

        References:
            Wilson (1927), Probable inference, JASA 22; statsmodels.stats.proportion.
        """
        from statsmodels.stats.proportion import proportion_confint

        low, high = proportion_confint(value * n_rows, n_rows, alpha=0.05, method="wilson")
        return float(low), float(high)


@cache
def _logit_accuracy() -> type:
    """A metric class: Keras' BinaryAccuracy takes no threshold of 0."""
    import keras

    ops = keras.ops

    def found(y_true: Any, y_pred: Any) -> Any:
        chosen = ops.cast(y_pred > 0, "int32")
        true = ops.reshape(ops.cast(y_true, "int32"), ops.shape(chosen))
        return ops.mean(ops.cast(ops.equal(true, chosen), keras.config.floatx()), axis=-1)

    class LogitAccuracy(keras.metrics.MeanMetricWrapper):
        """Share of rows classified correctly, from the logits of class 1; of several labels the mean."""

        def __init__(self, name: str = SCORE, dtype: Any = None) -> None:
            super().__init__(found, name=name, dtype=dtype)

        def get_config(self) -> dict[str, Any]:
            return {"name": self.name, "dtype": self.dtype}

    return LogitAccuracy
