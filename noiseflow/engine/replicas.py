"""What many replicas of a model, their weights stacked, give for one input or each for its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine.fingerprint import model_key, text_of
from noiseflow.engine.keras_state import KERAS_LOCK, build_seeded
from noiseflow.engine.model import PreparedModel
from noiseflow.engine.problem import Array
from noiseflow.engine.random import Stream, draw_all
from noiseflow.engine.tracing import traced
from noiseflow.noise.instrument import positions_of

Tensor = Any
WIDTH = 8
"""Replicas that one program holds: what they work on stays in a core's cache, and a row never depends on how many other seeds
there are."""
ROWS_A_CALL = 1024
CALLS_KEPT = 16
"""Most models with compiled calls that are kept for later fits."""


def shards(n: int, width: int) -> list[list[int]]:
    """Indices 0 to n - 1 in lists of `width`, the last one filled up with its last index."""
    starts = range(0, n, width)
    return [[min(i, n - 1) for i in range(start, start + width)] for start in starts]


class StackedCall:
    """Calls replicas of a model in inference mode, compiled once for inputs of the same form.

    At any time it holds what WIDTH replicas compute for ROWS_A_CALL rows, and all outputs.

    Args:
        prepared: the model.
        replica: from the values of its variables and its own inputs to outputs; the model's own call unless given.
        logits: whether what enters the last activation is wanted, which Keras keeps for its losses.
        called: what distinguishes `replica` from others of the model.
    """

    def __init__(
        self,
        prepared: PreparedModel,
        replica: Callable[[Sequence[Tensor], Any], Any] | None = None,
        *,
        logits: bool = False,
        called: str = "",
    ) -> None:
        self.prepared = prepared
        self.replica = replica
        self.logits = logits
        self.called = f"outputs {logits} {called}"
        self.draws = False
        """Whether the model draws random numbers in inference mode."""
        self._compiled: dict[Hashable, Any] = {}

    def __call__(
        self, weights: Sequence[Array], x: Any, *, per_seed: bool = False, seeds: Sequence[int] | None = None
    ) -> Any:
        """Outputs of every replica: (n_replicas, n_rows, ...), nested as the model's outputs are.

        Args:
            weights: values of the model's weights, stacked over the replicas.
            x: (n_rows, ...), or nested as the model's inputs are; with `per_seed` an axis of the replicas in front.
            seeds: of the replicas, for a model that draws random numbers in inference mode too.
        """
        values = {id(v): array for v, array in zip(self.prepared.model.weights, weights, strict=True)}
        axis = 1 if per_seed else 0
        n, n_rows = len(weights[0]), keras.tree.flatten(x)[0].shape[axis]
        size = min(n_rows, ROWS_A_CALL)
        function = self._function(x, size, per_seed)
        starts = [min(start, n_rows - size) for start in range(0, n_rows, size)]
        n_shared = len(starts) * size - n_rows  # rows that the last call shares with the one before
        own_seeds = np.zeros(n, np.uint32) if seeds is None else np.asarray(seeds, np.uint32)

        def outputs(group: list[int]) -> Any:
            state = [_stacked(v, values, group) for v in _state(self.prepared.model)]
            mine = keras.tree.map_structure(lambda a: a[group], x) if per_seed else x
            streams = tf.constant(own_seeds[group])
            parts = [
                function(
                    state, keras.tree.map_structure(partial(_cut, axis, start, size), mine), streams, tf.constant(i)
                )
                for i, start in enumerate(starts)
            ]
            return keras.tree.map_structure(
                lambda *p: np.concatenate([*p[:-1], p[-1][:, n_shared:]], axis=1),
                *(keras.tree.map_structure(lambda v: v.numpy(), part) for part in parts),
            )

        groups = shards(n, WIDTH)
        return keras.tree.map_structure(lambda *p: np.concatenate(p)[:n], *(outputs(group) for group in groups))

    def _function(self, x: Any, size: int, per_seed: bool) -> Any:
        """The program for inputs of this form."""
        flat = keras.tree.flatten(x)
        key = (size, per_seed, tuple((a.shape[1 + per_seed :], a.dtype.str) for a in flat))
        with KERAS_LOCK:
            if key not in self._compiled:
                front = [WIDTH, size] if per_seed else [size]
                specs = keras.tree.map_structure(lambda a: tf.TensorSpec([*front, *a.shape[len(front) :]], a.dtype), x)
                called = f"{text_of(self.prepared.model)} {self.called} {key}"
                with self.prepared.instrumented():
                    self._compiled[key] = self._compile(specs, per_seed, called)
        return self._compiled[key]

    def _compile(self, specs: Any, per_seed: bool, called: str) -> Any:
        own = keras.tree.map_structure(lambda s: tf.TensorSpec(s.shape[1:], s.dtype), specs) if per_seed else specs
        draws = self.prepared.draws_in_inference(own) if self.replica is None else []
        self.draws = bool(draws)

        def outputs(state: Any, rows: Any, seeds: Tensor, call: Tensor) -> Any:
            drawn = draw_all(draws, seeds, call, purpose="predict")

            def replica(inputs: Any) -> Any:
                values, numbers, *own = inputs
                given = own[0] if per_seed else rows
                if self.replica is not None:
                    return self.replica(values, given)
                with self.prepared.walking(Stream([], dict(zip(draws, numbers, strict=True)))):
                    return self._model(values, given)

            return tf.vectorized_map(
                replica, (state, drawn, *([rows] if per_seed else [])), fallback_to_while_loop=False
            )

        states = [tf.TensorSpec([WIDTH, *v.shape], v.dtype) for v in _state(self.prepared.model)]
        scalars = tf.TensorSpec([WIDTH], tf.uint32), tf.TensorSpec([], tf.int32)
        return traced(outputs, states, specs, *scalars, called=called)

    def _model(self, values: Sequence[Tensor], x: Any) -> Any:
        model = self.prepared.model
        n_trainable = len(model.trainable_variables)
        training = {"training": False} if model._call_has_training_arg else {}  # noqa: SLF001
        outputs = model.stateless_call(list(values[:n_trainable]), list(values[n_trainable:]), x, **training)[0]
        return outputs._keras_logits if self.logits else outputs  # noqa: SLF001 - what Keras' own losses take


_calls: OrderedDict[Hashable, StackedCall] = OrderedDict()


def stacked_call(build_model: Callable[[], keras.Model], seed: int, *, logits: bool = False) -> StackedCall:
    """What calls the replicas of a model; an earlier fit's where the model is the same, so that nothing is compiled again."""
    with KERAS_LOCK:
        model = build_seeded(build_model, seed)
        same = model_key(build_model, model)
        call = _calls.pop((same, logits), None) or StackedCall(
            PreparedModel(model, (), positions_of(model)), logits=logits
        )
        if same is None:
            return call
        _calls[same, logits] = call
        while len(_calls) > CALLS_KEPT:
            _calls.popitem(last=False)
        return call


def forget_call(call: StackedCall) -> None:
    """Forgets the kept call, so that later fits compile their own."""
    with KERAS_LOCK:
        for key in [key for key, kept in _calls.items() if kept is call]:
            del _calls[key]


def _state(model: keras.Model) -> list[keras.Variable]:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _cut(axis: int, start: int, size: int, values: Array) -> Any:
    return tf.constant(values[(slice(None),) * axis + (slice(start, start + size),)])


def _stacked(variable: keras.Variable, values: Mapping[int, Array], group: list[int]) -> Any:
    """The values of the group's replicas; variables that are no weights keep their own values."""
    given = values.get(id(variable))
    return tf.constant(np.repeat(variable.numpy()[None], len(group), axis=0) if given is None else given[group])
