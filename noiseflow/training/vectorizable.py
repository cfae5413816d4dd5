"""What the vectorised engine cannot train as `Model.fit` does, and what to say of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from noiseflow.training.problem import NotVectorizableError
from noiseflow.training.random import Stream, drawing_from

MOST_SITES = 4096
ANSI = re.compile(r"\x1b\[[0-9;]*m")  # Keras colours its messages
OWN_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics", "call")
"""What a subclass of a Keras model may change, and the engine does in Keras' own way."""


def require_vectorizable(model: keras.Model) -> None:
    """Refuses what is known not to be trained as `Model.fit` trains it, above all what would mix the seeds.

    Raises:
        NotVectorizableError: and says what it is.
    """
    for fault in _faults(model):
        raise NotVectorizableError(fault)


def explained(model: keras.Model, error: Exception) -> NotVectorizableError:
    """What TensorFlow could not vectorise or compile: the layer, if one cannot be on its own, and how the error begins."""
    who = "the model"
    for layer in model.layers:
        if (own := _alone(layer)) is not None:
            who, error = _named(layer), own
            break
    reason = " ".join(ANSI.sub("", str(error)).split())[:300] or type(error).__name__
    return NotVectorizableError(f"{who} does not vectorise: {reason}")


def _named(layer: keras.layers.Layer) -> str:
    return f"layer {layer.name!r} ({type(layer).__name__})"


def _alone(layer: keras.layers.Layer) -> Exception | None:
    """What goes wrong when two replicas of the layer alone are vectorised and compiled, with their gradient."""

    def call(state: Any, inputs: Any) -> Any:
        with tf.GradientTape() as tape, drawing_from(Stream([tf.zeros([], layer.compute_dtype)] * MOST_SITES)):
            tape.watch(inputs)
            outputs = layer.stateless_call(*state, inputs, **training)[0]
        return tape.gradient(outputs, inputs)

    def mapped(*stacked: Any) -> Any:
        return tf.vectorized_map(lambda element: call(*element), stacked, fallback_to_while_loop=False)

    if isinstance(layer, keras.layers.InputLayer) or len(layer._inbound_nodes) != 1:  # noqa: SLF001 - has no one input
        return None
    training = {"training": True} if "training" in inspect.signature(layer.call).parameters else {}
    state = _zeros(layer.trainable_variables), _zeros(layer.non_trainable_variables)
    try:
        tf.function(mapped, jit_compile=True)(state, _zeros(layer.input))
    except TypeError:  # it is called in another way
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return error
    return None


def require_no_foreign_randomness(model: keras.Model, graph: Any) -> None:
    """Refuses random numbers in the graph of a model's program that are not a replica's own.

    Raises:
        NotVectorizableError: and names the layer that draws them.
    """
    for name, kind in _operations(graph):
        if "Random" in kind or "Multinomial" in kind or kind.startswith("Rng"):
            layers = [layer for layer in model.layers if re.search(rf"/{re.escape(layer.name)}(_\d+)?/", f"/{name}/")]
            who = _named(layers[0]) if layers else f"operation {name}"
            raise NotVectorizableError(f"{who} draws random numbers in a way that all seeds would share")


def _faults(model: keras.Model) -> Iterator[str]:
    plain = keras.Sequential if isinstance(model, keras.Sequential) else type(keras.Model(*_dummy()))
    if not isinstance(model, plain):
        yield f"{type(model).__name__} is neither a Sequential nor a functional model, so its layers cannot be seen"
        return
    for name in OWN_STEPS:
        if getattr(type(model), name) is not getattr(plain, name):
            yield f"{type(model).__name__} has its own {name}, which runs in Python"
    if model.run_eagerly:
        yield "the model was compiled with run_eagerly=True"
    for layer in model.layers:
        if layer.compute_dtype != layer.variable_dtype:
            yield f"{_named(layer)} computes in {layer.compute_dtype} (mixed precision)"
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        yield "optimizer LossScaleOptimizer belongs to mixed precision"
    for setting in ("gradient_accumulation_steps", "ema_overwrite_frequency" if optimizer.use_ema else "use_ema"):
        if getattr(optimizer, setting):
            yield f"optimizer {optimizer.name!r} has {setting}, by which it acts at some steps only"


def _dummy() -> tuple[Any, Any]:
    inputs = keras.Input((1,))
    return inputs, inputs


def _zeros(like: Any) -> Any:
    """Zeros for two replicas; two rows where the number is open."""
    return keras.tree.map_structure(lambda t: tf.zeros([2, *(size or 2 for size in t.shape)], t.dtype), like)


def _operations(graph: Any) -> Iterator[tuple[str, str]]:
    """Name and kind of every operation of a graph and of the functions that it calls."""
    definition = graph.as_graph_def()
    for nodes in (definition.node, *(function.node_def for function in definition.library.function)):
        yield from ((node.name, node.op) for node in nodes)
