"""What the targets of a model's outputs look like, which says how noise is put on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras.src import backend

from noiseflow.controls import control_kind
from noiseflow.engine.problem import Array, Problem
from noiseflow.engine.sites import Target
from noiseflow.noise import kind_of
from noiseflow.noise.injection import Injection

FORMS = "0 or 1 for one output unit, one column a class, or whole numbers from 0 for as many units as there are classes"


def target_forms(model: keras.Model, problem: Problem) -> list[Target]:
    """The form of each output's targets; without noise on them they are not looked at.

    Raises:
        ValueError: noise on the labels is asked for, and the targets are not of a form that it is known for.
    """
    noises = [(i, injection) for i, injection in enumerate(problem.noise) if injection.place == "labels"]
    classes = [name for name in problem.step_controls if control_kind(name).labels == "classes"]
    if not noises and not classes:
        return []
    outputs = outputs_of(model, problem.train.of(0)[0])
    if classes:
        flat, shapes = keras.tree.flatten(problem.train.y), [o.shape for o in keras.tree.flatten(outputs)]
        forms = [_form(y, shape, int(problem.train.per_seed)) for y, shape in zip(flat, shapes, strict=True)]
        found = [form or Target("values") for form in forms]
        if len({target.n_classes for target in found if target.form != "values"}) != 1:
            raise ValueError(f"controls: {classes[0]} needs classes ({FORMS}), as many for each output")
        if not noises:
            return found
    targets = targets_by_output(outputs, problem.train.y, noises[0][0])
    shapes = [output.shape for output in keras.tree.flatten(outputs)]
    axes = 1 if problem.train.per_seed else 0
    both = list(zip(targets, shapes, strict=True))
    for i, injection in noises[1:]:
        _forms(both, axes, i, injection)
    return _forms(both, axes, *noises[0])


def outputs_of(model: keras.Model, x: Any) -> Any:
    """Specs of the model's outputs, nested as they are.

    Args:
        x: some rows, nested as the model takes them; arrays or anything else with a shape and a dtype.
    """
    if getattr(model, "_outputs_struct", None) is not None:
        return model.output
    rows = keras.tree.map_structure(
        lambda v: keras.KerasTensor((None, *v.shape[1:]), backend.standardize_dtype(v.dtype)), x
    )
    return backend.compute_output_spec(model, rows, training=False)


def targets_by_output(outputs: Any, y: Any, index: int = 0) -> list[Any]:
    """The targets in the order of the model's outputs.

    Args:
        outputs: nested as the model gives them.

    Raises:
        ValueError: it is not known which targets belong to which output.
    """
    flat = keras.tree.flatten(y)
    n_outputs = len(keras.tree.flatten(outputs))
    alike = isinstance(y, dict) == isinstance(outputs, dict) if n_outputs > 1 else True
    if len(flat) != n_outputs or not alike:
        raise ValueError(
            f"noise[{index}].place: noise on the labels needs a target for each of the model's {n_outputs} "
            f"outputs, nested as they are; received {type(y).__name__} of {len(flat)}"
        )
    return flat


def _forms(both: Sequence[tuple[Array, Any]], axes: int, index: int, injection: Injection) -> list[Target]:
    targets = [_form(y, shape, axes) for y, shape in both]
    for target, (y, shape) in zip(targets, both, strict=True):
        received = f"targets of shape {y.shape[axes:]} and dtype {y.dtype} for an output of shape {shape}"
        if kind_of(injection.kind).labels == "classes" and (target is None or target.form == "values"):
            raise ValueError(
                f"noise[{index}].kind: flip needs classes ({FORMS}); received {received}. "
                "Use kind gaussian for a regression"
            )
        if kind_of(injection.kind).labels == "values" and (target is None or target.form == "classes"):
            raise ValueError(
                f"noise[{index}].kind: gaussian noise on the labels needs targets of the outputs' shape; "
                f"received {received}. Use kind flip for a classification"
            )
    return [target for target in targets if target is not None]


def _form(y: Array, output: Any, axes: int) -> Target | None:
    """None where the form is not known."""
    shape, units = y.shape[axes:], output[-1]
    same = len(shape) == len(output) and tuple(shape[1:]) == tuple(output[1:])
    if units == 1 and (same or tuple(shape[1:]) == tuple(output[1:-1])):
        return Target("binary") if np.isin(y, (0, 1)).all() else Target("values")
    if same:
        one_hot = np.isin(y, (0, 1)).all() and (y.sum(axis=-1) == 1).all()
        return Target("one_hot", units) if one_hot else Target("values")
    sparse = tuple(shape[1:]) in (tuple(output[1:-1]), (*output[1:-1], 1))
    whole = sparse and np.isfinite(y).all() and (y == np.floor(y)).all() and y.min() >= 0 and y.max() < units
    return Target("classes", units) if whole else None
