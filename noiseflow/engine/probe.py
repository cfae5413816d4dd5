"""Whether the vectorised engine can train a model, known before anything is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from noiseflow.controls import control_kind
from noiseflow.controls.control import Control
from noiseflow.engine.arguments import built_for, checked, strengths_of, training_rows
from noiseflow.engine.problem import NotVectorizableError, Problem
from noiseflow.engine.vectorized import probe
from noiseflow.noise.injection import Injection

SEEDS = (0, 1)
UNKNOWN_STRENGTH = 0.5  # of an injection


def why_not_vectorizable(
    build_model: Callable[[], keras.Model],
    x: Any,
    y: Any,
    *,
    noise: Sequence[Injection] = (),
    controls: Sequence[Control] = (),
    batch_size: int = 32,
) -> str | None:
    """What keeps the vectorised engine from training the model; None where nothing does.

    The program of two replicas is built as for a training of one epoch on at most two batches, and it is called once without
    training: so XLA has compiled it, for some operations are refused only then. It takes some seconds; the program is kept
    for no training: its form is another.

    Args:
        noise: injections; one without a strength gets one; any will do here.
        controls: the same.

    Raises:
        ValueError: what `fit_seeds` would refuse on either engine.
    """
    injections = tuple(_with_strength(injection) for injection in noise)
    train = training_rows(x, y)
    problem = checked(
        Problem(
            build_model=built_for(build_model, train),
            train=train,
            seeds=SEEDS,
            batch_size=batch_size,
            noise=injections,
            strengths=strengths_of(injections, None, len(SEEDS)),
            controls=tuple(_with_strength(control) for control in controls),
        )
    )
    few = min(problem.train.n_rows, 2 * batch_size)
    train = problem.train.split(problem.train.n_rows - few)[0]
    held = train if problem.held is not None else None
    try:
        probe(dataclasses.replace(problem, train=train, held=held))
    except NotVectorizableError as reason:
        return str(reason)
    return None


def _with_strength(part: Any) -> Any:
    if part.strength is not None:
        return part
    return part.of_strength(control_kind(part.kind).probe_strength if isinstance(part, Control) else UNKNOWN_STRENGTH)
