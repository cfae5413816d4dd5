"""How a function becomes a graph: TensorFlow's own way, without a record of the Python stack at every operation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf
from tensorflow.python.util import tf_stack

_traced_by = threading.local()


def traced(function: Callable[..., Any], *specs: Any) -> Any:
    """The concrete function, compiled by XLA when it is first called.

    TensorFlow notes for each operation which Python lines made it. A program has thousands of operations, made 100 calls deep:
    that takes about a sixth of the time of tracing (`python -m benchmarks.tracing`), and serves messages that name operations.

    Args:
        specs: forms of its arguments.
    """
    _replace_stacks()
    before = getattr(_traced_by, "stack", None)
    _traced_by.stack = tf_stack.extract_stack()
    try:
        return tf.function(function, jit_compile=True, autograph=False).get_concrete_function(*specs)
    finally:
        _traced_by.stack = before


@cache
def _replace_stacks() -> None:
    """Has operations that `traced` makes share one stack; those of other threads, and of others' code, have their own."""
    own = tf_stack.extract_stack

    def extract_stack(stacklevel: int = 1) -> Any:
        shared = getattr(_traced_by, "stack", None)
        return own(stacklevel + 1) if shared is None else shared

    tf_stack.extract_stack = extract_stack
