"""Other ways to compute Keras' convolutional layers, for kernels that differ between replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from noiseflow.engine.twins.convolution import convolve, convolve_depthwise
from noiseflow.engine.twins.windows import pad_axes, pad_same

Tensor = Any


def convolution_layer(layer: Any) -> Mapping[str, Any]:
    """`Conv1D` and `Conv2D`."""

    def call(inputs: Tensor) -> Tensor:
        kernel = tf.convert_to_tensor(layer.kernel)
        inputs = _pad(layer, inputs)
        groups = zip(tf.split(inputs, layer.groups, -1), tf.split(kernel, layer.groups, -1), strict=True)
        outputs = [_convolve(x, k, layer.strides, layer.dilation_rate, depthwise=False) for x, k in groups]
        return _finish(layer, outputs[0] if layer.groups == 1 else tf.concat(outputs, -1))

    return _in_last_axis(layer, call)


def depthwise_layer(layer: Any) -> Mapping[str, Any]:
    """`DepthwiseConv1D` and `DepthwiseConv2D`."""

    def call(inputs: Tensor) -> Tensor:
        kernel = tf.convert_to_tensor(layer.kernel)
        outputs = _convolve(_pad(layer, inputs), kernel, layer.strides, layer.dilation_rate, depthwise=True)
        return _finish(layer, outputs)

    return _in_last_axis(layer, call)


def separable_layer(layer: Any) -> Mapping[str, Any]:
    """`SeparableConv1D` and `SeparableConv2D`."""

    def call(inputs: Tensor) -> Tensor:
        depthwise, pointwise = map(tf.convert_to_tensor, (layer.depthwise_kernel, layer.pointwise_kernel))
        outputs = _convolve(_pad(layer, inputs), depthwise, layer.strides, layer.dilation_rate, depthwise=True)
        return _finish(layer, tf.matmul(outputs, tf.reshape(pointwise, pointwise.shape[-2:])))

    return _in_last_axis(layer, call)


def _in_last_axis(layer: Any, call: Callable[[Tensor], Tensor]) -> Mapping[str, Any]:
    """The way to compute it; none where channels come first or the kernel is not the layer's own (lora)."""
    return {} if layer.data_format != "channels_last" or getattr(layer, "lora_enabled", False) else {"call": call}


def _pad(layer: Any, inputs: Tensor) -> Tensor:
    """The inputs as a convolution without padding wants them."""
    if layer.padding == "same":
        return pad_same(inputs, layer.kernel_size, layer.strides, layer.dilation_rate)
    if layer.padding == "causal":
        return pad_axes(inputs, {1: (layer.dilation_rate[0] * (layer.kernel_size[0] - 1), 0)})
    return inputs


def _convolve(
    inputs: Tensor, kernel: Tensor, strides: Sequence[int], dilations: Sequence[int], *, depthwise: bool
) -> Tensor:
    """A convolution along one or two axes; a single one is taken as the columns of one row."""
    form = convolve_depthwise if depthwise else convolve
    if len(strides) == 2:
        return form(inputs, kernel, (strides[0], strides[1]), (dilations[0], dilations[1]))
    return form(inputs[:, None], kernel[None], (1, strides[0]), (1, dilations[0]))[:, 0]


def _finish(layer: Any, outputs: Tensor) -> Tensor:
    if layer.use_bias:
        outputs += tf.convert_to_tensor(layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)
