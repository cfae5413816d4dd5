"""What an engine is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from noiseflow.controls import control_kind
from noiseflow.controls.control import Control
from noiseflow.engine.progress import Progress
from noiseflow.noise.injection import Injection

Array = NDArray[Any]
SPREAD_ROWS = 1024
"""Training rows that the spread of a signal is measured on, at most."""
EVALUATION_ROWS = 1024
"""Rows measured in one pass, at most; more would hold more activations at once."""


class NotVectorizableError(ValueError):
    """The vectorised engine cannot train this model as `Model.fit` does; the message names the part and says why."""


@dataclass(frozen=True)
class Samples:
    """Samples to train on or to measure.

    Attributes:
        x, y: arrays (n_rows, ...) or nested structures of such, floats in Keras' floatx.
        sample_weight: like y, or None.
        per_seed: whether each of them has a seed axis in front.
    """

    x: Any
    y: Any
    sample_weight: Any = None
    per_seed: bool = False

    @property
    def parts(self) -> tuple[Any, ...]:
        """x, y and, where there is one, sample_weight."""
        return (self.x, self.y) if self.sample_weight is None else (self.x, self.y, self.sample_weight)

    @property
    def n_rows(self) -> int:
        """Number of samples of a seed."""
        return int(keras.tree.flatten(self.x)[0].shape[1 if self.per_seed else 0])

    def split(self, n_last: int) -> tuple[Samples, Samples]:
        """All but the last rows, and those."""
        first = self.n_rows - n_last

        def cut(values: Any, rows: slice) -> Any:
            return keras.tree.map_structure(lambda a: a[:, rows] if self.per_seed else a[rows], values)

        def part(rows: slice) -> Samples:
            weight = None if self.sample_weight is None else cut(self.sample_weight, rows)
            return Samples(cut(self.x, rows), cut(self.y, rows), weight, self.per_seed)

        return part(slice(first)), part(slice(first, None))

    def of(self, index: int) -> tuple[Any, ...]:
        """The parts of the seed at this index."""
        return keras.tree.map_structure(lambda a: a[index], self.parts) if self.per_seed else self.parts


@dataclass(frozen=True)
class Problem:
    """Replicas of one model to be trained, one for each seed.

    Attributes:
        train: the rows that train.
        held: those that early stopping holds back, if it does.
        strengths: (n_seeds, n_injections), of the injections in `noise`.
        evaluations: by name, measured in inference mode at each recorded epoch.
        record_every: the recorded epochs are the first, every one that it divides, and the last.
        callbacks: Keras' own, to be copied for each seed.
    """

    build_model: Callable[[], keras.Model]
    train: Samples
    seeds: tuple[int, ...]
    strengths: Array
    epochs: int = 1
    batch_size: int = 32
    shuffle: bool = True
    noise: tuple[Injection, ...] = ()
    controls: tuple[Control, ...] = ()
    evaluations: Mapping[str, Samples] = field(default_factory=dict)
    record_every: int = 1
    device: str = "auto"
    progress: Callable[[Progress], None] = lambda progress: None
    held: Samples | None = None
    callbacks: tuple[Any, ...] = ()

    @property
    def step_controls(self) -> dict[str, float]:
        """Kind to strength of each control that acts in every step.

        Controls of strength 0 are left out; several penalties of one kind are summed.
        """
        found: dict[str, float] = {}
        for control in self.controls:
            kind = control_kind(control.kind)
            if kind.steps and control.strength:
                found[control.kind] = control.strength + (found.get(control.kind, 0.0) if kind.penalises else 0.0)
        return found

    @property
    def arguments(self) -> tuple[Array, ...]:
        """What the hooks of each of the `step_controls` are given, in Keras' floatx."""
        floatx = keras.config.floatx()
        return tuple(np.asarray(control_kind(name).argument(s), floatx) for name, s in self.step_controls.items())

    @property
    def neutral(self) -> tuple[Array, ...]:
        """Arguments with which the `step_controls` change nothing, for the proof; penalties keep theirs."""
        kinds = [control_kind(name) for name in self.step_controls]
        pairs = zip(kinds, self.arguments, strict=True)
        return tuple(own if kind.penalises else np.asarray(kind.neutral, own.dtype) for kind, own in pairs)

    @property
    def mixing(self) -> tuple[str, ...]:
        """Names of the controls that blend rows."""
        return tuple(name for name in self.step_controls if control_kind(name).mixes)

    @property
    def average_from(self) -> int:
        """The epoch from which on weights are averaged; 0 where none are."""
        found = [control for control in self.controls if control_kind(control.kind).averages]
        return control_kind(found[0].kind).first_epoch(found[0], self.epochs) if found else 0

    @property
    def early_stopping(self) -> Control | None:
        """The control that stops early."""
        return next((control for control in self.controls if control_kind(control.kind).stops), None)

    @property
    def patience(self) -> int:
        """Epochs that early stopping waits; 0 without it."""
        control = self.early_stopping
        return 0 if control is None else control_kind(control.kind).patience(control)

    @property
    def used(self) -> list[bool]:
        """Whether an injection has a strength above 0 for any seed."""
        return [bool(strengths.any()) for strengths in self.strengths.T]

    @property
    def recorded(self) -> NDArray[np.int64]:
        """The epochs recorded, ascending."""
        return recorded_epochs(self.epochs, self.record_every)


@dataclass(frozen=True)
class Proof:
    """How an engine's first step differs from Keras' own, from the same weights, on the same rows, without randomness.

    Attributes:
        differences: the largest relative difference of each quantity (a loss, a metric, `weights`, `optimizer`); empty
            where the engine is Keras' own `fit` on the model as it is.
    """

    differences: Mapping[str, float] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """The largest of all."""
        return max(self.differences.values(), default=0.0)


@dataclass(frozen=True)
class Outcome:
    """What training gave.

    Attributes:
        history: quantity to (n_seeds, n_recorded).
        initial: evaluated quantity to (n_seeds,), before the first step.
        weights: arrays (n_seeds, ...) in the model's order.
        signal_to_noise: (n_seeds, n_injections).
        epochs_trained, best_epoch: (n_seeds,), the epochs that each trained, and the epoch that its last weights are from.
        proof: how the engine's first step differs from Keras'.
    """

    history: dict[str, Array]
    initial: dict[str, Array]
    weights: list[Array]
    signal_to_noise: Array
    epochs_trained: Array
    best_epoch: Array
    proof: Proof = field(default_factory=Proof)


def recorded_epochs(epochs: int, every: int) -> NDArray[np.int64]:
    """Epoch 1, every k-th, and the last."""
    return np.unique(np.concatenate([[1], np.arange(every, epochs + 1, every), [epochs]])).astype(np.int64)
