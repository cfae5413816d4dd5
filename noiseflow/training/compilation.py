"""From a user's Keras model to the program that trains many of it; and what to say when there is none."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.noise import Injected, inject
from noiseflow.training import step
from noiseflow.training.noise_layers import EFFECTS, RandomLayer, injected_noise, random_twin
from noiseflow.training.problem import NotVectorizableError, Problem
from noiseflow.training.program import Form, Layout, Program, Run
from noiseflow.training.twins import TWINS

PROGRAMS_KEPT = 16
OWN_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics", "call")
"""What a subclass of a Keras model may change, and the engine does in Keras' own way."""


@dataclass(frozen=True)
class Compiled:
    """A program, and the model that it trains with the places where its noise is added."""

    program: Program
    injected: Injected


_programs: OrderedDict[Hashable, Compiled] = OrderedDict()


def form_of(problem: Problem, width: int) -> Form:
    """What the program of a problem is compiled for."""
    gathered = problem.shuffle and problem.train.n_rows > problem.batch_size
    return Form(
        width=width,
        batch_size=min(problem.batch_size, problem.train.n_rows),
        shuffle=problem.shuffle,
        train=Layout.of(problem.train, width, gathered=gathered),
        evaluations=tuple((name, Layout.of(rows, width, gathered=False)) for name, rows in problem.evaluations.items()),
    )


def compiled_program(problem: Problem, template: keras.Model, form: Form, run: Run) -> Compiled:
    """The program for a problem: that of an earlier fit, if only values differ. To be called under KERAS_LOCK.

    Args:
        template: what `build_model` gives.
        run: of any shard, for its shapes and dtypes.

    Raises:
        NotVectorizableError: the model has a part that cannot be trained in this way.
    """
    require_vectorizable(template)
    key = _key(problem, template, form, run)
    if key is None or key not in _programs:
        compiled = _compile(problem, template, form, run)
        if key is None:
            return compiled
        _programs[key] = compiled
    _programs.move_to_end(key)
    while len(_programs) > PROGRAMS_KEPT:
        _programs.popitem(last=False)
    return _programs[key]


def vectorized_form(model: keras.Model) -> keras.Model:
    """A copy of the model, weights included, whose layers vectorise."""
    return inject(model, (), lambda injection, site: keras.layers.Identity(), _twin).model


def require_vectorizable(model: keras.Model) -> None:
    """Refuses what is known not to be trained as `Model.fit` trains it, above all what would mix the seeds.

    Raises:
        NotVectorizableError: and says what it is.
    """
    for fault in _faults(model):
        raise NotVectorizableError(fault)


def explained(model: keras.Model, error: Exception) -> NotVectorizableError:
    """What TensorFlow could not vectorise or compile: the layer, as far as the error tells, and the error's first lines."""
    text = str(error)
    named = [layer for layer in model.layers if f"/{layer.name}/" in text or f"'{layer.name}'" in text]
    own = [layer for layer in model.layers if f"{type(layer).__name__}.call" in text]
    culprits = [f"layer {layer.name!r} ({type(layer).__name__})" for layer in (named or own)[:1]]
    reason = " ".join(text.split())[:300] or type(error).__name__
    return NotVectorizableError(f"{(culprits or ['the model'])[0]} does not vectorise: {reason}")


def require_no_foreign_randomness(program: Program) -> None:
    """Refuses random numbers that are not a replica's own.

    Raises:
        NotVectorizableError: and names the layer that draws them.
    """
    for name, kind in _operations(program.function.graph):
        if "Random" in kind or "Multinomial" in kind or kind.startswith("Rng"):
            layers = [layer for layer in program.model.layers if f"/{layer.name}/" in f"/{name}/"]
            who = f"layer {layers[0].name!r} ({type(layers[0]).__name__})" if layers else f"operation {name}"
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
            yield f"layer {layer.name!r} ({type(layer).__name__}) computes in {layer.compute_dtype} (mixed precision)"
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        yield "optimizer LossScaleOptimizer belongs to mixed precision"


def _dummy() -> tuple[Any, Any]:
    inputs = keras.Input((1,))
    return inputs, inputs


def _key(problem: Problem, template: keras.Model, form: Form, run: Run) -> Hashable | None:
    """What two fits must have in common to share a program; None where it cannot be told."""
    try:
        signature = _signature(template)
        hash(problem.build_model)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    noise = tuple((i.kind, i.place, used) for i, used in zip(problem.noise, _used(problem), strict=True))
    shapes = tuple((tuple(v.shape), v.dtype.name) for v in keras.tree.flatten(run))
    structure = str(keras.tree.map_structure(lambda v: None, run))
    return problem.build_model, signature, noise, form, shapes, structure


def _signature(model: keras.Model) -> str:
    """The model's and its compilation's settings, without the names that Keras counts up from build to build."""
    functional = keras.Model(model.inputs, model.outputs, name="model")
    compilation = model.get_compile_config()
    compilation["optimizer"]["config"].pop("name")
    settings = json.dumps([functional.get_config(), compilation], default=str)
    for position, layer in enumerate(functional.layers):
        settings = settings.replace(f'"{layer.name}"', f'"layer {position}"')
    tensors = {name: str(i) for i, name in enumerate(dict.fromkeys(re.findall(r"keras_tensor_\d+", settings)))}
    return re.sub(r"keras_tensor_\d+", lambda match: tensors[match[0]], settings)


def _used(problem: Problem) -> list[bool]:
    """Whether an injection adds anything at all; if not it is left out, since XLA would round another sum otherwise."""
    return [bool(strengths.any()) for strengths in problem.strengths.T]


def _compile(problem: Problem, template: keras.Model, form: Form, run: Run) -> Compiled:
    used = _used(problem)

    def noise_layer(injection: int, site: str) -> keras.layers.Layer:
        if not used[injection]:
            return keras.layers.Identity(name=site)
        return RandomLayer(site, injected_noise(injection), name=site)

    injected = inject(template, problem.noise, noise_layer, _twin)
    few = keras.tree.map_structure(lambda values: values[:2], problem.train.of(0))
    try:
        program = Program(injected.model, step.metric_names(injected.model, few), form)
        program.trace(program.start([np.stack([w] * form.width) for w in template.get_weights()]), run)
    except Exception as error:
        raise explained(injected.model, error) from error
    require_no_foreign_randomness(program)
    return Compiled(program, injected)


def _twin(layer: keras.layers.Layer, position: int) -> keras.layers.Layer:
    if type(layer) in EFFECTS:
        return random_twin(layer, position)
    made = TWINS.get(type(layer))
    return layer if made is None else made.from_config(layer.get_config())


def _operations(graph: Any) -> Iterator[tuple[str, str]]:
    """Name and kind of every operation of a graph and of the functions that it calls."""
    definition = graph.as_graph_def()
    for nodes in (definition.node, *(function.node_def for function in definition.library.function)):
        yield from ((node.name, node.op) for node in nodes)
