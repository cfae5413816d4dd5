"""AUC: the area under the ROC curve."""

from __future__ import annotations

from functools import cache
from math import nan, sqrt
from typing import Any

import numpy as np

from noiseflow.scores.score import SCORE, Array, OutputForm, Score, class_indicators, is_class

NORMAL_975 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


class Auc(Score):
    """The area under the ROC curve: how often a row of the class outranks one of the others, ties counting half.

    With several classes it is the mean over the classes, each against all others.

    References:
        Hanley and McNeil (1982), The meaning and use of the area under a receiver operating characteristic (ROC) curve.
        Provost and Domingos (2000), Well-trained PETs, with equal weights of the classes.
    """

    name = "auc"
    task = "classification"
    sentence = "the area under the ROC curve; of several classes the mean of each against all others"
    label = "AUC"
    unit = "of AUC"
    most = 1.0
    weighs_classes_alike = True
    keras_is_exact = False  # areas between 200 thresholds

    def suits_skewed(self, n_classes: int) -> bool:
        return n_classes == 2

    def value(self, outputs: Array, y: Array) -> Array:
        """The AUC of each seed, exact, from ranks."""
        from scipy.stats import rankdata

        marks = np.moveaxis(outputs, 2, 0)
        of_class = is_class(outputs, y)
        if len(of_class) == 2:
            marks, of_class = marks[-1:], of_class[1:]
        n = of_class.sum(axis=2)
        ranks = (rankdata(marks, axis=2) * of_class).sum(axis=2)
        return np.asarray(np.mean((ranks - n * (n + 1) / 2) / (n * (y.shape[1] - n)), axis=0))

    def metric(self, n_classes: int, form: OutputForm) -> Any:
        """Keras' own, an approximation; for several outputs one that takes class numbers."""
        import keras

        if form.n_targets > 1:
            several = {"multi_label": True, "num_labels": form.n_targets}
            return keras.metrics.AUC(name=SCORE, from_logits=form.from_logits, **several)
        if form.width > 1:
            return _class_auc()(n_classes, form.from_logits)
        return keras.metrics.AUC(name=SCORE, from_logits=form.from_logits)

    def interval_of(self, value: float, n_rows: int, n_positive: int | None) -> tuple[float, float]:
        """Hanley and McNeil's standard error, cut to [0, 1]; NaN where there are not two classes."""
        if n_positive is None or not 0 < n_positive < n_rows:
            return nan, nan
        half = NORMAL_975 * auc_standard_error(value, n_positive, n_rows - n_positive)
        return max(0.0, value - half), min(1.0, value + half)


def auc_standard_error(auc: float, n_positive: int, n_negative: int) -> float:
    """Standard error of an area under the ROC curve, for scores that are near exponential in each class.

    References:
        Hanley and McNeil (1982), Radiology 143, equations 1 and 2.
    """
    two_positives, two_negatives = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (n_positive - 1) * (two_positives - auc**2) + (n_negative - 1) * (two_negatives - auc**2)
    return sqrt(max(spread, 0.0) / (n_positive * n_negative))


@cache
def _class_auc() -> type:
    import keras

    class ClassAUC(keras.metrics.AUC):
        """Area under the ROC curve of each class against the others, their mean; takes class numbers."""

        def __init__(self, n_classes: int, from_logits: bool = False, name: str = SCORE, dtype: Any = None) -> None:
            super().__init__(multi_label=True, num_labels=n_classes, name=name, dtype=dtype)
            self.n_classes = n_classes
            self.takes_logits = from_logits

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            """Counts the rows of a batch: y_true (n_rows,) or (n_rows, 1), y_pred (n_rows, n_classes)."""
            true = class_indicators(y_true, self.n_classes, self.dtype)
            super().update_state(true, keras.ops.softmax(y_pred) if self.takes_logits else y_pred, sample_weight)

        def get_config(self) -> dict[str, Any]:
            settings = {"n_classes": self.n_classes, "from_logits": self.takes_logits}
            return {"name": self.name, "dtype": self.dtype, **settings}

    return ClassAUC
