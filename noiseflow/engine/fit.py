"""`fit_seeds`: `Model.fit` for N seeds of one model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
from numpy.typing import ArrayLike

from noiseflow.controls.control import Control
from noiseflow.engine import disk_cache, reference, vectorized
from noiseflow.engine.arguments import (
    built_for,
    by_output,
    checked,
    measured_rows,
    require_kinds,
    split_rows,
    strengths_of,
    training_rows,
    with_class_weight,
)
from noiseflow.engine.keras_state import build_seeded
from noiseflow.engine.model_file import ModelFile
from noiseflow.engine.problem import NotVectorizableError, Outcome, Problem
from noiseflow.engine.progress import Progress
from noiseflow.engine.result import SeedsFit
from noiseflow.engine.row_batches import read_data
from noiseflow.noise.injection import Injection

Engine = Literal["auto", "vectorized", "reference"]
Device = Literal["auto", "cpu", "gpu"]
ENGINES: dict[str, Callable[[Problem], Outcome]] = {"vectorized": vectorized.train, "reference": reference.train}


def fit_seeds(
    build_model: Callable[[], keras.Model] | str | Path,
    x: Any,
    y: Any = None,
    *,
    seeds: Iterable[int] = range(30),
    epochs: int = 1,
    batch_size: int = 32,
    validation_data: Sequence[Any] | None = None,
    validation_split: float = 0.0,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    noise: Sequence[Injection] = (),
    controls: Sequence[Control] = (),
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
        x: (n_samples, ...); a list or dict of such for a model with several inputs; or a `tf.data.Dataset` or `PyDataset` of
            batches. Its rows are read once: they are shuffled if two passes give them in another order.
        y: (n_samples, ...), or nested as the model's outputs are; None where x is a dataset.
        seeds: each in [0, 2**32), none twice unless each has its own rows.
        epochs: passes over the rows.
        batch_size: rows of a step; the last step of an epoch may have fewer.
        validation_data: (x, y) or (x, y, sample_weight), measured in inference mode as `val_loss`, `val_accuracy`, ...
        validation_split: share of the rows, the last ones, that are measured instead of trained on.
        sample_weight: (n_samples,), weights of the rows in the loss and in the weighted metrics; for several outputs nested as
            y is, or a dict by the names of the outputs.
        class_weight: weight of each class's rows in the loss; of several outputs, of each one's own classes.
        callbacks: Keras' callbacks that look at epochs, each seed with its own copies: they see the seed's logs, change its
            learning rate, stop it, restore its weights. From the epoch that a seed stops at its history stays as it is.
            Callbacks that look at batches, or at more of the model, train on `reference`.
        noise: injections, put into the model once its initial weights are drawn, or around it; active at train time only.
        controls: l2, which `loss` is measured without, and early stopping, which holds the last rows back. From
            the epoch that a seed stops at, its history holds the measures of the weights that it restored.
        strengths: (n_seeds, n_injections), each seed's stddev or rate for each injection, instead of the injections' own.
        shuffle: whether each epoch visits the rows in a new order, each seed in its own.
        per_seed_data: whether x, y and sample_weight have a seed axis in front. Data to be measured may have one too.
        record_every: the history holds epoch 1, every k-th, and the last.
        evaluations: further data to measure as the validation data is, by the prefix of its names.
        engine: `vectorized` trains all seeds in one program, `reference` calls `Model.fit` seed after seed, `auto` is the
            first where it can, else the second, with a warning that says why.
        device: `auto` takes a GPU if there is one.
        progress: called now and then, from any thread, with how far it has come.

    Raises:
        TypeError: a model in place of a function, a number in place of seeds, or noise or controls that are no list of such.
        ValueError: an argument is out of range, the model is not compiled or does not take these rows,
            an injection's place is not in the model, its kind does not suit the targets,
            an injection or control has no strength, or there are too few rows to hold some back; with engine `vectorized`
            (NotVectorizableError) the model has a part that does not vectorise.
        RuntimeError: the device is not there.
    """
    require_kinds(build_model, seeds, noise, controls)
    chosen = tuple(int(seed) for seed in seeds)
    function = ModelFile.read(build_model) if isinstance(build_model, str | Path) else build_model
    if isinstance(sample_weight, dict) and isinstance(y, list | tuple):
        sample_weight = by_output(sample_weight, build_seeded(function, chosen[0]))
    data = read_data(x, y, sample_weight, batch_size, shuffle)
    train, validation_data = split_rows(
        training_rows(data.x, data.y, data.sample_weight, per_seed_data), validation_split, validation_data
    )
    train = with_class_weight(train, class_weight)
    problem = Problem(
        build_model=built_for(function, train),
        train=train,
        seeds=chosen,
        epochs=epochs,
        batch_size=data.batch_size,
        shuffle=data.shuffle,
        noise=tuple(noise),
        strengths=strengths_of(noise, strengths, len(chosen)),
        controls=tuple(controls),
        evaluations=measured_rows(validation_data, evaluations, train),
        record_every=record_every,
        device=device,
        progress=progress,
        callbacks=tuple(callbacks),
    )
    problem = checked(problem)
    if engine not in ("auto", *ENGINES):
        raise ValueError(f"engine must be one of {['auto', *ENGINES]}; received {engine}")
    ran, outcome = _train(problem, engine)
    disk_cache.seal()
    return SeedsFit(
        **vars(outcome), epochs=problem.recorded, seeds=problem.seeds, engine=ran, build_model=problem.build_model
    )


def _train(problem: Problem, engine: str) -> tuple[str, Outcome]:
    """The engine that ran, and what it gave."""
    if engine != "auto":
        return engine, ENGINES[engine](problem)
    try:
        return "vectorized", vectorized.train(problem, only_if_faster=True)
    except NotVectorizableError as reason:
        message = f"engine 'auto' falls back to 'reference' (Model.fit, seed after seed): {reason}"
        warnings.warn(message, stacklevel=3)
        return "reference", reference.train(problem)
