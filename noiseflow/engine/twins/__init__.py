"""Other ways to compute some Keras layers: same weights, same results, in a form that vectorises well.

`tf.vectorized_map` and XLA on a CPU take most of Keras' layers as they are. Those here have operations that do not vectorise
when the weights differ between replicas, or slowly. A way is a function from a layer to attributes that the layer has while
its model is traced, such as another `call`, computed from the layer's own variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from noiseflow.engine.twins.convolutional import convolution_layer, depthwise_layer, separable_layer
from noiseflow.engine.twins.dense import dense
from noiseflow.engine.twins.pooling import max_pooling
from noiseflow.engine.twins.recurrent import recurrent, unrolled
from noiseflow.engine.twins.time import time_distributed

TWINS: dict[type[keras.layers.Layer], Callable[[Any], Mapping[str, Any]]] = {
    keras.layers.Dense: dense,
    keras.layers.Conv1D: convolution_layer,
    keras.layers.Conv2D: convolution_layer,
    keras.layers.DepthwiseConv1D: depthwise_layer,
    keras.layers.DepthwiseConv2D: depthwise_layer,
    keras.layers.SeparableConv1D: separable_layer,
    keras.layers.SeparableConv2D: separable_layer,
    keras.layers.MaxPooling1D: max_pooling,
    keras.layers.MaxPooling2D: max_pooling,
    keras.layers.SimpleRNN: recurrent,
    keras.layers.LSTM: recurrent,
    keras.layers.GRU: recurrent,
    keras.layers.RNN: unrolled,
    keras.layers.ConvLSTM1D: unrolled,
    keras.layers.ConvLSTM2D: unrolled,
    keras.layers.ConvLSTM3D: unrolled,
    keras.layers.TimeDistributed: time_distributed,
}
"""For each Keras layer, by its exact type, how it is computed."""


def ways_of(layer: keras.layers.Layer) -> Mapping[str, Any]:
    """The attributes that a layer has while it is traced for many replicas; of most layers none."""
    made = TWINS.get(type(layer))
    return {} if made is None else made(layer)
