"""What many replicas of a model, their weights stacked, give for one input or each for its own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
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


class StackedCall:
    """Calls replicas of a model in inference mode; traced once for inputs of the same form.

    At any time it holds what WIDTH replicas compute for ROWS_A_CALL rows, and all outputs.

    Args:
        model: without layers that do not vectorise.
        variables: Keras variables, the model's weights among them.
    """

    def __init__(self, model: keras.Model, variables: Sequence[keras.Variable]) -> None:
        self.model = model
        self.variables = list(variables)
        self._traced: dict[Hashable, Any] = {}

    def __call__(self, weights: Sequence[Array], x: Any, *, per_seed: bool = False) -> Any:
        """Outputs of every replica: (n_replicas, n_rows, ...), nested as the model's outputs are.

        Args:
            weights: values of the variables, stacked over the replicas.
            x: (n_rows, ...), or nested as the model's inputs are; with `per_seed` an axis of the replicas in front.
        """
        values = {id(v): array for v, array in zip(self.variables, weights, strict=True)}
        axis = 1 if per_seed else 0
        n, n_rows = len(weights[0]), keras.tree.flatten(x)[0].shape[axis]
        size = min(n_rows, ROWS_A_CALL)
        function = self._function(x, size, per_seed)
        starts = [min(start, n_rows - size) for start in range(0, n_rows, size)]
        again = len(starts) * size - n_rows  # rows that the last call shares with the one before

        def outputs(group: list[int]) -> Any:
            state = [_stacked(v, values, group) for v in _state(self.model)]
            mine = keras.tree.map_structure(lambda a: a[group], x) if per_seed else x
            parts = [
                function(state, keras.tree.map_structure(partial(_cut, axis, start, size), mine)) for start in starts
            ]
            return keras.tree.map_structure(
                lambda *p: np.concatenate([*p[:-1], p[-1][:, again:]], axis=1),
                *(keras.tree.map_structure(lambda v: v.numpy(), part) for part in parts),
            )

        groups = shards(n, WIDTH)
        return keras.tree.map_structure(lambda *p: np.concatenate(p)[:n], *(outputs(group) for group in groups))

    def _function(self, x: Any, size: int, per_seed: bool) -> Any:
        """The graph for inputs of this form."""
        flat = keras.tree.flatten(x)
        key = (size, per_seed, tuple((a.shape[1 + per_seed :], a.dtype.str) for a in flat))
        with KERAS_LOCK:
            if key not in self._traced:
                front = [WIDTH, size] if per_seed else [size]
                specs = keras.tree.map_structure(lambda a: tf.TensorSpec([*front, *a.shape[len(front) :]], a.dtype), x)
                self._traced[key] = self._trace(specs, per_seed)
        return self._traced[key]

    def _trace(self, specs: Any, per_seed: bool) -> Any:
        n_trainable = len(self.model.trainable_variables)

        def outputs(state: Any, rows: Any) -> Any:
            def replica(inputs: Any) -> Any:
                values, own = inputs
                given = own if per_seed else rows
                return self.model.stateless_call(values[:n_trainable], values[n_trainable:], given, training=False)[0]

            mapped = (state, rows if per_seed else tf.range(WIDTH))
            return tf.vectorized_map(replica, mapped, fallback_to_while_loop=False)

        states = [tf.TensorSpec([WIDTH, *v.shape], v.dtype) for v in _state(self.model)]
        return tf.function(outputs, autograph=False).get_concrete_function(states, specs)


def _state(model: keras.Model) -> list[keras.Variable]:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _cut(axis: int, start: int, size: int, values: Array) -> Any:
    return tf.constant(values[(slice(None),) * axis + (slice(start, start + size),)])


def _stacked(variable: keras.Variable, values: Mapping[int, Array], group: list[int]) -> Any:
    """The values of the group's replicas; of what is no weight, its own."""
    given = values.get(id(variable))
    return tf.constant(np.repeat(variable.numpy()[None], len(group), axis=0) if given is None else given[group])
