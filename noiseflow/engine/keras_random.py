"""Keras' random functions, led to the streams of a replica.

All random layers of Keras, and `keras.random` in layers of users, draw through one module of the backend. Within
`led_to_streams()` its functions draw from the numbers of `drawing_from`, in threads that are within that too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras.src import backend

from noiseflow.engine.problem import NotVectorizableError
from noiseflow.engine.random import current_numbers
from noiseflow.noise.instrument import current_walk

Tensor = Any
MOST_INTEGERS = 2**20
"""So many whole numbers a uniform number of 23 bits reaches evenly enough."""


@contextmanager
def led_to_streams() -> Iterator[None]:
    """Within it, Keras' random functions draw from the current numbers. To be entered by one thread at a time."""
    module = backend.random
    before = {name: getattr(module, name) for name in (*FUNCTIONS, *UNKNOWN)}
    try:
        for name, function in FUNCTIONS.items():
            setattr(module, name, _led(before[name], function))
        for name in UNKNOWN:
            setattr(module, name, _refused(before[name], name))
        yield
    finally:
        for name, function in before.items():
            setattr(module, name, function)


def _led(own: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def drawn(*args: Any, seed: Any = None, **kwargs: Any) -> Any:
        numbers = current_numbers()
        if numbers is None:
            return own(*args, seed=seed, **kwargs)
        if isinstance(seed, int):  # the same numbers at each call, as its author wrote it
            with tf.init_scope():
                return own(*args, seed=seed, **kwargs)
        walk = current_walk()
        return function(numbers, f"layer_{walk.label if walk else ''}", *args, **kwargs)

    return drawn


def _refused(own: Callable[..., Any], name: str) -> Callable[..., Any]:
    def refused(*args: Any, **kwargs: Any) -> Any:
        if current_numbers() is None:
            return own(*args, **kwargs)
        raise NotVectorizableError(f"keras.random.{name} draws random numbers in a way that all seeds would share")

    return refused


def _normal(numbers: Any, name: str, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None) -> Tensor:
    dtype = dtype or keras.config.floatx()
    z = numbers.normal(name, _static(shape), dtype)
    scaled = z if _is(stddev, 1) else stddev * z
    return scaled if _is(mean, 0) else mean + scaled


def _uniform(numbers: Any, name: str, shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None) -> Tensor:
    u = numbers.uniform(name, _static(shape), dtype or keras.config.floatx())
    if _is(minval, 0) and _is(maxval, 1):
        return u
    low, high = tf.cast(minval, u.dtype), tf.cast(maxval, u.dtype)
    return low + (high - low) * u


def _truncated_normal(
    numbers: Any, name: str, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None
) -> Tensor:
    """Normal numbers within two standard deviations: the quantile of a uniform number between the bounds' own."""
    u = numbers.uniform(name, _static(shape), dtype or keras.config.floatx())
    within = math.erf(math.sqrt(2.0))
    return mean + stddev * math.sqrt(2.0) * tf.math.erfinv((2.0 * u - 1.0) * within)


def _randint(numbers: Any, name: str, shape: Any, minval: Any, maxval: Any, dtype: Any = "int32") -> Tensor:
    low, high = int(minval), int(maxval)
    if high - low > MOST_INTEGERS:
        raise NotVectorizableError(
            f"keras.random.randint of {high - low:,} numbers; at most {MOST_INTEGERS:,} vectorise"
        )
    u = numbers.uniform(name, _static(shape), "float32")
    return tf.cast(tf.cast(u * float(high - low), "int32") + low, dtype)


def _categorical(numbers: Any, name: str, logits: Tensor, num_samples: int, dtype: Any = "int64") -> Tensor:
    """The class with the largest sum of logit and Gumbel noise (Gumbel, 1954)."""
    rows, classes = _static(logits.shape)
    u = numbers.uniform(name, (rows, int(num_samples), classes), logits.dtype)
    return tf.cast(tf.argmax(logits[:, None] - tf.math.log(-tf.math.log(u)), axis=-1), dtype)


def _dropout(numbers: Any, name: str, inputs: Tensor, rate: Any, noise_shape: Any = None) -> Tensor:
    if _is(rate, 0):
        return inputs
    if _is(rate, 1):
        return tf.zeros_like(inputs)
    own = _static(inputs.shape)
    given = own if noise_shape is None else [n if m is None else m for m, n in zip(noise_shape, own, strict=True)]
    kept = numbers.uniform(name, _static(given), inputs.dtype) >= rate
    return tf.where(kept, inputs / (1 - rate), tf.zeros_like(inputs))


def _shuffle(numbers: Any, name: str, x: Tensor, axis: int = 0) -> Tensor:
    order = tf.argsort(numbers.uniform(name, (_static(x.shape)[axis],), "float32"))
    return tf.gather(x, order, axis=axis)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "normal": _normal,
    "uniform": _uniform,
    "truncated_normal": _truncated_normal,
    "randint": _randint,
    "categorical": _categorical,
    "dropout": _dropout,
    "shuffle": _shuffle,
}
"""Each takes the numbers and the name of the layer's stream, then what Keras' own takes."""
UNKNOWN = ("gamma", "beta", "binomial")
"""Functions of Keras without a form here."""


def _is(value: Any, number: float) -> bool:
    return isinstance(value, int | float) and value == number


def _static(shape: Any) -> tuple[int, ...]:
    """The shape as numbers that are known while a graph is built."""
    values: Sequence[Any] = [shape] if isinstance(shape, int) else list(_known(shape))
    if any(not isinstance(value, int) for value in values):
        raise NotVectorizableError("a count of random numbers that is not known before the model is called")
    return tuple(values)


def _known(shape: Any) -> Sequence[Any]:
    if tf.is_tensor(shape):
        value = tf.get_static_value(shape)
        return [None] if value is None else [int(v) for v in value.reshape(-1)]
    return [int(v) if (v := tf.get_static_value(n) if tf.is_tensor(n) else n) is not None else None for n in shape]
