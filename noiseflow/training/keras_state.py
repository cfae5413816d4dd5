"""The state that Keras keeps for the whole process, and the lock that it is changed under."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock

import keras
import numpy as np
from numpy.typing import NDArray

KERAS_LOCK = RLock()
"""Held while models are built or traced: Keras' seed, floatx and scopes belong to the whole process."""


@contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Within it, Keras builds and traces in `dtype`; other threads that would build or trace wait if it is not theirs."""
    if dtype == keras.config.floatx() == "float32":
        yield
        return
    with KERAS_LOCK:
        before = keras.config.floatx(), keras.config.dtype_policy()
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        try:
            yield
        finally:
            keras.config.set_floatx(before[0])
            keras.config.set_dtype_policy(before[1])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, Keras draws as after `keras.utils.set_random_seed(seed)`; Python's and numpy's generators are put back."""
    with KERAS_LOCK:
        before = random.getstate(), np.random.get_state()  # noqa: NPY002 - Keras seeds the global one
        keras.utils.set_random_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002


def build_seeded(build_model: Callable[[], keras.Model], seed: int) -> keras.Model:
    """The model as its author wrote it, with the initial weights of one seed."""
    with seeded(seed):
        return build_model()


def initial_weights(build_model: Callable[[], keras.Model], seeds: Sequence[int]) -> list[NDArray[np.generic]]:
    """The weights of a fresh build after each seed: arrays (n_seeds, ...), in the model's order."""
    draws = [build_seeded(build_model, seed).get_weights() for seed in seeds]
    return [np.stack(weights) for weights in zip(*draws, strict=True)]
