"""How a compiled program measures its replicas: loss and metrics in inference mode, from the metrics' own variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine import step
from noiseflow.engine.form import ProgramInputs, RowLayout
from noiseflow.engine.model import PreparedModel
from noiseflow.engine.random import Draw, Stream, draw_all

Tensor = Any


class Measures:
    """Loss and metrics of `width` replicas of a compiled model with its metrics built."""

    def __init__(self, prepared: PreparedModel, width: int) -> None:
        self.prepared = prepared
        self.model = prepared.model
        self.names = list(prepared.names)
        self._fresh = [np.repeat(v.numpy()[None], width, axis=0) for v in self.model.metrics_variables]

    def fresh(self) -> list[Tensor]:
        """The metrics' variables before the first batch, stacked."""
        return [tf.constant(values) for values in self._fresh]

    def results(self, metrics: Sequence[Tensor]) -> Tensor:
        """Loss and metrics from the metrics' variables: (width, n_names)."""

        def replica(values: Sequence[Tensor]) -> Tensor:
            with step.metrics_are(self.model, values):
                results = self.model.get_metrics_result()
            return tf.stack([tf.cast(results[name], self.model.compute_dtype) for name in self.names])

        return mapped(replica, list(metrics))

    def of(
        self, state: Mapping[str, Any], layout: RowLayout, part: Any, run: ProgramInputs, epoch: Tensor, name: str
    ) -> Tensor:
        """Loss and metrics of a part in inference mode: (width, n_names).

        Args:
            run, epoch, name: of the replicas and the part, for a model that draws random numbers in inference mode too.
        """
        size = min(self.prepared.rows_a_batch, layout.n_rows)
        whole, rest = divmod(layout.n_rows, size)

        def batch(index: Tensor, length: int, metrics: Any) -> Any:
            rows = layout.slice(part, index * size, length)
            draws = self._draws(layout, rows, length)
            at = epoch * (whole + 1) + index
            drawn = draw_all(draws, run.seeds, at, purpose=f"measure/{name}", randomness_off=run.randomness_off)

            def replica(inputs: Any) -> Any:
                state, metrics, numbers, *own = inputs
                mine = own[0] if layout.stacked else rows
                stream = Stream([], dict(zip(draws, numbers, strict=True)))
                with self.prepared.walking(stream):
                    return step.call(self.model, state, metrics, mine, training=False).metrics

            return mapped(replica, (state, metrics, drawn, *([rows] if layout.stacked else [])))

        if whole == 1:
            metrics = batch(tf.constant(0), size, self.fresh())
        else:
            metrics = repeat(tf.constant(whole), lambda i, m: batch(i, size, m), self.fresh())
        return self.results(batch(tf.constant(whole), rest, metrics) if rest else metrics)

    def _draws(self, layout: RowLayout, rows: Any, length: int) -> list[Draw]:
        """What the model asks for in inference mode; of most models nothing."""
        axis = 1 if layout.stacked else 0
        specs = keras.tree.map_structure(lambda v: tf.TensorSpec([length, *v.shape[axis + 1 :]], v.dtype), rows[0])
        return self.prepared.draws_in_inference(specs)


def mapped(replica: Callable[[Any], Any], inputs: Any) -> Any:
    """What `replica` gives for each of the stacked inputs, stacked; one alone is not vectorised, but called."""
    if keras.tree.flatten(inputs)[0].shape[0] == 1:
        alone = replica(keras.tree.map_structure(lambda v: tf.squeeze(v, 0), inputs))
        return keras.tree.map_structure(lambda v: tf.expand_dims(v, 0), alone)
    return tf.vectorized_map(replica, inputs, fallback_to_while_loop=False)


def repeat(n: Tensor, body: Callable[[Tensor, Any], Any], carry: Any) -> Any:
    """Folds `body(index, carry)` n times."""
    return tf.while_loop(lambda i, _: i < n, lambda i, c: (i + 1, body(i, c)), (tf.constant(0), carry))[1]
