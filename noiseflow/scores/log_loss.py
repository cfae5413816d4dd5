"""Log loss: the mean cross-entropy of the probabilities."""

from __future__ import annotations

from functools import cache
from typing import Any

from noiseflow.scores.losses import log_likelihood
from noiseflow.scores.score import SCORE, Array, OutputForm, Score


class LogLoss(Score):
    """The mean cross-entropy of the probabilities."""

    name = "log_loss"
    task = "classification"
    sentence = "the mean cross-entropy of the probabilities, in nats"
    label = "log likelihood"
    unit = "nats"
    is_loss = True
    most = 0.0

    def value(self, outputs: Array, y: Array) -> Array:
        """The mean log likelihood."""
        return log_likelihood(outputs, y)

    def metric(self, n_classes: int, form: OutputForm) -> Any:
        """Keras' own, except for one output a row."""
        import keras

        if form.width == 1 or form.n_targets > 1:
            return _binary_log_loss()(form.from_logits)
        return keras.metrics.SparseCategoricalCrossentropy(name=SCORE, from_logits=form.from_logits)


@cache
def _binary_log_loss() -> type:
    """A metric class: Keras' own takes no targets of one axis."""
    import keras

    def cross_entropy(y_true: Any, y_pred: Any, from_logits: bool) -> Any:
        true = keras.ops.reshape(keras.ops.cast(y_true, y_pred.dtype), keras.ops.shape(y_pred))
        return keras.losses.binary_crossentropy(true, y_pred, from_logits=from_logits)

    class BinaryLogLoss(keras.metrics.MeanMetricWrapper):
        """Mean cross-entropy of two classes, from one output a row; of several labels the mean."""

        def __init__(self, from_logits: bool = False, name: str = SCORE, dtype: Any = None) -> None:
            super().__init__(cross_entropy, name=name, dtype=dtype, from_logits=from_logits)
            self.from_logits = from_logits

        def get_config(self) -> dict[str, Any]:
            return {"name": self.name, "dtype": self.dtype, "from_logits": self.from_logits}

    return BinaryLogLoss
