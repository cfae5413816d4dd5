"""Convolutions of a whole stack of replicas, each with its own kernel, and their two gradients, as products of matrices.

What `converters.py` needs where a layer without a twin convolves: transposed and 3-D convolutions, ConvLSTM, and
`keras.ops.conv` in a layer of a user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import tensorflow as tf

from noiseflow.engine.twins.windows import Slide, pad_axes

Tensor = Any
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class StackedConvolution:
    """A convolution of x (replicas, rows, *space, channels) with kernels (replicas, *sizes, channels, filters).

    With groups, the kernels have fewer channels than x.
    """

    space: Sizes
    sizes: Sizes
    strides: Sizes
    dilations: Sizes
    same: bool
    groups: int = 1

    def forward(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The convolution: (replicas, rows, *windows, filters)."""

        def of_group(x: Tensor, kernel: Tensor) -> Tensor:
            n = x.shape[0]
            y = self._patches(x) @ tf.reshape(kernel, (n, -1, kernel.shape[-1]))
            windows = [slide.n_windows for slide in self._slides]
            return tf.reshape(y, (n, x.shape[1], *windows, kernel.shape[-1]))

        return self._grouped(of_group, x, kernel)

    def gradient_of_x(self, kernel: Tensor, upstream: Tensor) -> Tensor:
        """The gradient with respect to x; on its own it is a transposed convolution of `upstream`."""
        axes = range(1, len(self.space) + 1)

        def of_group(upstream: Tensor, kernel: Tensor) -> Tensor:
            n, rows, *windows, filters = upstream.shape
            y = tf.matmul(
                tf.reshape(upstream, (n, -1, filters)), tf.reshape(kernel, (n, -1, filters)), transpose_b=True
            )
            y = tf.reshape(y, (n * rows, *windows, *self.sizes, kernel.shape[-2]))
            for axis, slide in zip(axes, self._slides, strict=True):
                y = slide.overlay(y, axis, len(self.space) + 1)
            cuts = [slice(before, before + length) for (before, _), length in zip(self._pads, self.space, strict=True)]
            return tf.reshape(y[(slice(None), *cuts)], (n, rows, *self.space, kernel.shape[-2]))

        return self._grouped(of_group, upstream, kernel)

    def gradient_of_kernel(self, x: Tensor, upstream: Tensor) -> Tensor:
        """The gradient with respect to the kernels."""

        def of_group(x: Tensor, upstream: Tensor) -> Tensor:
            n, filters = upstream.shape[0], upstream.shape[-1]
            d_kernel = tf.matmul(self._patches(x), tf.reshape(upstream, (n, -1, filters)), transpose_a=True)
            return tf.reshape(d_kernel, (n, *self.sizes, x.shape[-1], filters))

        return self._grouped(of_group, x, upstream)

    def _grouped(self, function: Callable[[Tensor, Tensor], Tensor], one: Tensor, other: Tensor) -> Tensor:
        if self.groups == 1:
            return function(one, other)
        parts = zip(tf.split(one, self.groups, -1), tf.split(other, self.groups, -1), strict=True)
        return tf.concat([function(a, b) for a, b in parts], -1)

    def _patches(self, x: Tensor) -> Tensor:
        """What each window sees: (replicas, rows × windows, sizes × channels)."""
        n, rows, *_, channels = x.shape
        x = tf.reshape(x, (n * rows, *self.space, channels))
        x = pad_axes(x, dict(enumerate(self._pads, start=1)))
        for axis in range(len(self.space), 0, -1):
            x = self._slides[axis - 1].windows(x, axis, len(self.space) + 1)
        return tf.reshape(x, (n, -1, prod(self.sizes) * channels))

    @property
    def _pads(self) -> list[tuple[int, int]]:
        """Zeros before and after each axis of space, as TensorFlow's "SAME" puts them."""
        pads = []
        for length, size, stride, dilation in zip(self.space, self.sizes, self.strides, self.dilations, strict=True):
            missing = max(0, (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length) * self.same
            pads.append((missing // 2, missing - missing // 2))
        return pads

    @property
    def _slides(self) -> list[Slide]:
        return [
            Slide(length + before + after, size, stride, dilation)
            for length, (before, after), size, stride, dilation in zip(
                self.space, self._pads, self.sizes, self.strides, self.dilations, strict=True
            )
        ]
