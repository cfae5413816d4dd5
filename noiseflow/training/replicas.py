"""What many replicas of a model, their weights stacked, give for one input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.training.keras_state import KERAS_LOCK
from noiseflow.training.problem import Array

WIDTH = 8
"""Replicas that one program holds: what they work on stays in a core's cache, and a row never depends on how many other seeds
there are."""
ROWS_A_CALL = 1024


def shards(n: int, width: int) -> list[list[int]]:
    """Indices 0 to n - 1 in lists of `width`, the last one filled up with its last index."""
    starts = range(0, n, width)
    return [[min(i, n - 1) for i in range(start, start + width)] for start in starts]


def stacked_call(model: keras.Model, variables: Sequence[keras.Variable], weights: Sequence[Array], x: Any) -> Any:
    """Outputs in inference mode of every replica: (n_replicas, n_rows, ...), nested as the model's outputs are.

    Args:
        model: without layers that do not vectorise.
        variables: Keras variables, the model's weights among them, and
        weights: their values, stacked over the replicas.
        x: (n_rows, ...), or nested as the model's inputs are.
    """
    values = {id(v): array for v, array in zip(variables, weights, strict=True)}
    n, n_rows = len(weights[0]), len(keras.tree.flatten(x)[0])
    size = min(n_rows, ROWS_A_CALL)
    with KERAS_LOCK:
        function = _traced(model, x, size)
    starts = [min(start, n_rows - size) for start in range(0, n_rows, size)]
    again = len(starts) * size - n_rows  # rows that the last call shares with the one before

    def outputs(group: list[int]) -> Any:
        state = [_stacked(v, values, group) for v in (*model.trainable_variables, *model.non_trainable_variables)]
        parts = [function(state, keras.tree.map_structure(partial(_cut, start, size), x)) for start in starts]
        return keras.tree.map_structure(
            lambda *p: np.concatenate([*p[:-1], p[-1][:, again:]], axis=1),
            *(keras.tree.map_structure(lambda v: v.numpy(), part) for part in parts),
        )

    return keras.tree.map_structure(lambda *p: np.concatenate(p)[:n], *(outputs(group) for group in shards(n, WIDTH)))


def _cut(start: int, size: int, values: Array) -> Any:
    return tf.constant(values[start : start + size])


def _traced(model: keras.Model, x: Any, size: int) -> Any:
    n_trainable = len(model.trainable_variables)

    def outputs(state: Any, rows: Any) -> Any:
        def replica(inputs: Any) -> Any:
            values, _ = inputs
            return model.stateless_call(values[:n_trainable], values[n_trainable:], rows, training=False)[0]

        return tf.vectorized_map(replica, (state, tf.range(WIDTH)), fallback_to_while_loop=False)

    variables = (*model.trainable_variables, *model.non_trainable_variables)
    return tf.function(outputs, autograph=False).get_concrete_function(
        [tf.TensorSpec([WIDTH, *v.shape], v.dtype) for v in variables],
        keras.tree.map_structure(lambda a: tf.TensorSpec([size, *a.shape[1:]], a.dtype), x),
    )


def _stacked(variable: keras.Variable, values: Mapping[int, Array], group: list[int]) -> Any:
    """The values of the group's replicas; of what is no weight, its own."""
    given = values.get(id(variable))
    return tf.constant(np.repeat(variable.numpy()[None], len(group), axis=0) if given is None else given[group])
