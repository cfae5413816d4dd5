"""Random numbers that many replicas can draw at once, each from a stream of its own.

A counter-based generator: the number at (key, counter) depends on nothing else, so what a replica draws does not depend
on which other replicas share its batch, nor on how often anything was called before.

References:
    Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3; Threefry-2x32 with 20 rounds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import cycle
from math import prod, sqrt
from typing import Any

import tensorflow as tf

Tensor = Any
Key = tuple[Tensor, Tensor]
"""Two uint32 tensors of one shape: one key for each element of that shape."""

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
KEY_PARITY = 0x1BD11BDA
ROUND_GROUPS = 5  # of four rounds each


def threefry(key: Key, counter: Key) -> Key:
    """Two words of 32 random bits for each (key, counter); the shapes broadcast."""
    subkeys = (*key, tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(*key), _word(KEY_PARITY)))
    x, y = counter[0] + subkeys[0], counter[1] + subkeys[1]
    for group, rotations in zip(range(1, ROUND_GROUPS + 1), cycle(ROTATIONS), strict=False):
        for rotation in rotations:
            x = x + y
            y = tf.bitwise.bitwise_xor(x, _rotate(y, rotation))
        x = x + subkeys[group % 3]
        y = y + subkeys[(group + 1) % 3] + _word(group)
    return x, y


def stream_key(seed: Tensor, name: str) -> Key:
    """The key of the stream called `name` of each seed.

    Args:
        seed: uint32, any shape.
    """
    return threefry((seed, tf.zeros_like(seed)), (_word(zlib.crc32(name.encode())), _word(0)))


def bits(key: Key, step: Tensor, n: int) -> Tensor:
    """32 random bits for each of n elements: uint32, the key's shape + (n,).

    Args:
        key: scalar tensors, or of any shape.
        step: int32 scalar; every step has numbers of its own.
    """
    half = -(-n // 2)
    counter = (tf.cast(tf.range(half), tf.uint32), tf.cast(step, tf.uint32))
    both = threefry((key[0][..., None], key[1][..., None]), counter)
    return tf.concat(both, axis=-1)[..., :n]


def normal(key: Key, step: Tensor, shape: Sequence[int], dtype: Any) -> Tensor:
    """Standard normal numbers of the given shape, from a scalar key."""
    uniform = _uniform(bits(key, step, prod(shape)))
    return tf.reshape(tf.cast(tf.math.erfinv(2 * uniform - 1) * sqrt(2), dtype), shape)


def permutation(key: Key, step: Tensor, n: int) -> Tensor:
    """A random order of n rows for each key: int32, the key's shape + (n,)."""
    return tf.argsort(tf.bitcast(bits(key, step, n), tf.int32), axis=-1, stable=True)


def _uniform(words: Tensor) -> Tensor:
    """Uniform float32 strictly inside (0, 1).

    23 bits and a half: the largest is 1 - 2**-24, which float32 holds. With 24 bits it would round to 1, whose quantile is
    infinite.
    """
    return (tf.cast(tf.bitwise.right_shift(words, _word(9)), tf.float32) + 0.5) * 2.0**-23


def _rotate(word: Tensor, by: int) -> Tensor:
    left = tf.bitwise.left_shift(word, _word(by))
    return tf.bitwise.bitwise_or(left, tf.bitwise.right_shift(word, _word(32 - by)))


def _word(value: int) -> Tensor:
    return tf.constant(value, tf.uint32)


@dataclass(frozen=True)
class Stream:
    """What the random layers of one replica draw from at one step.

    seed: uint32 scalar; step: int32 scalar; strengths: the strength of each injection, scalars.
    """

    seed: Tensor
    step: Tensor
    strengths: Sequence[Tensor]

    def normal(self, layer: str, shape: Sequence[int], dtype: Any) -> Tensor:
        """Standard normal numbers for a layer, which are another layer's nor another step's."""
        return normal(stream_key(self.seed, f"noise/{layer}"), self.step, shape, dtype)


_stream: ContextVar[Stream] = ContextVar("stream")


@contextmanager
def drawing_from(stream: Stream) -> Iterator[None]:
    """Within it, the vectorised random layers draw from `stream`."""
    token = _stream.set(stream)
    try:
        yield
    finally:
        _stream.reset(token)


def current_stream() -> Stream:
    """The stream that the layers being traced draw from."""
    return _stream.get()
