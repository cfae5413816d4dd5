"""The state of many replicas of one model, each variable stacked over them, and a call of the model for one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from noiseflow.training.keras_state import KERAS_LOCK
from noiseflow.training.problem import Array

Tensor = Any
ROWS_A_CALL = 1024
LEAST_REPLICAS = 8
"""With fewer, XLA chooses other kernels, and a seed's numbers would depend on its batch (measured: from 5 on they do not)."""


def pad(array: Array) -> Array:
    """The array with its last entry repeated until there are LEAST_REPLICAS."""
    return np.concatenate([array, np.repeat(array[-1:], max(0, LEAST_REPLICAS - len(array)), axis=0)])


class Replicas:
    """n replicas of a compiled model: stacked variables, and the optimizer that updates them all at once.

    `fresh_metrics` are the metrics' variables before the first batch, stacked; the model's loss and metrics must be built.
    """

    def __init__(self, model: keras.Model, weights: Sequence[Array]) -> None:
        self.model = model
        self.n = len(weights[0])
        self.dtype = model.compute_dtype
        self.stacked = [
            keras.Variable(array, dtype=v.dtype, trainable=v.trainable, name=v.name)
            for v, array in zip(model.weights, weights, strict=True)
        ]
        by_id = {id(v): stacked for v, stacked in zip(model.weights, self.stacked, strict=True)}
        self.trainable = [by_id[id(v)] for v in model.trainable_variables]
        self.non_trainable = [by_id[id(v)] for v in model.non_trainable_variables]
        self.optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
        self.optimizer.build(self.trainable)
        self.fresh_metrics = [np.repeat(v.numpy()[None], self.n, axis=0) for v in model.metrics_variables]

    def state(self) -> dict[str, Any]:
        """Values of the variables, as elements for `tf.vectorized_map`."""
        return {
            "trainable": [v.value for v in self.trainable],
            "non_trainable": [v.value for v in self.non_trainable],
        }

    def update(self, gradients: Sequence[Tensor], non_trainable: Sequence[Tensor]) -> None:
        """Takes one optimizer step, and the new values of what the layers update themselves."""
        self.optimizer.apply(gradients, self.trainable)
        for variable, value in zip(self.non_trainable, non_trainable, strict=True):
            variable.assign(value)

    def metric_results(self, metrics: Sequence[Tensor]) -> Tensor:
        """Loss and metrics from the stacked metrics' variables: (n, n_metrics)."""

        def results(values: Sequence[Tensor]) -> Tensor:
            with _metrics_are(self.model, values):
                return tf.stack([tf.cast(v, self.dtype) for v in self.model.get_metrics_result().values()])

        return tf.vectorized_map(results, list(metrics), fallback_to_while_loop=False)

    def weights(self) -> list[Array]:
        """The stacked weights in the model's order."""
        return [np.asarray(v) for v in self.stacked]


class Call(NamedTuple):
    """What a call of the model gave for one replica: the loss, and the new values of the variables."""

    loss: Tensor
    non_trainable: list[Tensor]
    metrics: list[Tensor]


def replica_call(model: keras.Model, state: Mapping[str, Any], x: Tensor, y: Tensor, *, training: bool) -> Call:
    """Loss and metrics of one replica on one batch, as Keras' own train and test step compute them."""
    y_pred, non_trainable, losses = model.stateless_call(
        state["trainable"], state["non_trainable"], x, training=training, return_losses=True
    )
    with _losses_are(model, losses):
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, training=training)
    with _metrics_are(model, state["metrics"]) as scope:
        model._loss_tracker.update_state(loss, sample_weight=x.shape[0])  # noqa: SLF001 - as Keras' train_step does
        model.compute_metrics(x, y, y_pred)
    return Call(loss, list(non_trainable), [scope.get_current_value(v) for v in model.metrics_variables])


@contextmanager
def _losses_are(model: keras.Model, losses: Sequence[Tensor]) -> Iterator[None]:
    """Regularizers' losses are those of the stateless call (Keras' JAX trainer does it so)."""
    model._losses_override = list(losses)  # noqa: SLF001
    try:
        yield
    finally:
        model._losses_override = []  # noqa: SLF001


@contextmanager
def _metrics_are(model: keras.Model, values: Sequence[Tensor]) -> Iterator[keras.StatelessScope]:
    with keras.StatelessScope(list(zip(model.metrics_variables, values, strict=True))) as scope:
        yield scope


def stacked_call(model: keras.Model, variables: Sequence[Any], weights: Sequence[Array], x: Array) -> Array:
    """Outputs in inference mode of every replica: (n_replicas, n_rows, ...).

    Args:
        model: a model that has weights, all of them among `variables`.
        variables: Keras variables, and
        weights: their values, stacked over the replicas.
        x: (n_rows, ...).
    """
    values = {id(variable): array for variable, array in zip(variables, weights, strict=True)}
    trainable = [tf.constant(values[id(v)]) for v in model.trainable_variables]
    non_trainable = [tf.constant(values[id(v)]) for v in model.non_trainable_variables]

    def outputs(rows: Tensor) -> Tensor:
        def replica(state: Any) -> Tensor:
            return model.stateless_call(state[0], state[1], rows, training=False)[0]

        return tf.vectorized_map(replica, (trainable, non_trainable), fallback_to_while_loop=False)

    size = min(len(x), ROWS_A_CALL)
    with KERAS_LOCK:
        spec = tf.TensorSpec([size, *x.shape[1:]], x.dtype)
        call = tf.function(outputs, jit_compile=True, autograph=False).get_concrete_function(spec)
    starts = [min(start, len(x) - size) for start in range(0, len(x), size)]
    parts = [call(tf.constant(x[start : start + size])).numpy() for start in starts]
    parts[-1] = parts[-1][:, len(starts) * size - len(x) :]  # what the last call shares with the one before
    return np.concatenate(parts, axis=1)
