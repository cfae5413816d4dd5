"""Twins of deterministic Keras layers: same weights, names, configuration and output, in a form that vectorises well.

`tf.vectorized_map` and XLA on a CPU take most of Keras' layers as they are. Those here have operations that do not vectorise
when the weights differ between replicas, or slowly.
"""

from __future__ import annotations

import keras

from noiseflow.training.twins.convolutional import (
    VectorizedConv1D,
    VectorizedConv2D,
    VectorizedDepthwiseConv1D,
    VectorizedDepthwiseConv2D,
    VectorizedSeparableConv1D,
    VectorizedSeparableConv2D,
)
from noiseflow.training.twins.dense import VectorizedDense, VectorizedEmbedding
from noiseflow.training.twins.pooling import VectorizedMaxPooling1D, VectorizedMaxPooling2D
from noiseflow.training.twins.recurrent import RECURRENT, VectorizedBidirectional

TWINS: dict[type[keras.layers.Layer], type[keras.layers.Layer]] = {
    keras.layers.Dense: VectorizedDense,
    keras.layers.Embedding: VectorizedEmbedding,
    keras.layers.Conv1D: VectorizedConv1D,
    keras.layers.Conv2D: VectorizedConv2D,
    keras.layers.DepthwiseConv1D: VectorizedDepthwiseConv1D,
    keras.layers.DepthwiseConv2D: VectorizedDepthwiseConv2D,
    keras.layers.SeparableConv1D: VectorizedSeparableConv1D,
    keras.layers.SeparableConv2D: VectorizedSeparableConv2D,
    keras.layers.MaxPooling1D: VectorizedMaxPooling1D,
    keras.layers.MaxPooling2D: VectorizedMaxPooling2D,
    keras.layers.Bidirectional: VectorizedBidirectional,
    **RECURRENT,
}
"""For each Keras layer, by its exact type, the twin; `TWINS[type(layer)].from_config(layer.get_config())` makes it."""
