"""Twins of Keras' convolutional layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from noiseflow.training.twins.convolution import convolve, convolve_depthwise
from noiseflow.training.twins.windows import pad_axes, pad_same

Tensor = Any


class _ChannelsLast(keras.layers.Layer):
    """What the twins cannot do is refused when they are made."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        if config["data_format"] != "channels_last":
            raise NotImplementedError(
                f"layer {config['name']!r}: data_format {config['data_format']!r} has no vectorised form; "
                "use 'channels_last'."
            )
        if config.get("lora_rank"):
            raise NotImplementedError(f"layer {config['name']!r}: lora_rank has no vectorised form; merge it first.")
        return super().from_config(config)

    def _pad(self, inputs: Tensor, padding: str) -> Tensor:
        """The inputs as a convolution without padding wants them."""
        if padding == "same":
            return pad_same(inputs, self.kernel_size, self.strides, self.dilation_rate)
        if padding == "causal":
            return pad_axes(inputs, {1: (self.dilation_rate[0] * (self.kernel_size[0] - 1), 0)})
        return inputs


class _DenseConvolution(_ChannelsLast):
    """`Conv1D` and `Conv2D`: the same call, the convolution put in."""

    def call(self, inputs: Tensor) -> Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        inputs = self._pad(inputs, self.padding)
        groups = zip(tf.split(inputs, self.groups, -1), tf.split(kernel, self.groups, -1), strict=True)
        outputs = [_convolve(x, k, self.strides, self.dilation_rate, depthwise=False) for x, k in groups]
        outputs = outputs[0] if self.groups == 1 else tf.concat(outputs, -1)
        return _finish(self, outputs)


class _DepthwiseConvolution(_ChannelsLast):
    """`DepthwiseConv1D` and `DepthwiseConv2D`."""

    def call(self, inputs: Tensor) -> Tensor:
        inputs = self._pad(inputs, self.padding)
        kernel = tf.convert_to_tensor(self.kernel)
        return _finish(self, _convolve(inputs, kernel, self.strides, self.dilation_rate, depthwise=True))


class _SeparableConvolution(_ChannelsLast):
    """`SeparableConv1D` and `SeparableConv2D`."""

    def call(self, inputs: Tensor) -> Tensor:
        inputs = self._pad(inputs, self.padding)
        depthwise, pointwise = map(tf.convert_to_tensor, (self.depthwise_kernel, self.pointwise_kernel))
        outputs = _convolve(inputs, depthwise, self.strides, self.dilation_rate, depthwise=True)
        return _finish(self, tf.matmul(outputs, tf.reshape(pointwise, pointwise.shape[-2:])))


def _convolve(
    inputs: Tensor, kernel: Tensor, strides: Sequence[int], dilations: Sequence[int], *, depthwise: bool
) -> Tensor:
    """A convolution along one or two axes; a single one is taken as the columns of one row."""
    form = convolve_depthwise if depthwise else convolve
    if len(strides) == 2:
        return form(inputs, kernel, (strides[0], strides[1]), (dilations[0], dilations[1]))
    return form(inputs[:, None], kernel[None], (1, strides[0]), (1, dilations[0]))[:, 0]


def _finish(layer: keras.layers.Layer, outputs: Tensor) -> Tensor:
    if layer.use_bias:
        outputs += tf.convert_to_tensor(layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


class VectorizedConv1D(_DenseConvolution, keras.layers.Conv1D):
    """`Conv1D` with filters that differ between replicas."""


class VectorizedConv2D(_DenseConvolution, keras.layers.Conv2D):
    """`Conv2D` with filters that differ between replicas."""


class VectorizedDepthwiseConv1D(_DepthwiseConvolution, keras.layers.DepthwiseConv1D):
    """`DepthwiseConv1D` with filters that differ between replicas."""


class VectorizedDepthwiseConv2D(_DepthwiseConvolution, keras.layers.DepthwiseConv2D):
    """`DepthwiseConv2D` with filters that differ between replicas."""


class VectorizedSeparableConv1D(_SeparableConvolution, keras.layers.SeparableConv1D):
    """`SeparableConv1D` with filters that differ between replicas."""


class VectorizedSeparableConv2D(_SeparableConvolution, keras.layers.SeparableConv2D):
    """`SeparableConv2D` with filters that differ between replicas."""
