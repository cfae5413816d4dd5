"""What `Model.fit` calls between epochs in the reference engine: measures, progress, and the schedules of noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow.trainer import TFEpochIterator

from noiseflow.engine.meter import Meter
from noiseflow.engine.problem import Array, Problem, Samples
from noiseflow.engine.sites import Sites, factor


class Recorder(keras.callbacks.Callback):
    """Measures the evaluations in inference mode at each recorded epoch, and reports progress.

    Args:
        by_fit: the evaluation that `Model.fit` measures, and its logs hold; None for none.
        batches: of the evaluations, as `evaluate` keeps them.
    """

    def __init__(
        self,
        problem: Problem,
        index: int,
        meter: Meter,
        rows_a_batch: int,
        by_fit: str | None,
        batches: dict[str, Any],
    ) -> None:
        super().__init__()
        self.by_fit = by_fit
        self.rows_a_batch = rows_a_batch
        self.problem = problem
        self.index = index
        self.meter = meter
        self.due = problem.recorded.tolist()
        self.rows: list[dict[str, float]] = []
        self.batches = batches

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch + 1 in self.due:
            self.rows.append(self._measures(logs))
            self.meter.add(self.index, 1, epoch + 1)

    def _measures(self, logs: Mapping[str, float] | None = None) -> dict[str, float]:
        given = {name: v for name, v in (logs or {}).items() if self.by_fit and name.startswith(f"{self.by_fit}_")}
        ours = {name: rows for name, rows in self.problem.evaluations.items() if not given or name != self.by_fit}
        return evaluate(self.model, ours, self.index, self.rows_a_batch, self.batches) | given

    def ended(self, epoch: int) -> None:
        """Early stopping has restored weights at the end of this epoch: what is recorded from it on is theirs."""
        before = [row for row, due in zip(self.rows, self.due, strict=False) if due < epoch]
        last = self._measures()
        self.rows = before + [last] * (len(self.due) - len(before))

    def fill(self) -> None:
        """A callback has ended the training: what was measured last stays."""
        if not self.rows:
            self.rows = [self._measures()]
        self.rows += [self.rows[-1]] * (len(self.due) - len(self.rows))

    def history(self) -> dict[str, Array]:
        """Quantity to (n_recorded,)."""
        return {name: np.asarray([row[name] for row in self.rows]) for name in self.rows[0]}


class Scales(keras.callbacks.Callback):
    """Sets the scale of each site at the start of each epoch.

    Args:
        variable: (n_sites,), which the noise reads.
        scales: (n_sites,), at full strength.
    """

    def __init__(self, problem: Problem, sites: Sites, variable: Any, scales: Array) -> None:
        super().__init__()
        self.problem = problem
        self.sites = sites
        self.variable = variable
        self.scales = scales

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        t = epoch / max(1, self.problem.epochs - 1)
        factors = [factor(site.schedule, *self.problem.noise[site.injection].scheduled, t) for site in self.sites.all]
        self.variable.assign(self.scales * np.asarray(factors))


def evaluate(
    model: keras.Model, evaluations: Mapping[str, Samples], index: int, rows_a_batch: int, batches: dict[str, Any]
) -> dict[str, Any]:
    """Loss and metrics of each evaluation in inference mode, by prefixed names; the model's state stays as it is.

    Args:
        batches: of evaluations that were made before; this adds to it. To make them takes as long as to go through them.
    """
    measured: dict[str, Any] = {}
    state = State(model)
    for name, rows in evaluations.items():
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(rows.of(index))
        given = {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": min(rows.n_rows, rows_a_batch)}
        if type(model).evaluate is keras.Model.evaluate:
            if name not in batches:
                batches[name] = TFEpochIterator(
                    **given,
                    distribute_strategy=model.distribute_strategy,
                    steps_per_execution=model.steps_per_execution,
                )
            with _batches_kept(model, batches[name]):
                values = model.evaluate(verbose=0, return_dict=True, _use_cached_eval_dataset=True)
        else:
            values = model.evaluate(**given, verbose=0, return_dict=True)
        measured |= {f"{name}_{quantity}": value for quantity, value in values.items()}
        state.restore()
    return measured


@contextmanager
def _batches_kept(model: keras.Model, batches: Any) -> Iterator[None]:
    """Within it, the model has these batches in place of the validation batches that `Model.fit` keeps."""
    own = getattr(model, "_eval_epoch_iterator", None)
    model._eval_epoch_iterator = batches  # noqa: SLF001
    try:
        yield
    finally:
        model._eval_epoch_iterator = own  # noqa: SLF001


class State:
    """The values that a model's weights have now, and the states that its recurrences keep from batch to batch."""

    def __init__(self, model: keras.Model) -> None:
        layers = model._flatten_layers()  # noqa: SLF001 - nested ones too
        kept = [v for layer in layers if getattr(layer, "stateful", False) for v in tf.nest.flatten(layer.states)]
        variables = [*model.weights, *(v for v in kept if isinstance(v, keras.Variable))]
        self.values = [(variable, variable.numpy()) for variable in variables]

    def changed(self) -> list[keras.Variable]:
        """The variables that have other values by now."""
        return [variable for variable, value in self.values if variable.numpy().tobytes() != value.tobytes()]

    def restore(self) -> None:
        """Gives them back the values that they had."""
        for variable, value in self.values:
            variable.assign(value)
