"""Another way to compute Keras' maximum pooling: XLA's own gradient of a maximum over windows is slow on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import tensorflow as tf

from noiseflow.engine.twins.windows import Slide, add, pad_axes, pad_same

Tensor = Any


def max_pool(x: Tensor, sizes: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """The maximum over windows of x (rows, *space, channels), padded; its gradient goes to the window's first maximum.

    TensorFlow's gradient does so too; `reduce_max` would split it, which differs after a relu, where zeros tie.
    """
    lengths = x.shape[1:-1]
    slides = [Slide(length, size, stride) for length, size, stride in zip(lengths, sizes, strides, strict=True)]
    taps = list(product(*map(range, sizes)))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def pool(x: Tensor) -> Any:
        entries = [_cut(x, slides, tap) for tap in taps]
        maximum = entries[0]
        winner = tf.zeros_like(maximum)
        for i, entry in enumerate(entries[1:], start=1):
            is_greater = entry > maximum
            maximum = tf.where(is_greater, entry, maximum)
            winner = tf.where(is_greater, tf.cast(i, winner.dtype), winner)

        def gradient(upstream: Tensor) -> Tensor:
            if sizes == strides:
                return _tile(upstream, winner, sizes, lengths)
            zero = tf.zeros([], upstream.dtype)
            won = [tf.where(winner == tf.cast(i, winner.dtype), upstream, zero) for i in range(len(taps))]
            return add([_put(part, slides, tap) for part, tap in zip(won, taps, strict=True)])

        return maximum, gradient

    return pool(x)


def _cut(x: Tensor, slides: list[Slide], tap: tuple[int, ...]) -> Tensor:
    for axis, (slide, i) in enumerate(zip(slides, tap, strict=True), start=1):
        x = slide.cut(x, axis, i)
    return x


def _put(x: Tensor, slides: list[Slide], tap: tuple[int, ...]) -> Tensor:
    for axis, (slide, i) in enumerate(zip(slides, tap, strict=True), start=1):
        x = slide.put(x, axis, i)
    return x


def _tile(upstream: Tensor, winner: Tensor, sizes: tuple[int, ...], lengths: tuple[int, ...]) -> Tensor:
    """The gradient where windows do not overlap: each entry of x looks whether it is its window's winner."""
    position = tf.reshape(tf.range(_product(sizes)), sizes)
    for axis in range(len(sizes)):  # position: (1, 1, size, 1, size, 1), the others: (rows, n, 1, n, 1, channels)
        upstream, winner = (tf.expand_dims(v, 2 + 2 * axis) for v in (upstream, winner))
        position = tf.expand_dims(position, 2 * axis)
    position = tf.cast(position[None, ..., None], winner.dtype)
    tiled = tf.where(winner == position, upstream, tf.zeros([], upstream.dtype))
    shape = [n * size for n, size in zip(upstream.shape[1:-1:2], sizes, strict=True)]
    tiled = tf.reshape(tiled, [-1, *shape, upstream.shape[-1]])
    return pad_axes(tiled, {axis: (0, lengths[axis - 1] - n) for axis, n in enumerate(shape, start=1)})


def _product(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def max_pooling(layer: Any) -> Mapping[str, Any]:
    """`MaxPooling1D` and `MaxPooling2D`, with a fast gradient."""
    sizes, strides = tuple(layer.pool_size), tuple(layer.strides)

    def call(inputs: Tensor) -> Tensor:
        if layer.padding == "same":
            ones = (1,) * len(sizes)
            inside = pad_same(tf.ones([1, *inputs.shape[1:-1], 1], tf.int32), sizes, strides, ones) > 0
            inputs = pad_same(inputs, sizes, strides, ones)
            inputs = tf.where(inside, inputs, inputs.dtype.min)  # vectorized_map pads with zeros, always
        return max_pool(inputs, sizes, strides)

    return {} if layer.data_format != "channels_last" else {"call": call}
