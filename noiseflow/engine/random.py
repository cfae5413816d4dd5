"""Random numbers that many replicas can draw at once, each from its own stream.

A counter-based generator: the number at (key, counter) depends on nothing else, so what a replica draws does not depend
on which other replicas share its batch, nor on how often anything was called before.

References:
    Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3; Threefry-2x32 with 20 rounds.
    Box and Muller (1958), A note on the generation of random normal deviates.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import cycle
from math import prod
from typing import Any

import tensorflow as tf

Tensor = Any
Key = tuple[Tensor, Tensor]
"""Two uint32 tensors of one shape: one key for each element of that shape."""

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
KEY_PARITY = 0x1BD11BDA
ROUND_GROUPS = 5  # of four rounds each

# Chebyshev approximations on [-1, 1], q = t**2, within 4e-7 in float32: four times as fast as the sine of the library.
SINE = (3.14159264, -2.02611946, 0.524036151, -0.0751872634, 0.00686018741, -0.000385937746)  # sin(pi t) / (t (1 - q))
COSINE = (0.999999989, -4.93480112, 4.05869484, -1.33515843, 0.235029808, -0.0253589836, 0.00159391068)  # cos(pi t)


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
        step: int32 scalar, at least 0; every step has its own numbers.
    """
    return tf.concat(_words(key, step, n), axis=-1)[..., :n]


def draw(kind: str, key: Key, step: Tensor, n: int, randomness_off: Tensor = 0) -> Tensor:
    """As many numbers for each key as asked for, of one of the DISTRIBUTIONS: float32, the key's shape + (n,).

    Args:
        randomness_off: int32 scalar; where it is 1 all numbers are the RANDOMNESS_OFF one of their kind.
    """
    shape = [*key[0].shape, -(-n // 2)]
    pairs = _computed_once(
        lambda: tf.complex(*DISTRIBUTIONS[kind](*_words(key, step, n))),
        shape,
        step,
        RANDOMNESS_OFF[kind],
        randomness_off,
    )
    return tf.concat([tf.math.real(pairs), tf.math.imag(pairs)], axis=-1)[..., :n]


def permutation(key: Key, step: Tensor, n: int) -> Tensor:
    """A random order of n rows for each key: int32, the key's shape + (n,)."""
    return tf.argsort(tf.bitcast(bits(key, step, n), tf.int32), axis=-1, stable=True)


def _words(key: Key, step: Tensor, n: int) -> Key:
    """The two words of as many counters as n elements take: the key's shape + (n / 2,), rounded up."""
    counter = (tf.cast(tf.range(-(-n // 2)), tf.uint32), tf.cast(step, tf.uint32))
    return threefry((key[0][..., None], key[1][..., None]), counter)


def _computed_once(
    make: Callable[[], Tensor], shape: Sequence[int], step: Tensor, otherwise: float, randomness_off: Tensor
) -> Tensor:
    """What `make` gives, in its own array of this shape; where `randomness_off` is 1, `otherwise` in all pairs, uncalled.

    XLA would otherwise fuse the whole generator into the code for each half of the numbers, and run it twice (measured: 1.5
    to 2 times slower). A loop that runs once, which XLA cannot know, keeps it out.
    """
    once = tf.minimum(step + 1, 1) - randomness_off
    none = tf.fill(shape, tf.constant(complex(otherwise, otherwise), tf.complex64))
    return tf.while_loop(lambda i, _: i < once, lambda i, _: (i + 1, make()), (0, none))[1]


def _uniform(words: Tensor) -> Tensor:
    """Uniform float32 strictly inside (0, 1).

    23 bits and a half: the largest is 1 - 2**-24, which float32 holds. With 24 bits it would round to 1, and a logarithm or
    quantile of it would be infinite.
    """
    return (tf.cast(tf.bitwise.right_shift(words, _word(9)), tf.float32) + 0.5) * 2.0**-23


def _uniform_pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return _uniform(x), _uniform(y)


def _normal_pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Two independent standard normal numbers: a radius from one word, an angle from the other."""
    radius = tf.sqrt(-2.0 * tf.math.log(_uniform(x)))
    turn = 2.0 * _uniform(y) - 1.0  # of half a circle
    square = turn * turn
    sine = turn * (1.0 - square) * _polynomial(SINE, square)
    return radius * _polynomial(COSINE, square), radius * sine


DISTRIBUTIONS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "normal": _normal_pair,
    "uniform": _uniform_pair,
}
"""What can be drawn: two independent numbers from two words."""
ABOVE_ZERO = 2.0**-25
"""In place of 0, which NumPy and Keras may draw: the logarithm of 0 is infinite."""
RANDOMNESS_OFF = {"normal": 0.0, "uniform": 1.0 - 2.0**-24}
"""What takes the place of a number where randomness is off: no noise is added, and nothing is dropped."""


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    *rest, value = coefficients
    for coefficient in reversed(rest):
        value = value * x + coefficient
    return value


def _rotate(word: Tensor, by: int) -> Tensor:
    left = tf.bitwise.left_shift(word, _word(by))
    return tf.bitwise.bitwise_or(left, tf.bitwise.right_shift(word, _word(32 - by)))


def _word(value: int) -> Tensor:
    return tf.constant(value, tf.uint32)


@dataclass(frozen=True)
class Draw:
    """Numbers that a layer asks for at each step; `layer` is the name of their stream."""

    kind: str
    layer: str
    shape: tuple[int, ...]


@dataclass
class Stream:
    """What the noise and the random layers of one replica draw from at one step.

    Attributes:
        scales: the strength of each site of an injection, scalars.
        drawn: the numbers, drawn beforehand for all replicas together; None while it is only noted what is asked for.
    """

    scales: Sequence[Tensor]
    drawn: Mapping[Draw, Tensor] | None = None
    asked: list[Draw] = field(default_factory=list)

    def begin_second_pass(self) -> None:
        """The numbers of this step from their beginning, for a second pass of the same step."""
        self.asked.clear()

    def normal(self, layer: str, shape: Sequence[int], dtype: Any) -> Tensor:
        """Standard normal numbers for a layer, which are another layer's nor another step's."""
        return self._numbers("normal", layer, shape, dtype)

    def uniform(self, layer: str, shape: Sequence[int], dtype: Any) -> Tensor:
        """Numbers uniform in (0, 1), in the same way."""
        return self._numbers("uniform", layer, shape, dtype)

    def _numbers(self, kind: str, layer: str, shape: Sequence[int], dtype: Any) -> Tensor:
        before = sum(asked.layer.partition("#")[0] == layer for asked in self.asked)  # a layer may be called twice
        wanted = Draw(kind, f"{layer}#{before}" if before else layer, tuple(shape))
        self.asked.append(wanted)
        if self.drawn is None:
            return tf.zeros(shape, dtype)
        return tf.reshape(tf.cast(self.drawn[wanted], dtype), shape)


def draw_all(
    wanted: Sequence[Draw], seeds: Tensor, step: Tensor, *, purpose: str = "noise", randomness_off: Tensor = 0
) -> list[Tensor]:
    """The numbers that each seed's replica asked for: (n_seeds, n) each.

    Args:
        seeds: uint32, (n_seeds,).
        purpose: numbers of another purpose are others.
        randomness_off: as for `draw`.
    """
    return [
        draw(w.kind, stream_key(seeds, f"{purpose}/{w.layer}"), step, prod(w.shape), randomness_off) for w in wanted
    ]


class RandomnessOff:
    """Numbers where randomness is off; all strengths are 0."""

    def __init__(self, n_sites: int = 0) -> None:
        self.scales = [0.0] * n_sites

    def normal(self, layer: str, shape: Any, dtype: Any) -> Tensor:
        """Zeros."""
        del layer
        return tf.fill(shape, tf.constant(RANDOMNESS_OFF["normal"], dtype))

    def uniform(self, layer: str, shape: Any, dtype: Any) -> Tensor:
        """The number just below 1."""
        del layer
        return tf.fill(shape, tf.cast(tf.constant(RANDOMNESS_OFF["uniform"], tf.float32), dtype))


_numbers: ContextVar[Any] = ContextVar("numbers", default=None)


@contextmanager
def drawing_from(numbers: Any) -> Iterator[None]:
    """Within it, Keras' random functions draw from `numbers`, if they were led here (`keras_random.py`)."""
    token = _numbers.set(numbers)
    try:
        yield
    finally:
        _numbers.reset(token)


def current_numbers() -> Any:
    """What this thread draws from; None where it is Keras' own."""
    return _numbers.get()
