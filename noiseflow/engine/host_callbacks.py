"""Keras' callbacks beside a compiled program: each replica's own copies, called between its epochs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from noiseflow.engine.problem import Array, NotVectorizableError

BATCH_HOOKS = tuple(
    f"on_{mode}batch_{end}" for mode in ("", "train_", "test_", "predict_") for end in ("begin", "end")
)  # fmt: skip


def require_epoch_callbacks(callbacks: Sequence[Any]) -> None:
    """Refuses callbacks that look at batches, which a compiled program does not stop at.

    Raises:
        NotVectorizableError: and names the callback.
    """
    for callback in callbacks:
        for hook in BATCH_HOOKS:
            own = getattr(type(callback), hook, None) is not getattr(keras.callbacks.Callback, hook, None)
            if own or hook in vars(callback):
                raise NotVectorizableError(f"callback {type(callback).__name__} has {hook}, which looks at batches")


def copied(callbacks: Sequence[Any]) -> list[Any]:
    """Copies for one seed.

    Raises:
        NotVectorizableError: one cannot be copied.
    """
    try:
        return [copy.deepcopy(callback) for callback in callbacks]
    except Exception as error:
        raise NotVectorizableError(f"the callbacks cannot be copied for each seed: {error}") from error


def _unknown(own: Any, what: str, name: str) -> Exception:
    """The error for a callback that asks for an attribute that a replica lacks; the real object may lack it too."""
    if not hasattr(own, name):
        return AttributeError(name)
    return NotVectorizableError(f"a callback asks for {what}.{name}")


class _Optimizer:
    """What callbacks see of a replica's optimizer."""

    def __init__(self, own: Any, learning_rate: float | None) -> None:
        object.__setattr__(self, "_own", own)
        object.__setattr__(self, "_rate", learning_rate)

    def __getattr__(self, name: str) -> Any:
        if name == "learning_rate" and self._rate is not None:
            return np.float32(self._rate)
        raise _unknown(self._own, "optimizer", name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "learning_rate" or self._rate is None:
            raise NotVectorizableError(f"a callback sets optimizer.{name}")
        object.__setattr__(self, "_rate", float(np.asarray(value)))


class ReplicaModel:
    """What callbacks see of a replica: its learning rate, its weights, and whether it is to stop."""

    def __init__(self, template: keras.Model, learning_rate: float | None) -> None:
        self._own = template
        self.optimizer = _Optimizer(template.optimizer, learning_rate)
        self.stop_training = False
        self.metrics = template.metrics
        self.name = template.name
        self.weights_now: list[Array] = []

    def get_weights(self) -> list[Array]:
        """The replica's weights after the epoch."""
        return [np.array(w) for w in self.weights_now]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Gives the replica other weights."""
        self.weights_now = [np.asarray(w) for w in weights]

    def __getattr__(self, name: str) -> Any:
        raise _unknown(vars(self)["_own"], "model", name)


class Replica:
    """One replica between its epochs.

    Args:
        callbacks: the user's, which are copied.
        template: the model that all replicas are of.
        learning_rate: at the start; None where a schedule sets it.
        epochs: as asked for.
    """

    def __init__(
        self, callbacks: Sequence[Any], template: keras.Model, learning_rate: float | None, epochs: int
    ) -> None:
        self.model = ReplicaModel(template, learning_rate)
        self.callbacks = copied(callbacks)
        for callback in self.callbacks:
            callback._model = self.model  # noqa: SLF001 - Keras' setter wants a keras.Model
            callback.set_params({"verbose": 0, "epochs": epochs})
        self.stopped_at: int | None = None

    def begin(self, weights: Sequence[Array]) -> None:
        """Called before the first epoch."""
        self.model.weights_now = list(weights)
        for callback in self.callbacks:
            callback.on_train_begin({})

    def begin_epoch(self, epoch: int) -> None:
        """Called before an epoch, counted from 1."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch - 1, {})

    def end_epoch(self, epoch: int, logs: Mapping[str, float], weights: Sequence[Array]) -> None:
        """Called after an epoch; notes whether it was the last one."""
        self.model.weights_now = list(weights)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch - 1, dict(logs))
        if self.model.stop_training:
            self.end(epoch)

    def end(self, epoch: int) -> None:
        """Called after the last epoch."""
        if self.stopped_at is None:
            self.stopped_at = epoch
            for callback in self.callbacks:
                callback.on_train_end({})

    @property
    def best_epoch(self) -> int:
        """The epoch that its last weights are of."""
        return best_epoch(self.callbacks, int(self.stopped_at or 0))


def best_epoch(callbacks: Sequence[Any], trained: int) -> int:
    """The epoch that a training's last weights are from: the one that a callback restored, else the last one."""
    best = [
        callback.best_epoch + 1
        for callback in callbacks
        if getattr(callback, "restore_best_weights", False) and getattr(callback, "best_weights", None) is not None
    ]
    return int(best[-1]) if best else trained
