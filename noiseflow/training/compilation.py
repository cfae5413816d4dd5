"""From a user's Keras model to the program that trains many of it, compiled once for all fits of its form."""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.noise import Injected, inject
from noiseflow.training import step
from noiseflow.training.form import Form, Layout, Run
from noiseflow.training.memory import OUT_OF_MEMORY
from noiseflow.training.noise_layers import EFFECTS, RandomLayer, injected_noise, random_twin
from noiseflow.training.problem import Array, NotVectorizableError, Problem
from noiseflow.training.program import Program
from noiseflow.training.sites import Site, Treatment, sites_around
from noiseflow.training.targets import target_forms
from noiseflow.training.twins import TWINS
from noiseflow.training.vectorizable import explained, require_no_foreign_randomness, require_vectorizable

PROGRAMS_KEPT = 16


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
        held=None if problem.held is None else Layout.of(problem.held, width, gathered=False),
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


def with_sites(run: Run, problem: Problem, treatment: Treatment, scales: Array) -> Run:
    """The run with the scales (width, n_sites) of the sites, and the settings of their injections' schedules."""
    injections = [problem.noise[site.injection] for site in treatment.sites]
    floats = keras.config.floatx()
    return run._replace(
        scales=tf.constant(scales, floats),
        finals=tf.constant([injection.final for injection in injections], floats),
        decays=tf.constant([injection.decay or 0.0 for injection in injections], floats),
    )


def vectorized_form(model: keras.Model) -> keras.Model:
    """A copy of the model, weights included, whose layers vectorise."""
    return inject(model, (), lambda injection, site: keras.layers.Identity(), _twin).model


def model_key(build_model: Callable[[], keras.Model], template: keras.Model) -> Hashable | None:
    """What tells the model that a function builds from every other; None where it cannot be told.

    The function alone would not do: it may read a setting that changes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a function of the user's is written as code; it is not read again
            signature = _signature(template)
        hash(build_model)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return build_model, signature


def _key(problem: Problem, template: keras.Model, form: Form, run: Run) -> Hashable | None:
    """What two fits must have in common to share a program; None where it cannot be told."""
    model = model_key(problem.build_model, template)
    if model is None:
        return None
    used = problem.used
    noise = tuple((i.kind, i.place, i.schedule, bool(i.decay), used[at]) for at, i in enumerate(problem.noise))
    controls = problem.penalised, problem.early_stopping is not None
    shapes = tuple((tuple(v.shape), v.dtype.name) for v in keras.tree.flatten(run))
    structure = str(keras.tree.map_structure(lambda v: None, run))
    return model, noise, controls, form, shapes, structure


def _signature(model: keras.Model) -> str:
    """The model's and its compilation's settings, without the names that Keras counts up from build to build."""
    functional = keras.Model(model.inputs, model.outputs, name="model")
    compilation = model.get_compile_config()
    compilation["optimizer"]["config"].pop("name")
    names = {layer.name: f"layer {position}" for position, layer in enumerate(functional.layers)}

    def settled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: settled(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [settled(entry) for entry in value]
        if isinstance(value, str) and value.startswith("keras_tensor"):
            return names.setdefault(value, f"tensor {len(names)}")
        return names.get(value, value) if isinstance(value, str) else value

    return json.dumps(settled([functional.get_config(), compilation]), default=str)


def _compile(problem: Problem, template: keras.Model, form: Form, run: Run) -> Compiled:
    used, within = problem.used, []

    def noise_layer(injection: int, name: str) -> keras.layers.Layer:
        site = Site.of(injection, problem.noise[injection], name, used=used[injection])
        within.append(site)
        if not site.used:  # it is left out, since XLA would round another sum otherwise
            return keras.layers.Identity(name=name)
        return RandomLayer(name, injected_noise(site.kind, len(within) - 1), name=name)

    around = sites_around(problem.noise, used, target_forms(template, problem))
    try:
        injected = inject(template, problem.noise, noise_layer, _twin)
    except NotImplementedError as error:  # a twin that has no form for these settings
        raise NotVectorizableError(str(error)) from error
    treatment = Treatment((*within, *around), problem.penalised)
    run = with_sites(run, problem, treatment, np.zeros((form.width, len(treatment.sites))))
    few = keras.tree.map_structure(lambda values: values[:2], problem.train.of(0))
    try:
        program = Program(injected.model, step.metric_names(injected.model, few), form, treatment)
        program.trace(program.start([np.stack([w] * form.width) for w in template.get_weights()]), run)
    except OUT_OF_MEMORY:
        raise
    except Exception as error:
        raise explained(injected.model, error) from error
    require_no_foreign_randomness(injected.model, program.function.graph)
    return Compiled(program, injected)


def _twin(layer: keras.layers.Layer, position: int) -> keras.layers.Layer:
    if type(layer) in EFFECTS:
        return random_twin(layer, position)
    made = TWINS.get(type(layer))
    return layer if made is None else made.from_config(layer.get_config())
