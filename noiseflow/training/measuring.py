"""How a compiled program measures its replicas: loss and metrics in inference mode, from the metrics' own variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.training import step
from noiseflow.training.form import Layout
from noiseflow.training.problem import EVALUATION_ROWS

Tensor = Any


class Measures:
    """Loss and metrics of `width` replicas of a compiled model whose metrics are built."""

    def __init__(self, model: keras.Model, names: Sequence[str], width: int) -> None:
        self.model = model
        self.names = list(names)
        self._fresh = [np.repeat(v.numpy()[None], width, axis=0) for v in model.metrics_variables]

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

    def of(self, state: Mapping[str, Any], layout: Layout, part: Any) -> Tensor:
        """Loss and metrics of a part in inference mode: (width, n_names)."""

        def batch(start: Tensor, length: int, metrics: Any) -> Any:
            rows = layout.slice(part, start, length)

            def replica(inputs: Any) -> Any:
                mine = inputs[2] if layout.stacked else rows
                return step.call(self.model, inputs[0], inputs[1], mine, training=False).metrics

            return mapped(replica, (state, metrics, *([rows] if layout.stacked else [])))

        size = min(EVALUATION_ROWS, layout.n_rows)
        whole, rest = divmod(layout.n_rows, size)
        if whole == 1:
            metrics = batch(tf.constant(0), size, self.fresh())
        else:
            metrics = repeat(tf.constant(whole), lambda i, m: batch(i * size, size, m), self.fresh())
        return self.results(batch(tf.constant(whole * size), rest, metrics) if rest else metrics)


def mapped(replica: Callable[[Any], Any], inputs: Any) -> Any:
    """What `replica` gives for each of the stacked inputs, stacked."""
    return tf.vectorized_map(replica, inputs, fallback_to_while_loop=False)


def repeat(n: Tensor, body: Callable[[Tensor, Any], Any], carry: Any) -> Any:
    """Folds `body(index, carry)` n times."""
    return tf.while_loop(lambda i, _: i < n, lambda i, c: (i + 1, body(i, c)), (tf.constant(0), carry))[1]
