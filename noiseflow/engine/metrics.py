"""The score that every model of a study measures, as a Keras metric, and what a model's outputs mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

ops = keras.ops
SCORE = "score"
"""Name of the metric."""


@dataclass(frozen=True)
class OutputForm:
    """What a model gives for a row: `width` numbers, of a classifier probabilities or else logits."""

    width: int
    from_logits: bool = False


@dataclass(frozen=True)
class CompiledLoss:
    """The loss that a model was compiled with.

    name: that of Keras' function, None for a loss that is not Keras' own; from_logits: as it was given, None where the
    loss has no such setting.
    """

    name: str | None
    from_logits: bool | None


def compiled_loss(model: keras.Model) -> CompiledLoss:
    """The one loss of a compiled model.

    Raises:
        ValueError: it has none, or several.
    """
    given = [loss for loss in keras.tree.flatten(model._compile_config.config["loss"]) if loss]  # noqa: SLF001
    if len(given) != 1:
        raise ValueError(f"must be compiled with one loss; received {len(given)}")
    loss = keras.losses.get(given[0])
    function = getattr(loss, "fn", loss)
    name = getattr(function, "__name__", type(function).__name__)
    is_known = getattr(function, "__module__", "").startswith("keras.")
    settings = getattr(loss, "_fn_kwargs", {})
    from_logits = settings.get("from_logits", False if is_known and "crossentropy" in name else None)
    return CompiledLoss(name if is_known else None, from_logits)


def output_activation(model: keras.Model) -> str | None:
    """The name of the activation that a model ends with; None where it cannot be told, as of a subclassed model."""
    if not getattr(model, "outputs", None):
        return None
    layer = model.outputs[0]._keras_history.operation  # noqa: SLF001 - no public name leads there
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(layer, "activation", None), "__name__", None)


def output_form(model: keras.Model, width: int | None = None) -> OutputForm:
    """The form of a compiled model's outputs: logits if its loss says so, or if it cannot say and nothing squashes them.

    Args:
        width: of the output, for a model that does not know it by itself, as a subclassed one.
    """
    loss = compiled_loss(model)
    from_logits = loss.from_logits
    if from_logits is None:
        from_logits = loss.name is None and output_activation(model) == "linear"
    return OutputForm(int(model.output_shape[-1]) if width is None else width, from_logits)


def natural_form(n_classes: int) -> OutputForm:
    """The form of the outputs of the networks that ship; n_classes is 0 for a regression."""
    return OutputForm(1 if n_classes in (0, 2) else n_classes)


def probabilities(outputs: ArrayLike, form: OutputForm) -> NDArray[Any]:
    """A classifier's outputs as probabilities, of the same shape (..., width): that of class 1, or one for each class."""
    values = np.asarray(outputs)
    if not form.from_logits:
        return values
    return np.asarray(expit(values) if form.width == 1 else softmax(values, axis=-1))


def score_metric(score_name: str, n_classes: int, form: OutputForm | None = None) -> keras.metrics.Metric:
    """A fresh metric named `score`, measured on batches of (class numbers or targets, outputs).

    Those of losses (`-log_loss`, `-rmse`) are positive as the loss is, smaller being better. auc is approximate: areas
    between 200 thresholds, for several classes the mean over one class against the others.

    Args:
        score_name: as `Dataset.score_name` gives it.
        n_classes: 0 for a regression.
        form: of the model's outputs; that of the networks that ship unless given.
    """
    return SCORES[score_name](n_classes, form or natural_form(n_classes))


class BalancedAccuracy(keras.metrics.Metric):
    """Mean over the classes of the share of their rows that are found; classes without rows do not count.

    References:
        Brodersen et al. (2010), The balanced accuracy and its posterior distribution.
    """

    def __init__(self, n_classes: int, from_logits: bool = False, name: str = SCORE, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.n_classes = n_classes
        self.from_logits = from_logits
        self.hits = self.add_variable((n_classes,), "zeros", name="hits")
        self.rows = self.add_variable((n_classes,), "zeros", name="rows")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts the rows of a batch: y_true (n_rows,) or (n_rows, 1), y_pred (n_rows, width)."""
        true = _class_indicators(y_true, self.n_classes, self.dtype)
        if sample_weight is not None:
            true = true * ops.reshape(ops.cast(sample_weight, self.dtype), (-1, 1))
        predicted = _class_indicators(_decided(y_pred, self.from_logits), self.n_classes, self.dtype)
        self.hits.assign_add(ops.sum(true * predicted, axis=0))
        self.rows.assign_add(ops.sum(true, axis=0))

    def result(self) -> Any:
        """The mean recall so far, a fraction in [0, 1]."""
        recall = self.hits / ops.maximum(self.rows, keras.config.epsilon())
        present = ops.cast(self.rows > 0, self.dtype)
        return ops.sum(recall * present) / ops.maximum(ops.sum(present), 1)

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        return {**super().get_config(), "n_classes": self.n_classes, "from_logits": self.from_logits}


class LogitAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of rows whose class is found, from the logits of class 1 (Keras' BinaryAccuracy takes no threshold of 0)."""

    def __init__(self, name: str = SCORE, dtype: Any = None) -> None:
        super().__init__(_found, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        return {"name": self.name, "dtype": self.dtype}


class BinaryLogLoss(keras.metrics.MeanMetricWrapper):
    """Mean cross-entropy of two classes, from one output a row (Keras' own takes no targets of one axis)."""

    def __init__(self, from_logits: bool = False, name: str = SCORE, dtype: Any = None) -> None:
        super().__init__(_binary_log_loss, name=name, dtype=dtype, from_logits=from_logits)
        self.from_logits = from_logits

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        return {"name": self.name, "dtype": self.dtype, "from_logits": self.from_logits}


class ClassAUC(keras.metrics.AUC):
    """Area under the ROC curve of each class against the others, their mean; takes class numbers."""

    def __init__(self, n_classes: int, from_logits: bool = False, name: str = SCORE, dtype: Any = None) -> None:
        super().__init__(multi_label=True, num_labels=n_classes, name=name, dtype=dtype)
        self.n_classes = n_classes
        self.takes_logits = from_logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts the rows of a batch: y_true (n_rows,) or (n_rows, 1), y_pred (n_rows, n_classes)."""
        true = _class_indicators(y_true, self.n_classes, self.dtype)
        super().update_state(true, ops.softmax(y_pred) if self.takes_logits else y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        settings = {"n_classes": self.n_classes, "from_logits": self.takes_logits}
        return {"name": self.name, "dtype": self.dtype, **settings}


def _class_indicators(classes: Any, n_classes: int, dtype: Any) -> Any:
    """(n_rows, n_classes) of 0 and 1, from the numbers of classes."""
    column = ops.reshape(ops.cast(classes, "int32"), (-1, 1))
    return ops.cast(ops.equal(column, ops.arange(n_classes, dtype="int32")), dtype)


def _decided(y_pred: Any, from_logits: bool) -> Any:
    """The class of each row: that of the largest output, or 1 where the only one is above the half."""
    if y_pred.shape[-1] == 1:
        return ops.squeeze(y_pred > (0.0 if from_logits else 0.5), axis=-1)
    return ops.argmax(y_pred, axis=-1)


def _found(y_true: Any, y_pred: Any) -> Any:
    decided = ops.cast(_decided(y_pred, from_logits=True), "int32")
    true = ops.reshape(ops.cast(y_true, "int32"), ops.shape(decided))
    return ops.cast(ops.equal(true, decided), keras.config.floatx())


def _binary_log_loss(y_true: Any, y_pred: Any, from_logits: bool) -> Any:
    true = ops.reshape(ops.cast(y_true, y_pred.dtype), ops.shape(y_pred))
    return keras.losses.binary_crossentropy(true, y_pred, from_logits=from_logits)


def _accuracy(_: int, form: OutputForm) -> keras.metrics.Metric:
    if form.width > 1:
        return keras.metrics.SparseCategoricalAccuracy(name=SCORE)
    return LogitAccuracy() if form.from_logits else keras.metrics.BinaryAccuracy(name=SCORE)


def _balanced_accuracy(n_classes: int, form: OutputForm) -> keras.metrics.Metric:
    return BalancedAccuracy(n_classes, form.from_logits)


def _auc(n_classes: int, form: OutputForm) -> keras.metrics.Metric:
    if form.width > 1:
        return ClassAUC(n_classes, form.from_logits)
    return keras.metrics.AUC(name=SCORE, from_logits=form.from_logits)


def _cross_entropy(_: int, form: OutputForm) -> keras.metrics.Metric:
    if form.width == 1:
        return BinaryLogLoss(form.from_logits)
    return keras.metrics.SparseCategoricalCrossentropy(name=SCORE, from_logits=form.from_logits)


SCORES: dict[str, Callable[[int, OutputForm], keras.metrics.Metric]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "auc": _auc,
    "-log_loss": _cross_entropy,
    "r2": lambda n_classes, form: keras.metrics.R2Score(name=SCORE),
    "-rmse": lambda n_classes, form: keras.metrics.RootMeanSquaredError(name=SCORE),
}
"""For each score, the metric for (n_classes, form of the outputs)."""
