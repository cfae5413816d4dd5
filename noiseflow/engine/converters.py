"""Operations that Keras uses and `tf.vectorized_map` cannot map, or maps wrongly: how they are mapped.

TensorFlow keeps a table from each kind of operation to a function that writes it for a whole stack; these entries lack in it,
or take the place of its own.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor


def _bitcast(conversion: Any) -> Any:
    """Between types of one width, as `keras.ops.argmax` uses it."""
    stacked = tf.bitcast(conversion.stacked_input(0), conversion.get_attr("type"))
    return pfor.wrap(stacked)


def _in_top_k(conversion: Any) -> Any:
    """Of (rows, classes) and the labels (rows,), as the top-k accuracies use it."""
    conversion.stack_inputs([0, 1])
    predictions, labels = conversion.stacked_input(0), conversion.stacked_input(1)
    n, rows, classes = predictions.shape
    hits = tf.math.in_top_k(
        tf.reshape(labels, [-1]), tf.reshape(predictions, [-1, classes]), conversion.unstacked_input(2)
    )
    return pfor.wrap(tf.reshape(hits, [n, rows]))


def _pad(conversion: Any) -> Any:
    """With the constant that is asked for: TensorFlow's own entry pads with zeros, whatever it is."""
    paddings = tf.concat([[[0, 0]], tf.cast(conversion.unstacked_input(1), tf.int32)], axis=0)
    return pfor.wrap(tf.pad(conversion.stacked_input(0), paddings, constant_values=conversion.unstacked_input(2)))


def _scatter_nd(conversion: Any) -> Any:
    """Each replica into a part of its own, as the gradient of a sort uses it."""
    conversion.stack_inputs([0, 1])
    indices, updates = conversion.stacked_input(0), conversion.stacked_input(1)
    n, *between, _ = indices.shape
    own = tf.broadcast_to(tf.reshape(tf.range(n, dtype=indices.dtype), [n, *[1] * len(between), 1]), [n, *between, 1])
    shape = tf.concat([[n], tf.cast(conversion.unstacked_input(2), tf.int32)], axis=0)
    return pfor.wrap(tf.scatter_nd(tf.concat([own, indices], -1), updates, tf.cast(shape, indices.dtype)))


CONVERTERS = {"Bitcast": _bitcast, "InTopKV2": _in_top_k, "PadV2": _pad, "ScatterNd": _scatter_nd}


def register() -> None:
    """Puts them into TensorFlow's table."""
    pfor._pfor_converter_registry.update(CONVERTERS)  # noqa: SLF001
