"""`fit_seeds`: what `Model.fit` is for one model, for N seeds of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import ArrayLike

from noiseflow.spec import Injection
from noiseflow.training import reference, vectorized
from noiseflow.training.model_file import ModelFile
from noiseflow.training.problem import Array, NotVectorizableError, Outcome, Problem, Progress, Rows
from noiseflow.training.result import SeedsFit

Engine = Literal["auto", "vectorized", "reference"]
Device = Literal["auto", "cpu", "gpu"]
ENGINES: dict[str, Callable[[Problem], Outcome]] = {"vectorized": vectorized.train, "reference": reference.train}


def fit_seeds(
    build_model: Callable[[], keras.Model] | str | Path,
    x: Any,
    y: Any,
    *,
    seeds: Iterable[int] = range(30),
    epochs: int = 1,
    batch_size: int = 32,
    validation_data: Sequence[Any] | None = None,
    sample_weight: ArrayLike | None = None,
    noise: Sequence[Injection] = (),
    strengths: ArrayLike | None = None,
    shuffle: bool = True,
    per_seed_data: bool = False,
    record_every: int = 1,
    evaluations: Mapping[str, Sequence[Any]] | None = None,
    engine: Engine = "auto",
    device: Device = "auto",
    progress: Callable[[Progress], None] = lambda progress: None,
) -> SeedsFit:
    """Trains one model for each seed; names and meaning as in `Model.fit`.

    Args:
        build_model: returns the compiled model, or the path of a `.keras` file that holds one. Seed s starts from its
            weights after `keras.utils.set_random_seed(s)`.
        x: (n_samples, ...); a list or dict of such for a model with several inputs.
        y: (n_samples, ...), or nested as the model's outputs are.
        seeds: each in [0, 2**32), none twice.
        epochs: passes over the rows.
        batch_size: rows of a step; the last step of an epoch may have fewer.
        validation_data: (x, y) or (x, y, sample_weight), measured in inference mode as `val_loss`, `val_accuracy`, ...
        sample_weight: (n_samples,), weights of the rows in the loss and in the weighted metrics.
        noise: injections, put into the model once its initial weights are drawn; active at train time only.
        strengths: (n_seeds, n_injections), each seed's stddev for each injection, instead of the injections' own.
        shuffle: whether each epoch visits the rows in a new order, each seed in its own.
        per_seed_data: whether x, y and sample_weight have a seed axis in front. Data to be measured may have one too.
        record_every: the history holds epoch 1, every k-th, and the last.
        evaluations: further data to measure as the validation data is, by the prefix of its names.
        engine: `vectorized` trains all seeds in one program, `reference` calls `Model.fit` seed after seed, `auto` is the
            first where it can, else the second, with a warning that says why.
        device: `auto` takes a GPU if there is one.
        progress: called now and then, from any thread, with how far it has come.

    Raises:
        ValueError: an argument is out of range, or an injection's place is not in the model; with engine `vectorized`
            (NotVectorizableError) the model has a part that does not vectorise.
        RuntimeError: the device is not there.
    """
    build = ModelFile.read(build_model) if isinstance(build_model, str | Path) else build_model
    chosen = tuple(int(seed) for seed in seeds)
    train = Rows(_floats(x), _floats(y), _weights(sample_weight), per_seed_data)
    measured = dict(evaluations or {}) | ({} if validation_data is None else {"val": validation_data})
    problem = Problem(
        build_model=build,
        train=train,
        seeds=chosen,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        noise=tuple(noise),
        strengths=_strengths(noise, strengths, len(chosen)),
        evaluations={name: _rows(data, train) for name, data in measured.items()},
        record_every=record_every,
        device=device,
        progress=progress,
    )
    _check(problem, engine)
    ran, outcome = _train(problem, engine)
    return SeedsFit(**vars(outcome), epochs=problem.recorded, seeds=chosen, engine=ran, build_model=build)


def _train(problem: Problem, engine: str) -> tuple[str, Outcome]:
    """The engine that ran, and what it gave."""
    if engine != "auto":
        return engine, ENGINES[engine](problem)
    try:
        return "vectorized", vectorized.train(problem)
    except NotVectorizableError as reason:
        message = f"engine 'auto' falls back to 'reference' (Model.fit, seed after seed): {reason}"
        warnings.warn(message, stacklevel=3)
        return "reference", reference.train(problem)


def _floats(values: Any) -> Any:
    """The arrays as `Model.fit` takes them: floats in Keras' floatx, all else as it is."""

    def array(value: Any) -> Array:
        values: Array = np.asarray(value)
        return values.astype(keras.config.floatx()) if np.issubdtype(values.dtype, np.floating) else values

    nested = isinstance(values, dict) or (isinstance(values, list | tuple) and any(hasattr(v, "shape") for v in values))
    return keras.tree.map_structure(array, values) if nested else array(values)


def _weights(values: ArrayLike | None) -> Array | None:
    return None if values is None else np.asarray(values, keras.config.floatx())


def _rows(data: Sequence[Any], train: Rows) -> Rows:
    """Data to measure; it has a seed axis where its samples have one dimension more than those that are trained on."""
    x, y, *weights = data
    x = _floats(x)
    of_a_sample = keras.tree.flatten(train.x)[0].ndim - train.per_seed
    per_seed = keras.tree.flatten(x)[0].ndim > of_a_sample
    return Rows(x, _floats(y), _weights(weights[0]) if weights else None, per_seed)


def _strengths(noise: Sequence[Injection], strengths: ArrayLike | None, n_seeds: int) -> Array:
    """(n_seeds, n_injections)."""
    if strengths is None:
        strengths = np.tile([float(injection.stddev) for injection in noise], (n_seeds, 1))
    return np.asarray(strengths, np.float64).reshape(n_seeds, len(noise))


def _check(problem: Problem, engine: str) -> None:
    seeds = problem.seeds
    found = [f"{text}; received {received}" for wrong, text, received in _faults(problem, engine) if wrong]
    if found:
        raise ValueError("\n".join(found))
    for part in (problem.train, *problem.evaluations.values()):
        axes = (len(seeds), part.n_rows) if part.per_seed else (part.n_rows,)
        for values in keras.tree.flatten(part.parts):
            if values.shape[: len(axes)] != axes:
                raise ValueError(f"x, y and sample_weight must begin with the axes {axes}; received {values.shape}")


def _faults(problem: Problem, engine: str) -> list[tuple[bool, str, Any]]:
    seeds = problem.seeds
    return [
        (problem.train.n_rows == 0, "x must hold at least one sample", problem.train.n_rows),
        (not seeds, "seeds must hold at least one", seeds),
        (len(set(seeds)) < len(seeds), "seeds must hold none twice", seeds),
        (any(not 0 <= seed < 2**32 for seed in seeds), "seeds must lie in [0, 2**32)", seeds),
        (problem.epochs < 1, "epochs must be at least 1", problem.epochs),
        (problem.batch_size < 1, "batch_size must be at least 1", problem.batch_size),
        (problem.record_every < 1, "record_every must be at least 1", problem.record_every),
        (bool((problem.strengths < 0).any()), "strengths must not be negative", problem.strengths.min(initial=0)),
        (engine not in ("auto", *ENGINES), f"engine must be one of {['auto', *ENGINES]}", engine),
    ]
