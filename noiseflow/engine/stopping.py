"""Early stopping of each replica by itself, as `keras.callbacks.EarlyStopping(restore_best_weights=True)` does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

Tensor = Any


class Stopping(NamedTuple):
    """How far each replica has come, (width,) each, and what it restores when it ends.

    Attributes:
        stopped: whether it has ended.
        loss: the lowest on the rows held back so far.
        wait: epochs since that loss.
        best_epoch: the epoch of that loss.
        epochs: how many it has trained.
        best: values (width, ...) after the best epoch.
    """

    stopped: Tensor
    loss: Tensor
    wait: Tensor
    best_epoch: Tensor
    epochs: Tensor
    best: Sequence[Tensor]


def begin(best: Sequence[Tensor], width: int, dtype: Any) -> Stopping:
    """Called before the first epoch."""
    none = tf.zeros([width], tf.int32)
    return Stopping(tf.zeros([width], tf.bool), tf.zeros([width], dtype), none, none, none, list(best))


def after_epoch(
    before: Stopping, values: Sequence[Tensor], loss: Tensor, epoch: Tensor, epochs: Tensor, patience: Tensor
) -> tuple[Stopping, list[Tensor]]:
    """The values after an epoch: the best ones where a replica has ended, else the present ones.

    As in Keras the first epoch counts as an improvement whatever its loss (a NaN is never improved on), and the best weights
    come back whether patience or the epochs ran out.

    Args:
        values: after the epoch, as in `Stopping.best`.
        loss: (width,), on the rows held back.
        epoch: counted from 1; epoch 0 trains nothing and changes nothing.
    """
    active = ~before.stopped & (epoch >= 1)
    better = active & ((epoch == 1) | (loss < before.loss))
    wait = tf.where(better, 0, before.wait + tf.cast(active, tf.int32))
    best = [_where(better, new, old) for new, old in zip(values, before.best, strict=True)]
    ends = active & ((~better & (wait >= patience)) | (epoch == epochs))
    after = Stopping(
        stopped=before.stopped | ends,
        loss=tf.where(better, loss, before.loss),
        wait=wait,
        best_epoch=tf.where(better, epoch, before.best_epoch),
        epochs=tf.where(active, epoch, before.epochs),
        best=best,
    )
    return after, [_where(after.stopped, kept, new) for kept, new in zip(best, values, strict=True)]


def _where(condition: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Replica by replica."""
    return tf.where(tf.reshape(condition, [-1] + [1] * (len(one.shape) - 1)), one, other)
