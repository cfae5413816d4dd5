"""What a score is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Tensor = Any
Task = Literal["classification", "regression"]
SCORE = "score"
"""Name of the Keras metric in every model of a study."""


@dataclass(frozen=True)
class OutputForm:
    """What a model gives for a row: `width` numbers, of a classifier probabilities or else logits.

    Of several targets it is one number each: of a label the probability that it is 1.
    """

    width: int
    from_logits: bool = False
    n_targets: int = 1


class Score:
    """A score; each is a class in its own file, and a line in `SCORES`.

    A metric that Keras lacks is a class within a function, as `_metric_class` of `balanced_accuracy.py`.

    Attributes:
        name: as a study writes it.
        task: what it scores.
        sentence: what it is, for the docs and for the comments of a drafted study.
        label: what the report calls it; of which rows it is, `Evidence.compared` says.
        unit: of a difference, as axes show it.
        in_points: whether differences are given in percentage points.
        is_loss: whether smaller is better, as the study and Keras have it; our value is then its negative.
        in_target_units: whether it has the units of the target.
        margin: differences within it are not worth having, unless a study says otherwise; None where none suits all, and a
            study must say.
        most: no score is above it.
        is_share_of_rows: whether it is the share of the rows that are right: the Bayes rule bounds it, Wilson's interval
            holds, and it rewards guessing the largest class.
        weighs_classes_alike: whether each class counts the same; then the test rows must have each.
        takes_several: whether it has a meaning for several targets, where it is the mean of theirs.
        keras_is_exact: whether Keras' metric is the score itself, no approximation.
        keras_names: what the history of a fit may call it, for `compare`.
    """

    name: str
    task: Task
    sentence: str
    label: str
    unit: str
    in_points: bool = False
    is_loss: bool = False
    in_target_units: bool = False
    margin: float | None = 0.01
    most: float = inf
    is_share_of_rows: bool = False
    weighs_classes_alike: bool = False
    takes_several: bool = True
    keras_is_exact: bool = True
    keras_names: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """What tables call it (`score_name`): larger is better, so a loss is made negative, `-log_loss`."""
        return f"-{self.name}" if self.is_loss else self.name

    @property
    def decimals(self) -> int:
        """Decimals of a difference, as it is shown."""
        return 1 if self.in_points else 3

    @property
    def scale(self) -> float:
        """What a difference is multiplied with to be shown."""
        return 100.0 if self.in_points else 1.0

    def suits_skewed(self, n_classes: int) -> bool:
        """Whether a drafted study takes it where one of so many classes has most of the rows: exactly one score does."""
        return False

    def value(self, outputs: Array, y: Array) -> Array:
        """The score of each seed, larger being better: (n_seeds,).

        A number for outputs that are the same for all rows. Where rows of one class leave it undefined, NaN, or what
        scikit-learn gives.

        Args:
            outputs: (n_seeds, n_rows, n_outputs): the probability of class 1, or of each class, or the value predicted.
            y: (n_seeds, n_rows): class indices, or values.
        """
        raise NotImplementedError

    def metric(self, n_classes: int, form: OutputForm) -> Any:
        """A fresh Keras metric named `score`, measured on batches of (class numbers or targets, outputs).

        For a loss it is positive, as the loss is; smaller is better.

        Args:
            n_classes: 0 for a regression.
            form: of the model's outputs.
        """
        raise NotImplementedError

    def interval_of(self, value: float, n_rows: int, n_positive: int | None) -> tuple[float, float]:
        """The interval that `interval` gives for a value in [0, 1] and one row or more.

        NaN unless a score says otherwise. The variance of R², of a root mean squared error and of a log loss depends on the
        distribution of the residuals; the variance of a balanced accuracy depends on each class. A score does not show them.
        """
        return nan, nan

    def interval(self, value: float, n_rows: int, n_positive: int | None = None) -> tuple[float, float]:
        """The 95 % interval that a test set of n_rows leaves open, however many seeds; NaN where no sound closed form exists.

        Args:
            value: the score measured.
            n_positive: how many of the rows are of class 1, where there are two classes.
        """
        if n_rows < 1 or not (isfinite(value) and 0 <= value <= 1):
            return nan, nan
        return self.interval_of(value, n_rows, n_positive)

    def measure(self, outputs: ArrayLike, y: ArrayLike, target_scale: float | Array = 1.0) -> Array:
        """The score of each seed, larger being better, in units of the target where it has such: (n_seeds,).

        Args:
            outputs: as for `value`.
            y: (n_rows,), or (n_seeds, n_rows) where each seed has its own rows; of several targets (n_seeds or 1, n_rows,
                n_targets), the score being the mean of theirs, as scikit-learn's `multioutput="uniform_average"` is.
            target_scale: units of the target per unit of y, one number or (n_seeds,).

        Returns:
            NaN for a seed with outputs that are not all finite, and where the rows leave a score without meaning: an auc where
            only one class is there, an r2 of a constant target.
        """
        outputs, y = aligned(outputs, y)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = mean_of_targets(self.value, outputs, y)
        finite = np.isfinite(outputs).all(axis=(1, 2))
        return np.where(finite, values * (target_scale if self.in_target_units else 1.0), np.nan)

    def of_keras(self, measured: Array, target_scale: float | Array) -> Array:
        """What its Keras metric measured, larger being better, in units of the target where it has such."""
        unit = target_scale if self.in_target_units else 1.0
        return measured * ((-1.0 if self.is_loss else 1.0) * unit)


def aligned(outputs: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Both in float64, y with the seeds' axis."""
    outputs, y = np.asarray(outputs, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return outputs, np.broadcast_to(y, outputs.shape if y.ndim == 3 else outputs.shape[:2])


def mean_of_targets(value: Callable[[Array, Array], Array], outputs: Array, y: Array) -> Array:
    """A measure of each seed; with several targets, y (n_seeds, n_rows, n_targets), the mean over the targets."""
    if y.ndim == 2:
        return value(outputs, y)
    return np.asarray(np.mean([value(outputs[..., [k]], y[..., k]) for k in range(y.shape[2])], axis=0))


def predicted(outputs: Array) -> NDArray[Any]:
    """The likeliest class: as Keras has it, class 1 above .5, and the first of equal ones."""
    return outputs[..., 0] > 0.5 if outputs.shape[2] == 1 else outputs.argmax(axis=2)


def is_class(outputs: Array, y: Array) -> NDArray[np.bool_]:
    """Whether a row is of a class: (n_classes, n_seeds, n_rows)."""
    return np.asarray(np.arange(max(2, outputs.shape[2]))[:, None, None] == y)


def class_indicators(classes: Tensor, n_classes: int, dtype: Any) -> Tensor:
    """(n_rows, n_classes) of 0 and 1, from the numbers of classes."""
    from keras import ops

    column = ops.reshape(ops.cast(classes, "int32"), (-1, 1))
    return ops.cast(ops.equal(column, ops.arange(n_classes, dtype="int32")), dtype)


def decided(y_pred: Tensor, from_logits: bool) -> Tensor:
    """The class of each row: the largest output; of one output, class 1 where it is above one half."""
    from keras import ops

    if y_pred.shape[-1] == 1:
        return ops.squeeze(y_pred > (0.0 if from_logits else 0.5), axis=-1)
    return ops.argmax(y_pred, axis=-1)
