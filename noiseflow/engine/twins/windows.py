"""Windows that slide along one axis of a tensor, cut by static slices: what vectorises and compiles everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any


@dataclass(frozen=True)
class Slide:
    """How windows of `size` taps slide along an axis of `length` entries; the axis is padded beforehand."""

    length: int
    size: int
    stride: int = 1
    dilation: int = 1

    @property
    def n_windows(self) -> int:
        return (self.length - (self.size - 1) * self.dilation - 1) // self.stride + 1

    def cut(self, x: Tensor, axis: int, tap: int) -> Tensor:
        """Entry `tap` of every window: the axis has n_windows entries."""
        if self.length == self.n_windows:
            return x
        first = tap * self.dilation
        last = first + (self.n_windows - 1) * self.stride + 1
        return x[(slice(None),) * axis + (slice(first, last, self.stride),)]

    def put(self, y: Tensor, axis: int, tap: int) -> Tensor:
        """The transpose of `cut`: entry `tap` of every window at its place, zeros elsewhere."""
        if self.length == self.n_windows:
            return y
        if self.stride > 1:
            y = _spread(y, axis, self.stride)
        first = tap * self.dilation
        rest = self.length - first - y.shape[axis]
        if rest < 0:  # zeros that the spreading put after the last entry
            y, rest = y[(slice(None),) * axis + (slice(0, rest),)], 0
        return pad_axes(y, {axis: (first, rest)})

    def windows(self, x: Tensor, axis: int, taps_axis: int) -> Tensor:
        """All windows; their taps become a new axis at `taps_axis` of the result."""
        return tf.stack([self.cut(x, axis, tap) for tap in range(self.size)], taps_axis)

    def overlay(self, y: Tensor, axis: int, taps_axis: int) -> Tensor:
        """The transpose of `windows`, and a sum over taps: each is added where its window took it from."""
        taps = tf.unstack(y, self.size, taps_axis)
        return add([self.put(tap, axis, i) for i, tap in enumerate(taps)])


def add(tensors: Sequence[Tensor]) -> Tensor:
    """Their sum, in the order given."""
    total = tensors[0]
    for tensor in tensors[1:]:
        total += tensor
    return total


def pad_same(x: Tensor, sizes: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Tensor:
    """The tensor (rows, *space, channels) padded with zeros as TensorFlow's "SAME" does it."""
    pads = {}
    for axis, (size, stride, dilation) in enumerate(zip(sizes, strides, dilations, strict=True), start=1):
        length = x.shape[axis]
        missing = max(0, (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length)
        pads[axis] = (missing // 2, missing - missing // 2)
    return pad_axes(x, pads)


def pad_axes(x: Tensor, pads: dict[int, tuple[int, int]]) -> Tensor:
    """The tensor with so many zeros before and after each axis."""
    widths = [pads.get(axis, (0, 0)) for axis in range(x.shape.rank)]
    return tf.pad(x, widths) if any(map(any, widths)) else x


def _spread(y: Tensor, axis: int, stride: int) -> Tensor:
    """The tensor with stride - 1 zeros after each entry of the axis."""
    y = pad_axes(tf.expand_dims(y, axis + 1), {axis + 1: (0, stride - 1)})
    shape = [-1, *y.shape[1:axis], y.shape[axis] * stride, *y.shape[axis + 2 :]]
    return tf.reshape(y, shape)
