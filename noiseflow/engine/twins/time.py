"""Another way to compute `TimeDistributed`: the times become rows, and the layer is called once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

Tensor = Any


def time_distributed(layer: Any) -> Mapping[str, Any]:
    """`TimeDistributed` of what treats each row by itself; Keras calls the layer once for each time."""
    own = layer.call
    inner = list(layer.layer._flatten_layers())  # noqa: SLF001 - there is no public way to nested layers
    knows_batch = any(isinstance(part, keras.layers.BatchNormalization | keras.layers.RNN) for part in inner)

    def call(inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if mask is not None or knows_batch or any(size is None for size in inputs.shape):
            return own(inputs, training=training, mask=mask)
        n_rows, n_times, *rest = inputs.shape
        settings = {"training": training} if layer.layer._call_has_training_arg else {}  # noqa: SLF001
        outputs = layer.layer.call(tf.reshape(inputs, (n_rows * n_times, *rest)), **settings)
        return keras.tree.map_structure(lambda y: tf.reshape(y, (n_rows, n_times, *y.shape[1:])), outputs)

    return {"call": call}
