"""How one replica of a model takes one step: as Keras' own train step, written as a pure function of its variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from noiseflow.training.perturbations import Around

Tensor = Any
Batch = tuple[Any, ...]
"""x, y and, where there is one, sample_weight."""

State = dict[str, Any]
"""Values of the variables, a list each: trainable, non_trainable, optimizer; and what early stopping keeps, if any."""


class Call(NamedTuple):
    """What a call of the model gave: the loss, and the new values of the model's and the metrics' variables."""

    loss: Tensor
    non_trainable: list[Tensor]
    metrics: list[Tensor]


def call(
    model: keras.Model,
    state: Mapping[str, Any],
    metrics: Sequence[Tensor],
    batch: Batch,
    *,
    training: bool,
    targets: Any = None,
) -> Call:
    """Loss and metrics on one batch, as `train_step` and `test_step` of `keras.Model` compute them.

    Args:
        targets: what the loss compares with instead of y; the metrics compare with y.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    y_loss = y if targets is None else targets
    y_pred, non_trainable, losses = model.stateless_call(
        state["trainable"], state["non_trainable"], x, training=training, return_losses=True
    )
    with _losses_are(model, losses), metrics_are(model, metrics) as scope:
        loss = model.compute_loss(x=x, y=y_loss, y_pred=y_pred, sample_weight=sample_weight, training=training)
        model._loss_tracker.update_state(loss, sample_weight=tf.nest.flatten(x)[0].shape[0])  # noqa: SLF001
        model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
    return Call(loss, list(non_trainable), [scope.get_current_value(v) for v in model.metrics_variables])


def train(
    model: keras.Model, optimizer: Any, state: State, metrics: Sequence[Tensor], batch: Batch, around: Around
) -> tuple[State, Any]:
    """One step of training: the new state, and the metrics' variables.

    Args:
        optimizer: made by `optimizers.pure` and built on the model's trainable variables.
        around: noise on targets, weights and gradients, and the penalty, if any.
    """
    with tf.GradientTape() as tape:
        tape.watch(state["trainable"])
        perturbed = {**state, "trainable": around.weights(state["trainable"])}
        called = call(model, perturbed, metrics, batch, training=True, targets=around.targets(batch[1]))
        minimised = around.loss(called.loss, perturbed["trainable"])
    gradients = around.gradients([_dense(g) for g in tape.gradient(minimised, state["trainable"])])
    trainable, variables = optimizer.stateless_apply(state["optimizer"], gradients, state["trainable"])
    new = {"trainable": list(trainable), "non_trainable": called.non_trainable, "optimizer": list(variables)}
    return new, called.metrics


def metric_names(model: keras.Model, batch: Batch) -> list[str]:
    """Builds the loss and metrics of a compiled model, which Keras does at first use; their names, the loss first."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    y_pred = model(x, training=False)
    model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
    names = list(model.compute_metrics(x, y, y_pred, sample_weight=sample_weight))
    model.reset_metrics()
    return names


def _dense(gradient: Any) -> Any:
    """An embedding's gradient, and None of what the loss does not depend on, in the form of all others."""
    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


@contextmanager
def _losses_are(model: keras.Model, losses: Sequence[Tensor]) -> Iterator[None]:
    """Regularizers' losses are those of the stateless call (Keras' JAX trainer does it so)."""
    model._losses_override = list(losses)  # noqa: SLF001
    try:
        yield
    finally:
        model._losses_override = []  # noqa: SLF001


@contextmanager
def metrics_are(model: keras.Model, values: Sequence[Tensor]) -> Iterator[keras.StatelessScope]:
    """Within it, the metrics' variables have these values, and take new ones without being changed."""
    with keras.StatelessScope(list(zip(model.metrics_variables, values, strict=True))) as scope:
        yield scope
