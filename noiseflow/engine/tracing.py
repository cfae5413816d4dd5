"""How a function becomes a graph: TensorFlow's own way, faster, and with names that are the same in every process."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import concrete_function
from tensorflow.python.ops import control_flow_util_v2
from tensorflow.python.util import tf_stack

_tracing = threading.local()
_traced: Counter[str] = Counter()
_counting = threading.Lock()


def traced(function: Callable[..., Any], *specs: Any, called: str) -> Any:
    """The concrete function, compiled by XLA when it is first called.

    TensorFlow notes for each operation which Python lines made it. A program has thousands of operations, made 100 calls deep:
    that takes about a sixth of the time of tracing (`python -m benchmarks.tracing`), and serves messages that name operations.

    TensorFlow numbers the functions of a process one after the other, and a program's text holds these names, so that a
    process finds XLA's programs on disk only if it has done the same before. Here they are made of `called`.

    Args:
        specs: forms of its arguments.
        called: what distinguishes this program from others. Two of one text get different names all the same.
    """
    _replace_stacks()
    _replace_names()
    digest = hashlib.sha256(called.encode()).hexdigest()[:16]
    with _counting:
        _traced[digest] += 1
        name = f"{digest}_{_traced[digest]}"
    before = vars(_tracing).copy()
    vars(_tracing).update(stack=tf_stack.extract_stack(), names=(f"{name}_{i}" for i in count()))
    try:
        return tf.function(function, jit_compile=True, autograph=False).get_concrete_function(*specs)
    finally:
        vars(_tracing).clear()
        vars(_tracing).update(before)


@cache
def _replace_stacks() -> None:
    """Within it, operations that `traced` makes share one stack; other threads, and others' code, have their own."""
    own = tf_stack.extract_stack

    def extract_stack(stacklevel: int = 1) -> Any:
        shared = getattr(_tracing, "stack", None)
        return own(stacklevel + 1) if shared is None else shared

    tf_stack.extract_stack = extract_stack


@cache
def _replace_names() -> None:
    """Within it, functions and loops that `traced` makes get these names; other threads keep TensorFlow's numbers."""
    for module, maker in (
        (concrete_function, "_inference_name"),
        (concrete_function, "_forward_name"),
        (concrete_function, "_backward_name"),
        (control_flow_util_v2, "unique_fn_name"),
        (control_flow_util_v2, "unique_grad_fn_name"),
    ):
        setattr(module, maker, _named(getattr(module, maker)))


def _named(own: Callable[..., str]) -> Callable[..., str]:
    def name(*parts: str) -> str:
        numbered = own(*parts)
        names: Iterator[str] | None = getattr(_tracing, "names", None)
        return numbered if names is None else f"{numbered.rpartition('_')[0]}_{next(names)}"

    return name
