"""A hashable fingerprint of a model, equal only for models that compute the same.

`get_config` is not used: it may omit what matters.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Hashable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

NAMES = ("name", "_name", "_path", "path")
"""Attributes that differ from build to build and change nothing."""
TRACES = (
    *("_inbound_nodes", "_outbound_nodes", "_nodes", "_tracker", "_lock", "_call_context_args", "_call_signature"),
    *("_losses", "_loss_ids"),  # of the last call
    *("train_function", "test_function", "predict_function", "_saved_model_inputs_spec", "_compile_config"),
)
"""Attributes that only keep account."""
UNKNOWN = (RecursionError, TypeError, NotImplementedError, tf.errors.OpError)
"""Why a model has no fingerprint; the last two where a layer holds a tensor of a graph, and a table (StringLookup)."""


class _Same:
    """An object that is equal to itself alone; it is kept, so that no other one takes its identity."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        if isinstance(self.value, types.CodeType):
            return f"{self.value.co_qualname} {hashlib.sha256(self.value.co_code).hexdigest()}"
        named = self.value if hasattr(self.value, "__qualname__") else type(self.value)
        return f"{named.__module__}.{named.__qualname__}"


def fingerprint(model: keras.Model) -> Hashable:
    """What a compiled model computes, up to the values of its weights.

    Two models are equal where everything that their layers, their graph and their compilation hold is equal: numbers, texts,
    arrays, functions with what they refer to. What cannot be compared is equal to itself alone, so that two models are never
    taken for one.
    """
    return _Fingerprint(model).of(model)


def text_of(model: keras.Model) -> str:
    """A short text that models which compute the same have in every process; others seldom have it."""
    try:
        known = repr(fingerprint(model))
    except UNKNOWN:
        known = type(model).__qualname__
    return hashlib.sha256(known.encode()).hexdigest()[:16]


class _Fingerprint:
    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []
        self.weights = {id(variable) for variable in model.weights}
        self.keys = {variable._value._unique_id: i for i, variable in enumerate(model.weights)}  # noqa: SLF001
        """What optimizers call the weights, which differs from build to build."""

    def of(self, value: Any) -> Hashable:
        if isinstance(value, str) and value in self.keys:
            return "weight", self.keys[value]
        if isinstance(value, bool | int | float | complex | str | bytes | None | types.EllipsisType):
            return type(value).__name__, value
        if isinstance(value, type | types.BuiltinFunctionType | types.ModuleType | tf.DType):
            return _Same(value)
        if id(value) in self.seen:
            return "seen", self.seen[id(value)]
        self.seen[id(value)] = len(self.seen)
        self.kept.append(value)  # no other object may take its id meanwhile
        return self._of_new(value)

    def _of_new(self, value: Any) -> Hashable:  # noqa: PLR0911 - one return a type
        if isinstance(value, np.ndarray | np.generic | tf.Tensor):
            array = np.asarray(value)
            return "array", array.shape, str(array.dtype), _digest(array)
        if isinstance(value, keras.Variable):
            return self._variable(value)
        if isinstance(value, dict):
            return "dict", tuple((self.of(k), self.of(v)) for k, v in value.items())
        if isinstance(value, list | tuple | set | frozenset):
            entries = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
            return type(value).__name__, tuple(self.of(entry) for entry in entries)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            return "method", self.of(value.__self__), self.of(value.__func__)
        return self._object(value) if hasattr(value, "__dict__") else _Same(value)

    def _variable(self, variable: Any) -> Hashable:
        """A key of the variable, without its values if it is a weight, with them otherwise, as for a learning rate."""
        shape = tuple(variable.shape), str(variable.dtype), bool(variable.trainable)
        if id(variable) in self.weights or "seed" in variable.name or "state" in variable.name:
            return "variable", shape
        return "variable", shape, _digest(np.asarray(variable.value))

    def _function(self, function: Any) -> Hashable:
        """Its code, and all values that it refers to."""
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        used = {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
        plain = {name: v for name, v in used.items() if not isinstance(v, types.ModuleType | type)}
        return (
            "function",
            _Same(function.__code__),
            self.of([cells, function.__defaults__, function.__kwdefaults__, plain]),
        )

    def _object(self, value: Any) -> Hashable:
        # An initializer's own seed is drawn anew at each build; one that its author gave is in `_init_seed`.
        ignored = (*NAMES, *TRACES, *(("seed",) if isinstance(value, keras.initializers.Initializer) else ()))
        own = vars(value).items()
        kept = {
            name: v for name, v in own if name not in ignored and not name.startswith("_self_")
        }  # TensorFlow's account
        return "object", _Same(type(value)), tuple((name, self.of(v)) for name, v in sorted(kept.items()))


def _digest(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def model_key(build_model: Callable[[], keras.Model], model: keras.Model) -> Hashable | None:
    """What no other function's model has; None where that is not known.

    The function alone would not do: it may read a setting that changes.
    """
    try:
        hash(build_model)
        return build_model, fingerprint(model)
    except UNKNOWN:
        return None
