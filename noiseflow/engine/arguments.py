"""Turns the arguments of `fit_seeds` into the problem that an engine takes: arrays in Keras' types, all checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights
from numpy.typing import ArrayLike

from noiseflow.controls import CONTROLS, control_kind
from noiseflow.controls.control import Control
from noiseflow.engine.keras_state import BuiltFor
from noiseflow.engine.problem import Array, Problem, Samples
from noiseflow.engine.row_batches import read_data
from noiseflow.noise import kind_of
from noiseflow.noise.injection import Injection

ROUNDING = 1e-9  # (1 - 0.9) × 10 rows are 1, though floats make them a little less


def require_kinds(build_model: Any, seeds: Any, noise: Any, controls: Any) -> None:
    """Says what to write in place of what people give at first.

    Raises:
        TypeError: a model in place of a function, a number in place of seeds, or noise or controls that are no list of such.
    """
    if isinstance(seeds, Integral):
        raise TypeError(f"seeds must be the seeds themselves; received {seeds}. For so many: seeds=range({seeds}).")
    if isinstance(build_model, keras.Model):
        raise TypeError(
            "build_model must be a function that returns a compiled model, called once for each seed; received a model. "
            "Put the lines that make it into a function."
        )
    for name, given, kind in (("noise", noise, Injection), ("controls", controls, Control)):
        if isinstance(given, kind | dict) or not all(isinstance(one, kind) for one in given):
            raise TypeError(f"{name} must be a list of noiseflow.{kind.__name__}; received {given!r}.")


def training_rows(x: Any, y: Any, sample_weight: Any = None, per_seed: bool = False) -> Samples:
    """The rows to train on, as `fit_seeds` is given them."""
    return Samples(floats(x), floats(y), _weights(sample_weight), per_seed)


def split_rows(rows: Samples, share: float, validation_data: Any) -> tuple[Samples, Any]:
    """The rows that train, and the validation data: the last rows where a share of them is asked for, as `Model.fit` does it.

    Raises:
        ValueError: the share leaves no rows to one of the two.
    """
    if not share or validation_data is not None:
        return rows, validation_data
    n_train = math.floor(rows.n_rows * (1.0 - share) + ROUNDING)
    if not 0 < share < 1 or not 0 < n_train < rows.n_rows:
        raise ValueError(
            f"validation_split must leave rows to train on and rows to measure; received {share} of {rows.n_rows} rows"
        )
    train, last = rows.split(rows.n_rows - n_train)
    return train, last.parts


def by_output(sample_weight: Mapping[str, Any], model: keras.Model) -> list[Any]:
    """Weights given by the names of the outputs, in the outputs' order.

    Raises:
        ValueError: the names are others.
    """
    names = list(getattr(model, "output_names", []))
    if sorted(names) != sorted(sample_weight):
        raise ValueError(f"sample_weight must name the model's outputs, {names}; received {list(sample_weight)}")
    return [sample_weight[name] for name in names]


def with_class_weight(rows: Samples, class_weight: Mapping[int, float] | None) -> Samples:
    """The rows, each weighted by its class.

    Raises:
        ValueError: they have weights already.
    """
    if class_weight is None:
        return rows
    if rows.sample_weight is not None:
        raise ValueError("class_weight and sample_weight must not be given both; multiply them into sample_weight")

    def weights(y: Array) -> Array:
        if rows.per_seed:
            return np.stack([np.asarray(class_weight_to_sample_weights(own, class_weight)) for own in y])
        return np.asarray(class_weight_to_sample_weights(y, class_weight))

    return replace(rows, sample_weight=_weights(keras.tree.map_structure(weights, rows.y)))


def built_for(build_model: Callable[[], keras.Model], train: Samples) -> BuiltFor:
    """What builds the model for these rows."""
    return BuiltFor.of(build_model, keras.tree.map_structure(lambda values: values[:2], train.of(0)[0]))


def measured_rows(
    validation_data: Sequence[Any] | None, evaluations: Mapping[str, Sequence[Any]] | None, train: Samples
) -> dict[str, Samples]:
    """The rows to measure, by the prefix of their quantities."""
    measured = dict(evaluations or {}) | ({} if validation_data is None else {"val": validation_data})
    return {name: _rows(data, train) for name, data in measured.items()}


def checked(problem: Problem) -> Problem:
    """The problem, with the rows that early stopping holds back apart.

    Raises:
        ValueError: a number is out of range, data do not fit together, or no row would be left to train on.
    """
    _check(problem)
    return _rows_held_back(problem)


def floats(values: Any) -> Any:
    """The arrays as `Model.fit` takes them: floats in Keras' floatx, all else as it is."""

    def array(value: Any) -> Array:
        values: Array = np.asarray(value)
        return values.astype(keras.config.floatx()) if np.issubdtype(values.dtype, np.floating) else values

    nested = isinstance(values, dict) or (isinstance(values, list | tuple) and any(hasattr(v, "shape") for v in values))
    return keras.tree.map_structure(array, values) if nested else array(values)


def _weights(values: Any) -> Any:
    if values is None:
        return None
    weights = floats(values)
    return keras.tree.map_structure(lambda v: np.asarray(v, keras.config.floatx()), weights)


def _rows(data: Sequence[Any], train: Samples) -> Samples:
    """Data to measure; it has a seed axis where its samples have one dimension more than those that are trained on."""
    if not isinstance(data, list | tuple):
        read = read_data(data, None, None, 1, shuffle=False, ordered=False)
        data = [part for part in (read.x, read.y, read.sample_weight) if part is not None]
    x, y, *weights = data
    x = floats(x)
    of_a_sample = keras.tree.flatten(train.x)[0].ndim - train.per_seed
    per_seed = keras.tree.flatten(x)[0].ndim > of_a_sample
    return Samples(x, floats(y), _weights(weights[0]) if weights else None, per_seed)


def strengths_of(noise: Sequence[Injection], strengths: ArrayLike | None, n_seeds: int) -> Array:
    """(n_seeds, n_injections): those given, else the injections' own for every seed.

    Raises:
        ValueError: an injection has no strength, and there are none beside.
    """
    if strengths is None:
        own = [injection.strength for injection in noise]
        for i, strength in enumerate(own):
            if strength is None:
                key = kind_of(noise[i].kind).strength
                raise ValueError(f"noise[{i}] must have a strength; received {key}=None. Give it, or `strengths`")
        strengths = np.tile(np.asarray(own, np.float64), (n_seeds, 1))
    given = np.asarray(strengths, np.float64)
    if given.size != n_seeds * len(noise):
        raise ValueError(f"strengths must have the shape {(n_seeds, len(noise))}; received {given.shape}")
    return given.reshape(n_seeds, len(noise))


def _rows_held_back(problem: Problem) -> Problem:
    """The problem without the rows that early stopping holds back, which are apart.

    Raises:
        ValueError: none would be left to train on.
    """
    control = problem.early_stopping
    if control is None:
        return problem
    fraction, n_rows = control.validation_fraction, problem.train.n_rows
    held = max(1, control_kind(control.kind).held_back(control, n_rows))
    if held >= n_rows:
        raise ValueError(
            f"validation_fraction must leave rows to train on; received {fraction} of {n_rows} rows, which holds {held} back. "
            "Lower it or take more rows"
        )
    train, held_back = problem.train.split(held)
    return replace(problem, train=train, held=held_back)


def _check(problem: Problem) -> None:
    seeds = problem.seeds
    found = [f"{text}; received {received}" for wrong, text, received in _faults(problem) if wrong]
    if found:
        raise ValueError("\n".join(found))
    for part in (problem.train, *problem.evaluations.values()):
        if part.y is None:
            raise ValueError("y must be given where x is no dataset of batches; received None")
        axes = (len(seeds), part.n_rows) if part.per_seed else (part.n_rows,)
        for values in keras.tree.flatten(part.parts):
            if values.shape[: len(axes)] != axes:
                raise ValueError(f"x, y and sample_weight must begin with the axes {axes}; received {values.shape}")


def _faults(problem: Problem) -> list[tuple[bool, str, Any]]:
    seeds, stopping = (
        problem.seeds,
        [c.kind for c in problem.controls if (k := control_kind(c.kind)).stops or k.averages],
    )
    parts = [c.kind for c in problem.controls if control_kind(c.kind).changes_network]
    weak = [control.kind for control in problem.controls if control.strength is None]
    needed = ", ".join(f"{kind.name} a {kind.strength}" for kind in CONTROLS)
    own_rows = problem.train.per_seed  # a seed may come again with other rows
    rates = problem.strengths[:, [kind_of(injection.kind).strength == "rate" for injection in problem.noise]]
    return [
        (problem.train.n_rows == 0, "x must hold at least one sample", problem.train.n_rows),
        (not seeds, "seeds must hold at least one", seeds),
        (len(set(seeds)) < len(seeds) and not own_rows, "seeds must hold none twice on the same data", seeds),
        (any(not 0 <= seed < 2**32 for seed in seeds), "seeds must lie in [0, 2**32)", seeds),
        (problem.epochs < 1, "epochs must be at least 1", problem.epochs),
        (problem.batch_size < 1, "batch_size must be at least 1", problem.batch_size),
        (problem.record_every < 1, "record_every must be at least 1", problem.record_every),
        (bool((problem.strengths < 0).any()), "strengths must not be negative", problem.strengths.min(initial=0)),
        (bool((rates >= 1).any()), "strengths of a kind with a rate must lie below 1", rates.max(initial=0)),
        (bool(weak), f"controls must have a strength: {needed}", weak),
        (len(stopping) > 1, "controls must stop early, or average weights, once at most", stopping),
        (bool(parts), "controls that are a part of the network need a study's own networks", parts),
    ]
