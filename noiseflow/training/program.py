"""The compiled program: some epochs of some replicas, all in one XLA function.

A replica's step is the pure function of `step.py`; `tf.vectorized_map` maps it over the replicas, whose variables are
stacked, and loops over batches and epochs stand around it. State, data and strengths are arguments, so one program serves
every shard of the seeds, and every cell that differs in such values only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from noiseflow.training import converters, step
from noiseflow.training.optimizers import pure
from noiseflow.training.problem import Array, Rows
from noiseflow.training.random import Draw, Stream, draw_all, drawing_from, permutation, stream_key

converters.register()
Tensor = Any
SLOTS = 64  # records of one call, at most
EVALUATION_ROWS = 1024  # of one pass; more would hold more activations at once
MOST_BYTES_REPEATED = 2**28


class Run(NamedTuple):
    """What the replicas of one shard are to do, as tensors.

    seeds: uint32, (width,); strengths: (width, n_injections); parts: the rows to train on, then those to measure; epochs and
    record_every: int32 scalars.
    """

    seeds: Tensor
    strengths: Tensor
    parts: tuple[Any, ...]
    epochs: Tensor
    record_every: Tensor


@dataclass(frozen=True)
class Layout:
    """How the program finds the rows of a part: one set for each replica, or one that all share."""

    n_rows: int
    stacked: bool

    @classmethod
    def of(cls, rows: Rows, width: int, *, gathered: bool) -> Layout:
        """Rows that are not gathered replica by replica are repeated for each, if they are few: XLA multiplies them faster."""
        size = sum(a.nbytes for a in keras.tree.flatten(rows.parts))
        return cls(rows.n_rows, rows.per_seed or (not gathered and size * width <= MOST_BYTES_REPEATED))

    def arrays(self, rows: Rows, indices: Sequence[int]) -> Any:
        """The part as the program takes it, for the seeds at these indices."""

        def array(values: Array) -> Array:
            if rows.per_seed:
                return values[list(indices)]
            return np.broadcast_to(values, (len(indices), *values.shape)) if self.stacked else values

        return keras.tree.map_structure(array, rows.parts)

    def slice(self, part: Any, start: Tensor, length: int) -> Any:
        """Consecutive rows, their number known while compiling."""
        axis = 1 if self.stacked else 0

        def cut(values: Tensor) -> Tensor:
            begin, size = [0] * values.shape.rank, list(values.shape)
            begin[axis], size[axis] = start, length
            return values if length == self.n_rows else tf.slice(values, begin, size)

        return keras.tree.map_structure(cut, part)


@dataclass(frozen=True)
class Form:
    """All that a program is compiled for, beside the model."""

    width: int
    batch_size: int
    shuffle: bool
    train: Layout
    evaluations: tuple[tuple[str, Layout], ...]


class Program:
    """Trains `form.width` replicas of a model at once.

    Args:
        model: compiled, its random layers replaced by twins, its loss and metrics built.
        names: of its loss and metrics.
        form: what it is compiled for.
    """

    def __init__(self, model: keras.Model, names: Sequence[str], form: Form) -> None:
        self.model = model
        self.names = list(names)
        self.form = form
        self.dtype = model.compute_dtype
        self.quantities = [*names, *(f"{part}_{name}" for part, _ in form.evaluations for name in names)]
        self.optimizer = pure(model.optimizer)
        self.optimizer.build(model.trainable_variables)
        self.function: Any = None
        self.seconds_an_epoch: float | None = None
        self._fresh_metrics = [np.repeat(v.numpy()[None], form.width, axis=0) for v in model.metrics_variables]
        self._asked: dict[int, list[Draw]] = {}

    def trace(self, state: step.State, run: Run) -> None:
        """Builds the graph for a state and a run of these shapes and dtypes; XLA compiles it when it is first called."""
        scalar = tf.TensorSpec([], tf.int32)
        compiled = tf.function(self._epochs, jit_compile=True, autograph=False)
        self.function = compiled.get_concrete_function(*keras.tree.map_structure(_spec, (state, run)), scalar, scalar)

    def start(self, weights: Sequence[Array]) -> step.State:
        """The state before the first step, from initial weights (width, ...) in the model's order."""
        given = {id(v): array for v, array in zip(self.model.weights, weights, strict=True)}

        def stacked(variable: keras.Variable) -> Tensor:
            own = given.get(id(variable))
            if own is None:
                own = np.repeat(variable.numpy()[None], self.form.width, axis=0)
            return tf.constant(own)

        return {
            "trainable": [stacked(v) for v in self.model.trainable_variables],
            "non_trainable": [stacked(v) for v in self.model.non_trainable_variables],
            "optimizer": [stacked(v) for v in self.optimizer.variables],
        }

    def weights(self, state: step.State) -> list[Array]:
        """The weights in the model's order: (width, ...) each."""
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        values = [*state["trainable"], *state["non_trainable"]]
        by_id = {id(v): value for v, value in zip(variables, values, strict=True)}
        return [by_id[id(v)].numpy() for v in self.model.weights]

    def advance(self, state: step.State, run: Run, first: int, last: int) -> tuple[step.State, Array]:
        """Trains the epochs first to last; the records of those that are recorded come first: (SLOTS, width, n_quantities).

        Epoch 0 trains nothing, and its record is that of the initial weights.
        """
        state, records = self.function(state, run, tf.constant(first), tf.constant(last))
        return state, records.numpy()

    # -- what is compiled -----------------------------------------------------------------------------------------------

    def _epochs(self, state: step.State, run: Run, first: Tensor, last: Tensor) -> tuple[step.State, Tensor]:
        records = tf.zeros([SLOTS, self.form.width, len(self.quantities)], self.dtype)

        def body(epoch: Tensor, state: step.State, slot: Tensor, records: Tensor) -> tuple[Any, ...]:
            state, metrics = self._epoch(epoch, state, run)

            def record() -> tuple[Tensor, Tensor]:
                row = tf.concat([self._results(metrics), *self._evaluate(state, run)], axis=-1)
                return slot + 1, tf.tensor_scatter_nd_update(records, [[slot]], [row])

            recorded = (epoch <= 1) | (epoch % run.record_every == 0) | (epoch == run.epochs)
            slot, records = tf.cond(recorded, record, lambda: (slot, records))
            return epoch + 1, state, slot, records

        loop = (first, state, tf.constant(0), records)
        _, state, _, records = tf.while_loop(lambda epoch, *_: epoch <= last, body, loop)
        return state, records

    def _epoch(self, epoch: Tensor, state: step.State, run: Run) -> tuple[step.State, list[Tensor]]:
        """One pass over the rows; the state and the metrics' variables after it."""
        form, part = self.form, run.parts[0]
        whole, rest = divmod(form.train.n_rows, form.batch_size)
        n_steps = whole + (rest > 0)
        order = permutation(stream_key(run.seeds, "shuffle"), epoch, form.train.n_rows) if self._is_shuffled else None

        def batch(index: Tensor, length: int, carry: Any) -> Any:
            at, start = (epoch - 1) * n_steps + index, index * form.batch_size
            draws = self._draws(run, length)
            drawn = draw_all(draws, run.seeds, at)
            if order is None:
                return self._step(run, form.train.slice(part, start, length), None, (draws, drawn), *carry)
            rows = tf.slice(order, [0, start], [form.width, length])
            return self._step(run, part, rows, (draws, drawn), *carry)

        carry = (state, self._fresh())
        trains = tf.minimum(epoch, 1)
        carry = _repeat(trains * whole, lambda i, c: batch(i, form.batch_size, c), carry) if whole else carry
        return _repeat(trains, lambda i, c: batch(whole + i, rest, c), carry) if rest else carry

    @property
    def _is_shuffled(self) -> bool:
        return self.form.shuffle and self.form.train.n_rows > self.form.batch_size

    def _step(
        self,
        run: Run,
        part: Any,
        rows: Tensor | None,
        draws: tuple[list[Draw], list[Tensor]],
        state: step.State,
        metrics: list[Tensor],
    ) -> Any:
        """One optimizer step of every replica, on the whole of `part` or on its own rows of it."""
        mapped: dict[str, Any] = {"state": state, "metrics": metrics, "strengths": run.strengths, "drawn": draws[1]}
        if self.form.train.stacked:
            mapped["part"] = part
        if rows is not None:
            mapped["rows"] = rows

        def replica(inputs: Any) -> Any:
            batch = inputs.get("part", part)
            if rows is not None:
                batch = keras.tree.map_structure(lambda values: tf.gather(values, inputs["rows"]), batch)
            strengths = tf.unstack(inputs["strengths"])
            with drawing_from(Stream(strengths, dict(zip(draws[0], inputs["drawn"], strict=True)))):
                return step.train(self.model, self.optimizer, inputs["state"], inputs["metrics"], batch)

        return _mapped(replica, mapped)

    def _draws(self, run: Run, length: int) -> list[Draw]:
        """What the model's random layers ask for in one step on so many rows."""
        if length not in self._asked:
            axis = 1 if self.form.train.stacked else 0
            x = keras.tree.map_structure(
                lambda v: tf.TensorSpec([length, *v.shape[axis + 1 :]], v.dtype), run.parts[0][0]
            )
            stream = Stream([tf.zeros([], self.dtype)] * run.strengths.shape[1])
            with drawing_from(stream):
                tf.function(lambda x: self.model(x, training=True), autograph=False).get_concrete_function(x)
            self._asked[length] = stream.asked
        return self._asked[length]

    def _evaluate(self, state: step.State, run: Run) -> list[Tensor]:
        """Loss and metrics of each evaluation in inference mode: (width, n_names) each."""
        layouts = [layout for _, layout in self.form.evaluations]
        return [self._measure(state, *both) for both in zip(layouts, run.parts[1:], strict=True)]

    def _measure(self, state: step.State, layout: Layout, part: Any) -> Tensor:
        def batch(start: Tensor, length: int, metrics: Any) -> Any:
            rows = layout.slice(part, start, length)

            def replica(inputs: Any) -> Any:
                mine = inputs[2] if layout.stacked else rows
                return step.call(self.model, inputs[0], inputs[1], mine, training=False).metrics

            return _mapped(replica, (state, metrics, *([rows] if layout.stacked else [])))

        size = min(EVALUATION_ROWS, layout.n_rows)
        whole, rest = divmod(layout.n_rows, size)
        if whole == 1:
            metrics = batch(tf.constant(0), size, self._fresh())
        else:
            metrics = _repeat(tf.constant(whole), lambda i, m: batch(i * size, size, m), self._fresh())
        return self._results(batch(tf.constant(whole * size), rest, metrics) if rest else metrics)

    def _fresh(self) -> list[Tensor]:
        """The metrics' variables before the first batch, stacked."""
        return [tf.constant(values) for values in self._fresh_metrics]

    def _results(self, metrics: Sequence[Tensor]) -> Tensor:
        """Loss and metrics from the metrics' variables: (width, n_names)."""

        def replica(values: Sequence[Tensor]) -> Tensor:
            with step.metrics_are(self.model, values):
                results = self.model.get_metrics_result()
            return tf.stack([tf.cast(results[name], self.dtype) for name in self.names])

        return _mapped(replica, list(metrics))


def _mapped(replica: Callable[[Any], Any], inputs: Any) -> Any:
    return tf.vectorized_map(replica, inputs, fallback_to_while_loop=False)


def _repeat(n: Tensor, body: Callable[[Tensor, Any], Any], carry: Any) -> Any:
    """Folds `body(index, carry)` n times."""
    return tf.while_loop(lambda i, _: i < n, lambda i, c: (i + 1, body(i, c)), (tf.constant(0), carry))[1]


def _spec(value: Any) -> Any:
    return tf.TensorSpec(value.shape, value.dtype)
