"""What a Keras model is made of, as one call of it shows: the points and layers that a place may name.

`instrument` follows the call; a `Survey` is what it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.layers.layer import Layer

from noiseflow.noise.instrument import (
    Point,
    Position,
    Tensor,
    Walk,
    instrumented,
    is_activated,
    is_float,
    positions_of,
    walking,
)
from noiseflow.noise.kind import STATE


@dataclass(frozen=True)
class Survey:
    """What one call of a model showed.

    Attributes:
        points: all of them, in order, each with the shape of the tensor there.
        hidden: labels of the layers with an activation that is not the model's output.
        positions: of all layers that were called.
        words: indices of the inputs that the model reads as whole numbers, such as words of an Embedding.
    """

    points: Mapping[Point, tuple[int | None, ...]]
    hidden: tuple[str, ...]
    positions: tuple[Position, ...]
    words: tuple[int, ...]
    floats: bool

    def names(self, *, top: bool = True) -> list[str]:
        """Names of the layers that `after:` can name; with `top` those that are not within another one."""
        return list(dict.fromkeys(p.name for p in self.positions if not p.recurrent and not (top and "/" in p.name)))

    def find(self, name: str) -> list[str]:
        """Labels of the layers of this name: the whole name first, else the last part of it."""
        whole = [p.path_number for p in self.positions if p.name == name and not p.recurrent]
        last = [p.path_number for p in self.positions if p.name.rpartition("/")[2] == name and not p.recurrent]
        return list(dict.fromkeys(whole or last))


def survey(
    model: keras.Model, inputs: Any = None, calls: Callable[[Layer], Mapping[str, Any]] = lambda layer: {}
) -> Survey:
    """Calls a built model once in training mode, as a graph that computes nothing, and says what was there.

    Args:
        inputs: `tf.TensorSpec`s of some rows, nested as the model takes them; the model's own unless given.
        calls: as for `instrumented`.

    Raises:
        Whatever the model's own code raises.
    """
    import tensorflow as tf

    specs = _specs(model) if inputs is None else inputs
    points: dict[Point, tuple[int | None, ...]] = {}

    def note(point: Point, x: Tensor) -> Tensor:
        points[point] = tuple(x.shape)
        return x

    walk = Walk(positions_of(model), note)
    given: list[Any] = []
    produced: list[int] = []

    def call(x: Any) -> None:
        given.extend(keras.tree.flatten(x))
        with walking(walk):
            outputs = model(x, training=True) if model._call_has_training_arg else model(x)  # noqa: SLF001
        produced.extend(id(output) for output in keras.tree.flatten(outputs))

    with instrumented(model, calls):
        graph = tf.function(call, autograph=False).get_concrete_function(specs)  # kept, so that its tensors stay
        words = () if graph is None else tuple(i for i, x in enumerate(given) if _is_read_as_words(x))
        activated = [
            (position.path_number, outputs)
            for position, layer, outputs in walk.calls
            if not position.recurrent and is_activated(layer)
        ]
        last = {id(v) for _, _, outputs in walk.calls for v in keras.tree.flatten(outputs)} & set(produced)
    ends = last or ({id(v) for v in keras.tree.flatten(walk.calls[-1][2])} if walk.calls else set())
    of_output = {label for label, outputs in activated if any(id(v) in ends for v in keras.tree.flatten(outputs))}
    hidden = tuple(dict.fromkeys(label for label, _ in activated if label not in of_output))
    called = tuple({position.path_number: position for position, _, _ in walk.calls}.values())
    dtypes = [i.dtype for i in getattr(model, "inputs", None) or keras.tree.flatten(specs)]
    return Survey(points, hidden, called, words, all(is_float(dtype) for dtype in dtypes))


def _specs(model: keras.Model) -> Any:
    import tensorflow as tf

    def spec(tensor: Any) -> Any:
        return tf.TensorSpec([2, *(size or 2 for size in tensor.shape[1:])], tensor.dtype)

    inputs = getattr(model, "_inputs_struct", None)
    return keras.tree.map_structure(spec, model.inputs[0] if inputs is None else inputs)


KEEPS_VALUES = frozenset(
    [
        "Cast",
        "Reshape",
        "Identity",
        "ExpandDims",
        "Squeeze",
        "StridedSlice",
        "Slice",
        "Split",
        "SplitV",
        "Unpack",
        "Pack",
        "ConcatV2",
        "Transpose",
        "Tile",
        "PartitionedCall",
        "StatefulPartitionedCall",
        "EnsureShape",
        "StopGradient",
    ]
)
"""TensorFlow's operations that hand on the values they are given, at other places or in another type."""


def _is_read_as_words(x: Tensor) -> bool:
    """Whether an input becomes whole numbers: noise would turn words into other words."""
    pending, seen = [x], set()
    while pending:
        tensor = pending.pop()
        for operation in tensor.consumers():
            if operation.name in seen or operation.type not in KEEPS_VALUES:
                continue
            seen.add(operation.name)
            if any(output.dtype.is_integer for output in operation.outputs) and operation.type == "Cast":
                return True
            pending.extend(operation.outputs)
    return False


def hidden_activations(model: keras.Model) -> list[str]:
    """Names of the layers with a hidden activation, nested ones included, in the order of their calls.

    An activation is hidden unless it gives the model's output.
    """
    found = survey(model)
    names = {position.path_number: position.name for position in found.positions}
    return [names[label] for label in found.hidden]


def points_of(place: str, found: Survey) -> list[Point]:
    """The points of a model that a place names, in the order that they come in."""
    if place in ("input", STATE):
        return [point for point in found.points if point.place == place]
    if place.startswith("after:"):
        labels = found.find(place.removeprefix("after:"))
        return [point for point in found.points if point.place == "after" and point.label in labels]
    return [point for point in found.points if point.place == place and point.label in found.hidden]


def place_fault(place: str, found: Survey) -> str | None:
    """What is wrong with a place within a model, and how to fix it; None where nothing is."""
    names = found.names()
    if place.startswith("after:") and not found.find(place.removeprefix("after:")):
        nested = [name for name in found.names(top=False) if "/" in name]
        more = f", and within them {', '.join(nested)}" if nested else ""
        missing = place.removeprefix("after:")
        return f"the model has no layer {missing!r}; its layers are {', '.join(names)}{more}. Choose one of them"
    if place.endswith("_activation") and not found.hidden:
        these = f"the model's layers {', '.join(names)} have none"
        return f"{place!r} needs a hidden layer with an activation; {these}. Choose input or after:<layer>"
    if place == STATE and not points_of(place, found):
        return f"{place!r} needs a recurrent layer; the model's layers are {', '.join(names)}. Choose another place"
    if place == "input" and (found.words or not found.floats):
        embedding = next((p.name for p in found.positions if "embedding" in p.name.lower()), "<layer>")
        return (
            f"'input' must be noise on real numbers; the model reads whole numbers (words or categories) there, which noise "
            f"would turn into others. Put the noise after the layer that embeds them: after:{embedding}"
        )
    return None
