"""The state that Keras keeps for the whole process, and the lock that it is changed under."""

from __future__ import annotations

import random
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common.global_state import get_global_attribute, set_global_attribute
from numpy.typing import NDArray

KERAS_LOCK = RLock()
"""Held while models are built or traced: Keras' seed, floatx and scopes belong to the whole process."""

NAME_COUNTS = "object_name_uids"
"""Keras' counters of the names that it gives."""
Array = NDArray[np.generic]
MOST_BYTES_KEPT = 2**28
_drawn: OrderedDict[tuple[Hashable, int], list[Array]] = OrderedDict()


@contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Within it, Keras builds and traces in `dtype`; other threads that would build or trace wait if it is not theirs."""
    if dtype == keras.config.floatx() == "float32":
        yield
        return
    with KERAS_LOCK:
        before = keras.config.floatx(), keras.config.dtype_policy()
        try:
            keras.config.set_floatx(dtype)
            keras.config.set_dtype_policy(dtype)
            yield
        finally:
            keras.config.set_floatx(before[0])
            keras.config.set_dtype_policy(before[1])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, Keras draws as after `keras.utils.set_random_seed(seed)`, and counts the names that it gives from the start.

    So every build of a model has the same names, and so have metrics without a name. At the end Python's and numpy's
    generators and the names are put back.
    """
    with KERAS_LOCK:
        before = random.getstate(), np.random.get_state()  # noqa: NPY002 - Keras seeds the global one
        counts = get_global_attribute(NAME_COUNTS)
        try:
            keras.utils.set_random_seed(seed)
            set_global_attribute(NAME_COUNTS, defaultdict(int))
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002
            set_global_attribute(NAME_COUNTS, counts)


@dataclass(frozen=True)
class BuiltFor:
    """A function that builds a model; what its author left for `Model.fit` to build is built for the given rows.

    Two of equal functions and shapes are equal.

    Args:
        function: the user's.
        rows: some inputs, nested as the model takes them.
    """

    function: Callable[[], keras.Model]
    rows: Any = field(compare=False, repr=False)
    shapes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, function: Callable[[], keras.Model], rows: Any) -> BuiltFor:
        """The function for these rows."""
        return cls(function, rows, tuple((v.shape[1:], str(v.dtype)) for v in keras.tree.flatten(rows)))

    def __call__(self) -> keras.Model:
        """A fresh build: its initializers draw from Keras' present seed."""
        return built(self.function(), self.rows)


def built(model: keras.Model, rows: Any) -> keras.Model:
    """The model; one that its author left for `Model.fit` to build is built for these rows."""
    if isinstance(model, keras.Model) and not all(layer.built for layer in model._flatten_layers()):  # noqa: SLF001
        symbolic = keras.tree.map_structure(
            lambda v: keras.KerasTensor((None, *v.shape[1:]), backend.standardize_dtype(v.dtype)), rows
        )
        backend.compute_output_spec(model, symbolic, training=False)
    return model


def build_seeded(build_model: Callable[[], keras.Model], seed: int) -> keras.Model:
    """The model as its author wrote it, with the initial weights of one seed."""
    with seeded(seed):
        return build_model()


def initial_weights(
    build_model: Callable[[], keras.Model], seeds: Sequence[int], model_key: Hashable | None = None
) -> list[Array]:
    """The weights of a fresh build after each seed: arrays (n_seeds, ...), in the model's order.

    Args:
        model_key: what no other model has; weights drawn before under this key are not drawn again, since the
            variants of a study start from the same ones, and building a small model takes as long as training it.
    """
    draws = [_drawn_before(build_model, seed, model_key) for seed in seeds]
    return [np.stack(weights) for weights in zip(*draws, strict=True)]


def _drawn_before(build_model: Callable[[], keras.Model], seed: int, model_key: Hashable | None) -> list[Array]:
    if model_key is None:
        return build_seeded(build_model, seed).get_weights()
    with KERAS_LOCK:
        if (model_key, seed) not in _drawn:
            _drawn[model_key, seed] = build_seeded(build_model, seed).get_weights()
        _drawn.move_to_end((model_key, seed))
        weights = _drawn[model_key, seed]
        while len(_drawn) * sum(array.nbytes for array in weights) > MOST_BYTES_KEPT and len(_drawn) > 1:
            _drawn.popitem(last=False)
        return weights
