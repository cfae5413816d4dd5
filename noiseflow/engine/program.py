"""The compiled program: some epochs of some replicas, all in one XLA function.

A replica's step is the pure function of `step.py`; `tf.vectorized_map` maps it over the replicas with their
variables stacked, within loops over batches and epochs. State, data and strengths are arguments, so one program serves
every shard of the seeds, and every cell that differs in such values only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine import converters, step, stopping
from noiseflow.engine.fingerprint import text_of
from noiseflow.engine.form import ProgramInputs, ProgramSpec, RowLayout
from noiseflow.engine.measuring import Measures, mapped, repeat
from noiseflow.engine.model import PreparedModel
from noiseflow.engine.problem import Array, Proof
from noiseflow.engine.random import Draw, Stream, draw_all, permutation, stream_key
from noiseflow.engine.sites import Sites, scales_at
from noiseflow.engine.step_noise import StepNoise
from noiseflow.engine.tracing import traced

converters.register()
Tensor = Any
SLOTS = 64  # records of one call, at most


class Program:
    """Trains `form.width` replicas of a model at once.

    Args:
        prepared: the model, its loss and metrics built.
        form: what it is compiled for.
        sites: of the noise.
    """

    def __init__(self, prepared: PreparedModel, form: ProgramSpec, sites: Sites) -> None:
        self.prepared = prepared
        self.model = prepared.model
        self.names = list(prepared.names)
        self.form = form
        self.sites = sites
        self.measures = Measures(prepared, form.width)
        self.dtype = self.model.compute_dtype
        self.quantities = [*self.names, *(f"{part}_{name}" for part, _ in form.evaluations for name in self.names)]
        self.function: Any = None
        self.seconds_an_epoch: float | None = None
        self.proof: Proof | None = None
        self._asked: dict[int, list[Draw]] = {}

    def trace(self, state: step.State, run: ProgramInputs) -> None:
        """Builds the graph for a state and a run of these shapes and dtypes; XLA compiles it when it is first called."""
        called = text_of(self.model)
        scalar = tf.TensorSpec([], tf.int32)
        with self.prepared.instrumented(), step.pure_updates(self.model.optimizer):
            specs = keras.tree.map_structure(_spec, (state, run))
            self.function = traced(
                self._epochs, *specs, scalar, scalar, called=f"{called} {self.sites} {self.form} {specs}"
            )

    def start(self, weights: Sequence[Array]) -> step.State:
        """The state before the first step, from initial weights (width, ...) in the model's order."""
        given = {id(v): array for v, array in zip(self.model.weights, weights, strict=True)}

        def stacked(variable: keras.Variable) -> Tensor:
            own = given.get(id(variable))
            if own is None:
                own = np.repeat(variable.numpy()[None], self.form.width, axis=0)
            return tf.constant(own)

        state: step.State = {
            "trainable": [stacked(v) for v in self.model.trainable_variables],
            "non_trainable": [stacked(v) for v in self.model.non_trainable_variables],
            "optimizer": [stacked(v) for v in self.model.optimizer.variables],
        }
        if self.form.averages:
            state["average"] = [*state["trainable"], *state["non_trainable"]]
        if self.form.held is not None:
            best = [*state["trainable"], *state["non_trainable"], *self.measures.fresh()]
            state["stopping"] = stopping.begin(best, self.form.width, self.dtype)
        return state

    def weights(self, state: step.State) -> list[Array]:
        """The weights in the model's order: (width, ...) each."""
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        values = [*state["trainable"], *state["non_trainable"]]
        by_id = {id(v): value for v, value in zip(variables, values, strict=True)}
        return [by_id[id(v)].numpy() for v in self.model.weights]

    @property
    def logs(self) -> list[str | None]:
        """What Keras calls each quantity in the logs of an epoch; None for those that `Model.fit` does not measure."""
        known = (*self.names, *(f"val_{name}" for name in self.names))
        return [quantity if quantity in known else None for quantity in self.quantities]

    def learning_rate(self, state: step.State) -> Array | None:
        """(width,) of the optimizer; None where a schedule sets it."""
        at = self._rate_at
        return None if at is None else np.asarray(state["optimizer"][at].numpy())

    def with_learning_rates(self, state: step.State, optimizers: Sequence[Any]) -> step.State:
        """The state with each replica's learning rate."""
        at = self._rate_at
        if at is None:
            return state
        values = list(state["optimizer"])
        values[at] = tf.constant([o.learning_rate for o in optimizers], values[at].dtype)
        return {**state, "optimizer": values}

    def with_weights(self, state: step.State, weights: Sequence[Array]) -> step.State:
        """The state with these weights (width, ...), in the model's order."""
        given = {id(v): array for v, array in zip(self.model.weights, weights, strict=True)}

        def put(variables: Any, values: Any) -> list[Any]:
            return [tf.constant(given[id(v)]) if id(v) in given else t for v, t in zip(variables, values, strict=True)]

        trainable = put(self.model.trainable_variables, state["trainable"])
        return {
            **state,
            "trainable": trainable,
            "non_trainable": put(self.model.non_trainable_variables, state["non_trainable"]),
        }

    @property
    def _rate_at(self) -> int | None:
        """The index of the learning rate among the optimizer's variables."""
        rate = self.model.optimizer._learning_rate  # noqa: SLF001 - the property calls a schedule
        variables = self.model.optimizer.variables
        return next((i for i, v in enumerate(variables) if v is rate), None)

    def advance(self, state: step.State, run: ProgramInputs, first: int, last: int) -> tuple[step.State, Array]:
        """Trains the epochs first to last; the records of those that are recorded: (n_records, width, n_quantities).

        Epoch 0 trains nothing: it records the initial weights. Once all replicas have stopped early no epoch
        follows; the last record is then of that moment, recorded epoch or not.
        """
        state, records, n_records = self.function(state, run, tf.constant(first), tf.constant(last))
        return state, records.numpy()[: int(n_records)]

    def has_ended(self, state: step.State) -> bool:
        """Whether all replicas have stopped early; at the last epoch they have."""
        return self.form.held is not None and bool(state["stopping"].stopped.numpy().all())

    def epochs_of(self, state: step.State, epochs: int) -> tuple[Array, Array]:
        """The epochs that each replica trained, and the one that its last weights are of: (width,) each."""
        if self.form.held is None:
            return np.full(self.form.width, epochs), np.full(self.form.width, epochs)
        return state["stopping"].epochs.numpy().astype(np.int64), state["stopping"].best_epoch.numpy().astype(np.int64)

    # -- what is compiled -----------------------------------------------------------------------------------------------

    def _epochs(
        self, state: step.State, run: ProgramInputs, first: Tensor, last: Tensor
    ) -> tuple[step.State, Tensor, Tensor]:
        held = self.form.held
        records = tf.zeros([SLOTS + (held is not None), self.form.width, len(self.quantities)], self.dtype)

        def body(epoch: Tensor, state: step.State, slot: Tensor, records: Tensor) -> tuple[Any, ...]:
            state, metrics = self._epoch(epoch, state, run)
            if self.form.averages:
                state = _averaged(epoch, state, run)
            if held is not None:
                state, metrics = self._stopped(epoch, state, metrics, run, held)

            def record() -> tuple[Tensor, Tensor]:
                row = tf.concat([self.measures.results(metrics), *self._evaluate(epoch, state, run)], axis=-1)
                return slot + 1, tf.tensor_scatter_nd_update(records, [[slot]], [row])

            recorded = (epoch <= 1) | (epoch % run.record_every == 0) | (epoch == run.epochs)
            if held is not None:
                recorded |= tf.reduce_all(state["stopping"].stopped)
            slot, records = tf.cond(recorded, record, lambda: (slot, records))
            return epoch + 1, state, slot, records

        def goes_on(epoch: Tensor, state: step.State, *_: Any) -> Tensor:
            within = epoch <= last
            return within & ~tf.reduce_all(state["stopping"].stopped) if held is not None else within

        _, state, slot, records = tf.while_loop(goes_on, body, (first, state, tf.constant(0), records))
        return state, records, slot

    def _stopped(
        self, epoch: Tensor, state: step.State, metrics: list[Tensor], run: ProgramInputs, held: RowLayout
    ) -> tuple[step.State, list[Tensor]]:
        """The state and metrics after an epoch; a replica that has stopped has those of its best epoch."""
        measured = self.measures.of(_learnt(state), held, run.parts[-1], run, epoch, "held")
        loss = measured[:, self.names.index("loss")]
        values = [*state["trainable"], *state["non_trainable"], *metrics]
        after, values = stopping.after_epoch(state["stopping"], values, loss, epoch, run.epochs, run.patience)
        cuts = np.cumsum([len(state["trainable"]), len(state["non_trainable"])])
        trainable, non_trainable = values[: cuts[0]], values[cuts[0] : cuts[1]]
        state = {**state, "trainable": trainable, "non_trainable": non_trainable, "stopping": after}
        return state, values[cuts[1] :]

    def _epoch(self, epoch: Tensor, state: step.State, run: ProgramInputs) -> tuple[step.State, list[Tensor]]:
        """One pass over the rows; the state and the metrics' variables after it."""
        form, part = self.form, run.parts[0]
        whole, rest = divmod(form.train.n_rows, form.batch_size)
        n_steps = whole + (rest > 0)
        order = permutation(stream_key(run.seeds, "shuffle"), epoch, form.train.n_rows) if self.is_shuffled else None

        def batch(index: Tensor, length: int, carry: Any) -> Any:
            at, start = (epoch - 1) * n_steps + index, index * form.batch_size
            draws = self._draws(run, length)
            drawn = draw_all(draws, run.seeds, at, randomness_off=run.randomness_off)
            random = {"drawn": drawn, "scales": scales_at(self.sites, run, epoch, at)}
            if order is None:
                return self._step(run, form.train.slice(part, start, length), None, draws, random, *carry)
            rows = tf.slice(order, [0, start], [form.width, length])
            return self._step(run, part, rows, draws, random, *carry)

        carry = (_learnt(state), self.measures.fresh())
        trains = tf.minimum(epoch, 1)
        if whole:
            n_whole = tf.minimum(trains * whole, run.steps)
            carry = repeat(n_whole, lambda i, c: batch(i, form.batch_size, c), carry)
        if rest:
            n_rest = tf.minimum(trains, tf.maximum(run.steps - whole, 0))
            carry = repeat(n_rest, lambda i, c: batch(whole + i, rest, c), carry)
        learnt, metrics = carry
        return {**state, **learnt}, metrics

    @property
    def is_shuffled(self) -> bool:
        """Whether each epoch visits the rows in another order."""
        return self.form.shuffle and self.form.train.n_rows > self.form.batch_size

    def _step(
        self,
        run: ProgramInputs,
        part: Any,
        rows: Tensor | None,
        draws: list[Draw],
        random: dict[str, Any],
        state: step.State,
        metrics: list[Tensor],
    ) -> Any:
        """One optimizer step of every replica, on the whole of `part` or on its own rows of it."""
        stacked: dict[str, Any] = {"state": state, "metrics": metrics, **random}
        if self.form.train.stacked:
            stacked["part"] = part
        if rows is not None:
            stacked["rows"] = rows

        def replica(inputs: Any) -> Any:
            batch = inputs.get("part", part)
            if rows is not None:
                batch = keras.tree.map_structure(lambda values: tf.gather(values, inputs["rows"]), batch)
            stream = Stream(tf.unstack(inputs["scales"]), dict(zip(draws, inputs["drawn"], strict=True)))
            with self.prepared.walking(stream, self.sites.noise(stream)):
                noise = StepNoise(self.sites, stream, run.arguments)
                return step.training_step(self.model, inputs["state"], inputs["metrics"], batch, noise)

        return mapped(replica, stacked)

    def _draws(self, run: ProgramInputs, length: int) -> list[Draw]:
        """What the noise and the model's random layers ask for in one step on so many rows."""
        if length not in self._asked:
            axis = 1 if self.form.train.stacked else 0
            rows = keras.tree.map_structure(
                lambda v: tf.TensorSpec([length, *v.shape[axis + 1 :]], v.dtype), run.parts[0][:2]
            )
            stream = Stream([tf.zeros([], self.dtype)] * run.scales.shape[1])
            noise = StepNoise(self.sites, stream, run.arguments)

            def ask(x: Any, y: Any) -> None:
                with self.prepared.walking(stream, self.sites.noise(stream)):
                    self.prepared.call(x, training=True)
                    noise.batch(x, y, None)
                    values = [tf.zeros(v.shape, v.dtype) for v in self.model.trainable_variables]
                    noise.gradients(noise.weights(values))

            tf.function(ask, autograph=False).get_concrete_function(*rows)
            self._asked[length] = stream.asked
        return self._asked[length]

    def _evaluate(self, epoch: Tensor, state: step.State, run: ProgramInputs) -> list[Tensor]:
        """Loss and metrics of each evaluation in inference mode: (width, n_names) each."""
        learnt = _learnt(state)
        named = zip(self.form.evaluations, run.parts[1:], strict=False)  # rows that are held back come last
        return [self.measures.of(learnt, layout, part, run, epoch, name) for (name, layout), part in named]


def _learnt(state: step.State) -> step.State:
    """The state without what early stopping and averaging keep."""
    return {name: values for name, values in state.items() if name not in ("stopping", "average")}


def _averaged(epoch: Tensor, state: step.State, run: ProgramInputs) -> step.State:
    """The state after an epoch with the mean of the weights so far, which they become after the last epoch."""
    values = [*state["trainable"], *state["non_trainable"]]
    n = epoch - run.average_from + 1

    def mean(value: Tensor, before: Tensor) -> Tensor:
        if not value.dtype.is_floating:
            return value
        new = before + (value - before) / tf.cast(tf.maximum(n, 1), value.dtype)
        return tf.where(n == 1, value, tf.where(n > 1, new, before))

    average = [mean(value, before) for value, before in zip(values, state["average"], strict=True)]
    ended = [tf.where(epoch == run.epochs, new, value) for new, value in zip(average, values, strict=True)]
    cut = len(state["trainable"])
    return {**state, "trainable": ended[:cut], "non_trainable": ended[cut:], "average": average}


def _spec(value: Any) -> Any:
    return tf.TensorSpec(value.shape, value.dtype)
