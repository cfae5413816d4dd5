"""Convolutions with other filters in each replica, as products of matrices.

TensorFlow has no vectorised convolution with stacked filters, and XLA's own convolutions are slow on a CPU. Here one
spatial axis is unfolded into windows, which are multiplied with the kernel for all rows of the window at once; the rows
are then summed where they belong. The gradient is written out, since the derived one unfolds and folds needlessly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from noiseflow.engine.twins.windows import Slide, add

Tensor = Any


@dataclass(frozen=True)
class _Shape:
    """Shapes of one convolution of x (rows, height, width, channels); x is padded."""

    rows: Slide
    columns: Slide
    channels: int
    filters: int

    @property
    def unfolds_rows(self) -> bool:
        """Whether rows are unfolded too; superfluous rows of products cost more (measured: not yet at 1.5 times)."""
        return self.rows.length > 2 * self.rows.n_windows


def convolve(x: Tensor, kernel: Tensor, strides: tuple[int, int], dilations: tuple[int, int]) -> Tensor:
    """The convolution of x (rows, height, width, channels), padded, with a kernel (height, width, channels, filters)."""
    height, width, channels, filters = kernel.shape
    rows = Slide(x.shape[1], height, strides[0], dilations[0])
    columns = Slide(x.shape[2], width, strides[1], dilations[1])
    shape = _Shape(rows, columns, channels, filters)
    if channels == 1:
        form = _by_broadcasting
    elif shape.unfolds_rows:
        form = _by_patches
    else:
        form = _by_rows

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolution(x: Tensor, kernel: Tensor) -> Any:
        return form(shape, x, kernel)

    return convolution(x, kernel)


def _by_rows(shape: _Shape, x: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Unfolds the columns; each row of the kernel is multiplied with all rows of x, and the products are shifted and summed."""
    rows, columns, n_wide = shape.rows, shape.columns, shape.columns.n_windows
    n_out = rows.size * shape.filters
    unfolded = _matrix(columns.windows(x, 2, 3), columns.size * shape.channels)
    matrix = tf.reshape(tf.transpose(kernel, (1, 2, 0, 3)), (columns.size * shape.channels, n_out))
    products = tf.reshape(unfolded @ matrix, (-1, rows.length, n_wide, rows.size, shape.filters))
    y = add([rows.cut(products[:, :, :, i], 1, i) for i in range(rows.size)])

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
        spread = _matrix(tf.stack([rows.put(upstream, 1, i) for i in range(rows.size)], 3), n_out)
        d_matrix = tf.matmul(unfolded, spread, transpose_a=True)
        d_kernel = tf.reshape(d_matrix, (columns.size, shape.channels, rows.size, shape.filters))
        d_unfolded = tf.matmul(spread, matrix, transpose_b=True)
        d_unfolded = tf.reshape(d_unfolded, (-1, rows.length, n_wide, columns.size, shape.channels))
        return columns.overlay(d_unfolded, 2, 3), tf.transpose(d_kernel, (2, 0, 1, 3))

    return y, gradient


def _by_patches(shape: _Shape, x: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Unfolds columns and rows: one product of matrices."""
    patches = _patches(shape, x)
    y = patches @ tf.reshape(kernel, (-1, shape.filters))
    y = tf.reshape(y, (-1, shape.rows.n_windows, shape.columns.n_windows, shape.filters))
    return y, lambda upstream: _patches_gradient(shape, patches, kernel, upstream)


def _by_broadcasting(shape: _Shape, x: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """A sum of products with the kernel's entries, which fuses with what follows: for one channel."""
    taps = [(i, j) for i in range(shape.rows.size) for j in range(shape.columns.size)]
    y = add([shape.columns.cut(shape.rows.cut(x, 1, i), 2, j) * kernel[i, j, 0] for i, j in taps])
    return y, lambda upstream: _patches_gradient(shape, _patches(shape, x), kernel, upstream)


def _patches(shape: _Shape, x: Tensor) -> Tensor:
    windows = shape.rows.windows(shape.columns.windows(x, 2, 3), 1, 3)
    return _matrix(windows, shape.rows.size * shape.columns.size * shape.channels)


def _patches_gradient(shape: _Shape, patches: Tensor, kernel: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    rows, columns = shape.rows, shape.columns
    upstream = _matrix(upstream, shape.filters)
    d_kernel = tf.transpose(tf.matmul(upstream, patches, transpose_a=True))  # faster than patches.T @ upstream
    d_patches = tf.matmul(upstream, tf.reshape(kernel, (-1, shape.filters)), transpose_b=True)
    taps = (rows.size, columns.size, shape.channels)
    d_patches = tf.reshape(d_patches, (-1, rows.n_windows, columns.n_windows, *taps))
    return columns.overlay(rows.overlay(d_patches, 1, 3), 2, 3), tf.reshape(d_kernel, kernel.shape)


def _matrix(x: Tensor, n_columns: int) -> Tensor:
    return tf.reshape(x, (-1, n_columns))


def convolve_depthwise(x: Tensor, kernel: Tensor, strides: tuple[int, int], dilations: tuple[int, int]) -> Tensor:
    """Each channel of x (rows, height, width, channels) with its own filters: (..., channels * multiplier)."""
    height, width, channels, multiplier = kernel.shape
    rows = Slide(x.shape[1], height, strides[0], dilations[0])
    columns = Slide(x.shape[2], width, strides[1], dilations[1])
    taps = [(i, j) for i in range(height) for j in range(width)]
    y = add([columns.cut(rows.cut(x, 1, i), 2, j)[..., None] * kernel[i, j] for i, j in taps])
    return tf.reshape(y, (-1, rows.n_windows, columns.n_windows, channels * multiplier))
