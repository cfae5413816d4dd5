"""Balanced accuracy: the mean over the classes of the share of their rows that are found."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from noiseflow.scores.score import SCORE, Array, OutputForm, Score, class_indicators, decided, is_class, predicted


class BalancedAccuracy(Score):
    """The mean over the classes that there are of the share of their rows that are found.

    References:
        Brodersen et al. (2010), The balanced accuracy and its posterior distribution.
    """

    name = "balanced_accuracy"
    task = "classification"
    sentence = "the mean over the classes of the share of their rows that are found"
    label = "balanced accuracy"
    unit = "percentage points of balanced accuracy"
    in_points = True
    most = 1.0
    weighs_classes_alike = True
    takes_several = False

    def suits_skewed(self, n_classes: int) -> bool:
        return n_classes != 2  # a single class is refused where the dataset is read

    def value(self, outputs: Array, y: Array) -> Array:
        """The mean recall of each seed; classes without rows do not count."""
        hits = predicted(outputs) == y
        of_class = is_class(outputs, y)
        n = of_class.sum(axis=2)
        recall = (of_class & hits).sum(axis=2) / n
        return np.asarray(np.where(n > 0, recall, 0).sum(axis=0) / (n > 0).sum(axis=0))

    def metric(self, n_classes: int, form: OutputForm) -> Any:
        """A metric of ours: Keras has none."""
        return _metric_class()(n_classes, form.from_logits)


@cache
def _metric_class() -> type:
    import keras

    ops = keras.ops

    class BalancedAccuracyMetric(keras.metrics.Metric):
        """Mean over the classes of the share of their rows that are found; classes without rows do not count."""

        def __init__(self, n_classes: int, from_logits: bool = False, name: str = SCORE, dtype: Any = None) -> None:
            super().__init__(name=name, dtype=dtype)
            self.n_classes = n_classes
            self.from_logits = from_logits
            self.hits = self.add_variable((n_classes,), "zeros", name="hits")
            self.rows = self.add_variable((n_classes,), "zeros", name="rows")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            """Counts the rows of a batch: y_true (n_rows,) or (n_rows, 1), y_pred (n_rows, width)."""
            true = class_indicators(y_true, self.n_classes, self.dtype)
            if sample_weight is not None:
                true = true * ops.reshape(ops.cast(sample_weight, self.dtype), (-1, 1))
            chosen = class_indicators(decided(y_pred, self.from_logits), self.n_classes, self.dtype)
            self.hits.assign_add(ops.sum(true * chosen, axis=0))
            self.rows.assign_add(ops.sum(true, axis=0))

        def result(self) -> Any:
            """The mean recall so far, a fraction in [0, 1]."""
            recall = self.hits / ops.maximum(self.rows, keras.config.epsilon())
            present = ops.cast(self.rows > 0, self.dtype)
            return ops.sum(recall * present) / ops.maximum(ops.sum(present), 1)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "n_classes": self.n_classes, "from_logits": self.from_logits}

    return BalancedAccuracyMetric
