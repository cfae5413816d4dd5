"""Adds noise to a Keras model while it is called, without a copy of the model.

`instrumented(model)` makes every call of the model's layers known to a `Walk`, one for each call of the model. The walk names
each point that noise can be added at, in the same way for every build of the same model, and hands the tensor that flows
there to a function. With the function that returns the tensor as it is, the model computes what it always computes.

A study names a place (`after:pool`). In one model that is one or more points: a tensor in one call. An injection at a point is
a site (`engine/sites.py`). A position is where a layer is in the model.

Keras lets a layer be changed on the instance: `Dense.call` asks `self.activation`, and `Operation.__call__` asks `self.call`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
from keras.src import backend
from keras.src.layers.layer import Layer

from noiseflow.noise.kind import STATE

Tensor = Any
Call = Callable[..., Any]

ACTIVATION_LAYERS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)
"""Layers that are nothing but an activation."""


@dataclass(frozen=True)
class Position:
    """Where a layer is in a model.

    Attributes:
        path_number: numbers such as `3` or `3.1` (within the layer at 3), the same for every build of the model.
        name: names such as `encoder/dense`.
        recurrent: whether it is within a recurrent layer: the steps of one are no places for noise.
    """

    path_number: str
    name: str
    recurrent: bool = False


class Point(NamedTuple):
    """A point that noise can be added at, in one call of a model.

    Attributes:
        place: `input`, `before_activation`, `after_activation`, `after` or `recurrent_state`.
        label: the path number of the layer (for a state, of its cell); the number of an input.
        occurrence: counted from 0, where a layer is called more than once.
    """

    place: str
    label: str
    occurrence: int


def positions_of(model: keras.Model) -> dict[int, Position]:
    """The position of every layer of a model, nested ones included, by the layer's id."""
    found: dict[int, Position] = {}

    def walk(parent: Layer, label: str, name: str, recurrent: bool) -> None:
        recurrent = recurrent or isinstance(parent, keras.layers.RNN | keras.layers.Bidirectional)
        for i, layer in _children(parent):
            if id(layer) not in found:
                here = Position(f"{label}{i}", f"{name}{layer.name}", recurrent)
                found[id(layer)] = here
                walk(layer, f"{here.path_number}.", f"{here.name}/", recurrent)

    walk(model, "", "", recurrent=False)
    return found


def _children(parent: Layer) -> list[tuple[int, Layer]]:
    """The layers that a layer holds, numbered as in a functional model, where the input comes first."""
    if isinstance(parent, keras.Sequential):
        return list(enumerate(parent.layers, start=1))
    held = list(parent._flatten_layers(include_self=False, recursive=False))  # noqa: SLF001 - the same in all layers
    if isinstance(parent, keras.Model) and hasattr(parent, "_operations"):
        listed = list(parent.layers)
        known = {id(layer) for layer in listed}
        held = [*listed, *(layer for layer in held if id(layer) not in known)]
    return list(enumerate(held))


def fused_activation(layer: Layer) -> Callable[..., Any] | None:
    """The activation that a layer's call ends with, if it is not the identity."""
    activation = vars(layer).get("activation")
    if isinstance(layer, ACTIVATION_LAYERS) or not callable(activation) or isinstance(activation, Layer):
        return None
    return None if activation is keras.activations.linear else activation


def is_cell(layer: Layer) -> bool:
    """Whether a layer is the step of a recurrent layer, and not a stack of several such steps."""
    return hasattr(layer, "state_size") and not hasattr(layer, "cells") and not isinstance(layer, keras.layers.RNN)


def is_activated(layer: Layer) -> bool:
    """Whether the last thing that a layer does is an activation."""
    return isinstance(layer, ACTIVATION_LAYERS) or fused_activation(layer) is not None


@dataclass
class Walk:
    """One call of a model, layer by layer.

    Args:
        positions: of the model's layers.
        at: called with each point and the tensor that flows there; what it returns flows on.
    """

    positions: Mapping[int, Position]
    at: Callable[[Point, Tensor], Tensor] = lambda point, x: x
    calls: list[tuple[Position, Layer, Any]] = field(default_factory=list)
    """Each layer's call in order: position, layer, outputs."""
    _inside: list[str] = field(default_factory=list)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def label(self) -> str:
        """The label of the layer that is being called; empty outside all of them."""
        return self._inside[-1] if self._inside else ""

    def layer(self, call: Call, layer: Layer, position: Position, args: Any, kwargs: Any) -> Any:
        """Calls a layer of the model."""
        is_activation = isinstance(layer, ACTIVATION_LAYERS)
        if is_activation and not position.recurrent:
            args = keras.tree.map_structure(lambda x: self._pass("before_activation", position.path_number, x), args)
        self._inside.append(position.path_number)
        try:
            outputs = call(layer, *args, **kwargs)
        finally:
            self._inside.pop()
        self.calls.append((position, layer, outputs))
        if position.recurrent:
            return self._after_step(position, outputs) if is_cell(layer) else outputs

        def after(x: Tensor) -> Tensor:
            if is_activated(layer):
                x = self._pass("after_activation", position.path_number, x)
            return self._pass("after", position.path_number, x)

        return keras.tree.map_structure(after, outputs)

    def _after_step(self, position: Position, outputs: Any) -> Any:
        """The output of a cell, with noise on the state that it passes on, which is its output too."""
        output, states = outputs
        flat = keras.tree.flatten(states)
        state = self.state(position.path_number, flat[0])
        new = keras.tree.pack_sequence_as(states, [state, *flat[1:]])
        return (state if output is flat[0] else output), new

    def label_of(self, layer: Layer) -> str:
        """The label of a layer of the model; empty for another one."""
        position = self.positions.get(id(layer))
        return position.path_number if position else ""

    def state(self, label: str, x: Tensor) -> Tensor:
        """The state of a recurrent cell, or such states at all times, with what `at` adds at each step."""
        return self.at(Point(STATE, label, 0), x)

    def pre_activation(self, position: Position, x: Tensor) -> Tensor:
        """What the activation of a layer is given."""
        return self._pass("before_activation", position.path_number, x)

    def inputs(self, model: Layer, x: Any) -> Any:
        """What the model is given."""
        dtypes = [i.dtype for i in getattr(model, "inputs", None) or []]
        flat = keras.tree.flatten(x)
        if len(dtypes) == len(flat) == 1 and is_float(dtypes[0]) and not is_float(flat[0].dtype):
            flat = [
                keras.ops.cast(flat[0], dtypes[0])
            ]  # as the model does next; noise is added to numbers that it sees
        return keras.tree.pack_sequence_as(x, [self._pass("input", str(i), v) for i, v in enumerate(flat)])

    def _pass(self, place: str, label: str, x: Tensor) -> Tensor:
        if not backend.is_tensor(x):
            return x
        occurrence = self._seen[place, label]
        self._seen[place, label] += 1
        new = self.at(Point(place, label, occurrence), x)
        if new is not x and (mask := backend.get_keras_mask(x)) is not None:
            backend.set_keras_mask(new, mask)
        return new


def is_float(dtype: Any) -> bool:
    """Whether numbers of this type can take noise."""
    return bool(backend.is_float_dtype(backend.standardize_dtype(dtype)))


_walk: ContextVar[Walk | None] = ContextVar("walk", default=None)


def current_walk() -> Walk | None:
    """The walk that calls of layers in this thread belong to."""
    return _walk.get()


@contextmanager
def walking(walk: Walk) -> Iterator[Walk]:
    """Within it, one call of the instrumented model is `walk`."""
    token = _walk.set(walk)
    try:
        yield walk
    finally:
        _walk.reset(token)


@contextmanager
def instrumented(model: keras.Model, calls: Callable[[Layer], Mapping[str, Any]] = lambda layer: {}) -> Iterator[None]:
    """Within it, calls of the model and its layers go through the current walk, if there is one.

    To be entered by one thread at a time: it changes `Layer.__call__` of the process, and attributes of the model's layers,
    and puts all of it back.

    Args:
        calls: further attributes for a layer, such as another way to compute its `call`.
    """
    positions = positions_of(model)
    changes = _Changes()
    plain, own_call = Layer.__call__, model.call

    def call(layer: Layer, *args: Any, **kwargs: Any) -> Any:
        walk, position = _walk.get(), positions.get(id(layer))
        if walk is None or position is None:
            return plain(layer, *args, **kwargs)
        return walk.layer(plain, layer, position, args, kwargs)

    def call_model(x: Any, *args: Any, **kwargs: Any) -> Any:
        walk = _walk.get()
        return own_call(x if walk is None else walk.inputs(model, x), *args, **kwargs)

    try:
        changes.set(model, "call", call_model)  # not in `__call__`: `stateless_call` does not go there
        for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - there is no public way to nested layers
            position = positions.get(id(layer))
            if position is None:  # Keras' own, such as the functional model within a Sequential
                continue
            if getattr(layer, "use_cudnn", False):
                changes.set(layer, "use_cudnn", False)  # its kernel for a GPU never calls the cell
            for name, value in calls(layer).items():
                changes.set(layer, name, value)
            activation = fused_activation(layer)
            if activation is not None and not position.recurrent:
                changes.set(layer, "activation", _noticed(activation, position))
        Layer.__call__ = call
        yield
    finally:
        Layer.__call__ = plain
        changes.undo()


class _Changes:
    """Attributes of layers that are to be put back."""

    def __init__(self) -> None:
        self._before: list[tuple[Layer, str, bool, Any]] = []

    def set(self, layer: Layer, name: str, value: Any) -> None:
        own = vars(layer)
        self._before.append((layer, name, name in own, own.get(name)))
        object.__setattr__(layer, name, value)  # past Keras' own, which tracks values

    def undo(self) -> None:
        for layer, name, was_own, value in reversed(self._before):
            if was_own:
                object.__setattr__(layer, name, value)
            else:
                object.__delattr__(layer, name)


def _noticed(activation: Callable[..., Any], position: Position) -> Callable[..., Any]:
    def noticed(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        walk = _walk.get()
        return activation(x if walk is None else walk.pre_activation(position, x), *args, **kwargs)

    return noticed
