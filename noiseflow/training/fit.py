"""`fit_seeds`: what `Model.fit` is for one model, for N seeds of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import ArrayLike

from noiseflow.plan import choose_engine
from noiseflow.spec import Injection
from noiseflow.training import reference, vectorized
from noiseflow.training.problem import Array, Outcome, Problem, recorded_epochs
from noiseflow.training.result import SeedsFit

Engine = Literal["auto", "vectorized", "reference"]
ENGINES: dict[str, Callable[[Problem], Outcome]] = {"vectorized": vectorized.train, "reference": reference.train}


def fit_seeds(
    build_model: Callable[[], keras.Model],
    x: ArrayLike,
    y: ArrayLike,
    *,
    seeds: Iterable[int] = range(30),
    epochs: int = 1,
    batch_size: int = 32,
    validation_data: tuple[ArrayLike, ArrayLike] | None = None,
    noise: Sequence[Injection] = (),
    shuffle: bool = True,
    record_every: int = 1,
    evaluations: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    engine: Engine = "auto",
    progress: Callable[[int], None] = lambda epochs_done: None,
) -> SeedsFit:
    """Trains one model for each seed; names and meaning as in `Model.fit`.

    Args:
        build_model: returns the compiled model. Seed s starts from its weights after `keras.utils.set_random_seed(s)`.
        x: (n_samples, ...).
        y: (n_samples, ...).
        seeds: each in [0, 2**32), none twice.
        epochs: passes over the rows.
        batch_size: rows of a step; the last step of an epoch may have fewer.
        validation_data: (x, y), measured in inference mode as `val_loss`, `val_accuracy`, ...
        noise: injections, put into the model once its initial weights are drawn; active at train time only.
        shuffle: whether each epoch visits the rows in a new order, each seed in its own.
        record_every: the history holds epoch 1, every k-th, and the last.
        evaluations: further data to measure as the validation data is, by the prefix of its names.
        engine: `vectorized` trains all seeds in one program, `reference` calls `Model.fit` seed after seed, `auto` is
            the first.
        progress: called now and then with the number of epochs done.

    Raises:
        ValueError: an argument is out of range, or an injection's place is not in the model.
    """
    if record_every < 1:
        raise ValueError(f"record_every must be at least 1; received {record_every}")
    x, y = _floats(x), _floats(y)
    measured = dict(evaluations or {}) | ({} if validation_data is None else {"val": validation_data})
    problem = Problem(
        build_model=build_model,
        x=x,
        y=y,
        seeds=tuple(int(seed) for seed in seeds),
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        noise=tuple(noise),
        evaluations={name: (_floats(xs), _floats(ys)) for name, (xs, ys) in measured.items()},
        recorded=recorded_epochs(epochs, record_every),
        progress=progress,
    )
    _check(problem, engine)
    ran = choose_engine(engine)
    outcome = ENGINES[ran](problem)
    return SeedsFit(**vars(outcome), epochs=problem.recorded, seeds=problem.seeds, engine=ran, build_model=build_model)


def _floats(values: ArrayLike) -> Array:
    """The array as `Model.fit` takes it: floats in Keras' floatx, all else as it is."""
    array: Array = np.asarray(values)
    return array.astype(keras.config.floatx()) if np.issubdtype(array.dtype, np.floating) else array


def _check(problem: Problem, engine: str) -> None:
    seeds = problem.seeds
    faults: list[tuple[bool, str, Any]] = [
        (len(problem.x) == 0, "x must hold at least one sample", problem.x.shape),
        (len(problem.x) != len(problem.y), "x and y must have the same length", (len(problem.x), len(problem.y))),
        (not seeds, "seeds must hold at least one", seeds),
        (len(set(seeds)) < len(seeds), "seeds must hold none twice", seeds),
        (any(not 0 <= seed < 2**32 for seed in seeds), "seeds must lie in [0, 2**32)", seeds),
        (problem.epochs < 1, "epochs must be at least 1", problem.epochs),
        (problem.batch_size < 1, "batch_size must be at least 1", problem.batch_size),
        (engine not in ("auto", *ENGINES), f"engine must be one of {['auto', *ENGINES]}", engine),
    ]
    found = [f"{text}; received {received}" for wrong, text, received in faults if wrong]
    if found:
        raise ValueError("\n".join(found))
