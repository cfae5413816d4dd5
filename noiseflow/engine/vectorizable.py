"""What the vectorised engine cannot train as `Model.fit` does, and what to say of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras

from noiseflow.engine.problem import NotVectorizableError

ANSI = re.compile(r"\x1b\[[0-9;]*m")  # Keras colours its messages
OWN_WAYS = ("train_step", "test_step", "fit", "evaluate", "make_train_function", "make_test_function")
"""Methods that a user's model may override; the engine does what Keras' own do."""


def require_vectorizable(model: keras.Model) -> None:
    """Refuses what is known not to be trained as `Model.fit` trains it, above all what would mix the seeds.

    Raises:
        NotVectorizableError: and says what it is.
    """
    for fault in _faults(model):
        raise NotVectorizableError(fault)


def explained(model: keras.Model, error: Exception) -> NotVectorizableError:
    """What TensorFlow could not vectorise or compile: the layer that the error names, if one is, and how it begins."""
    if isinstance(error, NotVectorizableError):
        found = re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(error), re.DOTALL)  # Keras puts its own words around it
        return NotVectorizableError(found[1]) if found else error
    text = " ".join(ANSI.sub("", str(error)).split())
    layers = list(model._flatten_layers(include_self=False))  # noqa: SLF001 - nested ones too
    own = " ".join(
        re.findall(r'name: ("[^"]+")', text)[:1]
    )  # of the operation; its inputs, which follow, have other layers' names
    named = [
        layer
        for where in (own, text)
        for ending in ("", r"_\d+")
        for layer in layers
        if re.search(_scope(layer.name, ending), where)
    ]
    who = _layer_text(named[0]) if named else "the model"
    missing = re.search(r"No pfor vectorization defined for (\w+)", text)
    why = f"TensorFlow has no vectorised form of {missing[1]}" if missing else f"{type(error).__name__}: {text[:300]}"
    return NotVectorizableError(f"{who} does not vectorise: {why}")


def _scope(name: str, ending: str) -> str:
    """A pattern for a layer's name as operations of TensorFlow carry it; TensorFlow numbers those that are there already."""
    return rf"(?<![\w]){re.escape(name)}{ending}(?=[/'\"])"


def _layer_text(layer: keras.layers.Layer) -> str:
    return f"layer {layer.name!r} ({type(layer).__name__})"


def require_no_foreign_randomness(model: keras.Model, graph: Any) -> None:
    """Refuses random numbers in the graph of a model's program that are not a replica's own.

    Raises:
        NotVectorizableError: and names the layer that draws them.
    """
    for name, kind in _operations(graph):
        if "Random" in kind or "Multinomial" in kind or kind.startswith("Rng"):
            layers = [layer for layer in model.layers if re.search(rf"/{re.escape(layer.name)}(_\d+)?/", f"/{name}/")]
            who = _layer_text(layers[0]) if layers else f"operation {name}"
            raise NotVectorizableError(f"{who} draws random numbers in a way that all seeds would share")


def _faults(model: keras.Model) -> Iterator[str]:
    for name in OWN_WAYS:
        if getattr(getattr(model, name), "__func__", None) is not getattr(keras.Model, name):
            yield f"{type(model).__name__} has its own {name}, which runs in Python"
    if model.run_eagerly:
        yield "the model was compiled with run_eagerly=True"
    yield from _layer_faults(model)
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        yield "optimizer LossScaleOptimizer belongs to mixed precision"
    for setting in ("gradient_accumulation_steps", "ema_overwrite_frequency" if optimizer.use_ema else "use_ema"):
        if getattr(optimizer, setting):
            yield f"optimizer {optimizer.name!r} has {setting}, by which it acts at some steps only"


def _layer_faults(model: keras.Model) -> Iterator[str]:
    for layer in model._flatten_layers():  # noqa: SLF001 - nested ones too
        if layer._remat_mode:  # noqa: SLF001 - no public name
            yield f"{_layer_text(layer)} is computed again for the gradient (RematScope), with other random numbers"
        if getattr(layer, "stateful", False):
            yield f"{_layer_text(layer)} keeps its state from one batch to the next (stateful=True)"
        if layer.compute_dtype != layer.variable_dtype:
            yield f"{_layer_text(layer)} computes in {layer.compute_dtype} (mixed precision)"


def _operations(graph: Any) -> Iterator[tuple[str, str]]:
    """Name and kind of every operation of a graph and of the functions that it calls."""
    definition = graph.as_graph_def()
    for nodes in (definition.node, *(function.node_def for function in definition.library.function)):
        yield from ((node.name, node.op) for node in nodes)
