"""How one replica of a model takes one step: as Keras' own train step, written as a pure function of its variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src import backend

from noiseflow.controls.kind import Part
from noiseflow.engine.step_noise import StepNoise

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
    parts: Sequence[Part] | None = None,
) -> Call:
    """Loss and metrics on one batch, as `train_step` and `test_step` of `keras.Model` compute them.

    Args:
        parts: of the loss, in place of y and its weights; the metrics compare with y.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    losses = [(1.0, y, sample_weight)] if parts is None else parts
    mode = {"training": training} if model._call_has_training_arg else {}  # noqa: SLF001 - as Keras' trainers ask it
    values = [
        *zip(model.trainable_variables, state["trainable"], strict=True),
        *zip(model.non_trainable_variables, state["non_trainable"], strict=True),
        *zip(model.metrics_variables, metrics, strict=True),
    ]
    # one scope for all: a loss of the user's may call layers, and a layer may update a metric
    with keras.StatelessScope(values, collect_losses=True) as scope:
        y_pred = model(x, **mode)
        loss = total_loss(model, x, losses, y_pred, training=training)
        model._loss_tracker.update_state(loss, sample_weight=tf.nest.flatten(x)[0].shape[0])  # noqa: SLF001
        model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
    now = scope.get_current_value
    return Call(loss, [now(v) for v in model.non_trainable_variables], [now(v) for v in model.metrics_variables])


def total_loss(model: keras.Model, x: Any, parts: Sequence[Part], y_pred: Any, *, training: bool) -> Tensor:
    """The sum of the parts of the loss; one part alone is Keras' own loss."""

    def loss(y: Any, weight: Any) -> Tensor:
        return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight, training=training)

    if len(parts) == 1:
        return loss(*parts[0][1:])
    found = [(share, loss(y, weight)) for share, y, weight in parts]
    return tf.add_n([tf.cast(share, value.dtype) * value for share, value in found])


def training_step(
    model: keras.Model, state: State, metrics: Sequence[Tensor], batch: Batch, noise: StepNoise
) -> tuple[State, Any]:
    """One step of training: the new state, and the metrics' variables. To be traced within `pure_updates`.

    Args:
        noise: on targets, weights and gradients, and the penalty, if any.
    """
    x, parts = noise.batch(*keras.utils.unpack_x_y_sample_weight(batch))
    mixed = (x, *batch[1:])

    def passed(weights: list[Tensor]) -> tuple[Call, Any]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            noisy = {**state, "trainable": noise.weights(weights)}
            called = call(model, noisy, metrics, mixed, training=True, parts=parts)
            minimised = noise.loss(called.loss, noisy["trainable"])
        return called, tape.gradient(minimised, weights)

    called, gradients = passed(state["trainable"])
    climb = noise.climb(gradients)
    if climb is not None:
        noise.numbers.begin_second_pass()
        higher = [w if step is None else w + step for w, step in zip(state["trainable"], climb, strict=True)]
        _, gradients = passed(higher)
    gradients = noise.gradients(gradients)
    trainable, variables = model.optimizer.stateless_apply(state["optimizer"], gradients, state["trainable"])
    new = {
        "trainable": list(noise.after_step(list(trainable))),
        "non_trainable": called.non_trainable,
        "optimizer": list(variables),
    }
    return new, called.metrics


@contextmanager
def pure_updates(optimizer: Any) -> Iterator[None]:
    """Within it, the optimizer's `stateless_apply` works on TensorFlow, and on the values of one replica.

    On TensorFlow, Keras' optimizers update through `tf.distribute`, which takes real variables and mixes its arguments. Without
    that layer they act as on the other backends, so that what is not elementwise (clipping by norm, LAMB, Muon, Adafactor, a
    kernel's constraint) sees one seed's weights only. The optimizer itself stays, with all that its author set: variables that
    it is to leave alone, its own schedule.
    """
    own, divide = type(optimizer), backend.numpy.divide

    def divide_all(x1: Any, x2: Any) -> Any:
        """Keras divides an embedding's gradient in a way that does not vectorise; made dense it gives the same numbers."""
        is_sparse = isinstance(x1, tf.IndexedSlices) and len(getattr(x2, "shape", ())) > 0
        return divide(tf.convert_to_tensor(x1) if is_sparse else x1, x2)

    object.__setattr__(optimizer, "__class__", _pure(own))  # type: ignore[arg-type] # a class is hashable
    backend.numpy.divide = divide_all
    try:
        yield
    finally:
        backend.numpy.divide = divide
        object.__setattr__(optimizer, "__class__", own)


@cache
def _pure(own: type) -> type:
    ancestors = {cls.__name__: cls for cls in own.__mro__}
    tensorflow, base = ancestors["TFOptimizer"], ancestors["BaseOptimizer"]
    plain = {
        name: getattr(base, name) for name in vars(tensorflow) if not name.startswith("__") and hasattr(base, name)
    }
    plain["_var_key"] = _variable_key
    undistributed = type("Undistributed", (tensorflow,), plain)
    return type(
        f"Pure{own.__name__}", (own, undistributed), {}
    )  # its own class comes first: what it overrides stays so


def _variable_key(optimizer: Any, variable: Any) -> Any:
    """Keras' key of a variable on TensorFlow, whatever value a scope gives it: the optimizer keeps settings by it."""
    del optimizer
    return (variable._value if isinstance(variable, keras.Variable) else variable)._unique_id  # noqa: SLF001


def metric_names(model: keras.Model, batch: Batch) -> list[str]:
    """Builds the loss and metrics of a compiled model, which Keras does at first use; their names, the loss first."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    y_pred = model(x, training=False)
    model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
    names = list(model.compute_metrics(x, y, y_pred, sample_weight=sample_weight))
    model.reset_metrics()
    return names


@contextmanager
def metrics_are(model: keras.Model, values: Sequence[Tensor]) -> Iterator[keras.StatelessScope]:
    """Within it, the metrics' variables have these values, and take new ones without being changed."""
    with keras.StatelessScope(list(zip(model.metrics_variables, values, strict=True))) as scope:
        yield scope
