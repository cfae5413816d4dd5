"""The vectorised engine: all seeds of a model in one XLA program.

Each weight is held once, stacked over the replicas; one replica's step is written as Keras would run it, mapped over the
stack by `tf.vectorized_map`, and looped over the epochs inside one compiled function. The optimizer is Keras' own, given
the stacked variables: what it does elementwise does not know of the stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.noise import Injected, inject
from noiseflow.training.keras_state import KERAS_LOCK, build_seeded, initial_weights
from noiseflow.training.layers import VectorizedGaussianNoise, twin
from noiseflow.training.problem import SPREAD_ROWS, Array, Outcome, Problem
from noiseflow.training.random import Stream, drawing_from, permutation, stream_key
from noiseflow.training.replicas import Replicas, pad, replica_call, stacked_call

Tensor = Any
RECORDS_A_CALL = 64
SECONDS_A_CALL = 1.0  # between two looks at the progress, and the most that an interruption waits
EPOCHS_TO_TIME = 16
VECTORIZABLE = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.Flatten,
    keras.layers.GaussianNoise,
)
ELEMENTWISE = frozenset(
    getattr(keras.optimizers, name) for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Nadam", "Lion")
)
EVALUATION_ROWS = 1024  # of one pass; more would hold more activations at once


def train(problem: Problem) -> Outcome:
    """Trains all seeds at once."""
    n_seeds = len(problem.seeds)
    with KERAS_LOCK:
        weights = [pad(array) for array in initial_weights(problem.build_model, problem.seeds)]
        program = _Program(problem, pad(np.asarray(problem.seeds, np.uint32)), weights)
    initial = program.measure()
    history = program.run()
    return Outcome(
        history={name: values[:n_seeds] for name, values in history.items()},
        initial={name: values[:n_seeds] for name, values in initial.items()},
        weights=[array[:n_seeds] for array in program.replicas.weights()],
        spread=program.spread[:n_seeds],
    )


class _Program:
    """The compiled functions of one problem and the state that they advance."""

    def __init__(self, problem: Problem, seeds: Array, weights: Sequence[Array]) -> None:
        self.problem = problem
        self.seeds = tf.constant(seeds)
        template = build_seeded(problem.build_model, int(seeds[0]))
        _require_vectorizable(template)
        injected = inject(template, problem.noise, self._noise_layer, twin)
        self.model = injected.model
        self.spread = _spread(injected, weights, problem)
        self.names = _build_metrics(self.model, problem)
        self.replicas = Replicas(self.model, weights)
        self.strengths = [tf.fill([len(seeds)], float(i.stddev)) for i in problem.noise]
        self.strengths = [tf.cast(s, self.replicas.dtype) for s in self.strengths]
        self.data = (tf.constant(problem.x), tf.constant(problem.y))
        self.evaluations = {k: (tf.constant(x), tf.constant(y)) for k, (x, y) in problem.evaluations.items()}
        self.quantities = [*self.names, *(f"{part}_{name}" for part in self.evaluations for name in self.names)]
        self.is_recorded = self._recorder()
        self._evaluated = tf.function(self._evaluate, autograph=False)  # traced once, for both programs
        self._advance = tf.function(self._epochs, jit_compile=True, autograph=False).get_concrete_function(
            tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32)
        )
        self._measure = tf.function(self._evaluated, jit_compile=True, autograph=False).get_concrete_function()

    def _noise_layer(self, injection: int, site: str) -> keras.layers.Layer:
        if self.problem.noise[injection].stddev == 0:  # adding nothing would still let XLA round otherwise
            return keras.layers.Identity(name=site)
        return VectorizedGaussianNoise(site, injection=injection, name=site)

    def _recorder(self) -> Callable[[Tensor], Tensor]:
        flags = np.zeros(self.problem.epochs + 1, bool)
        flags[self.problem.recorded] = True
        recorded = tf.constant(flags)
        return lambda epoch: tf.gather(recorded, epoch)

    # -- running, in Python ---------------------------------------------------------------------------------------------

    def measure(self) -> dict[str, Array]:
        """Each evaluated quantity at the present weights: (n_replicas,)."""
        return dict(zip(self.quantities[len(self.names) :], self._measure().numpy().T, strict=True))

    def run(self) -> dict[str, Array]:
        """Trains to the last epoch, some epochs a call; each quantity: (n_replicas, n_recorded)."""
        blocks = []
        first, length = 1, 1  # the first call compiles, the second shows how long an epoch takes
        while first <= self.problem.epochs:
            last = min(first + length - 1, self._last_that_fits(first), self.problem.epochs)
            began = time.perf_counter()
            records = self._advance(tf.constant(first, tf.int32), tf.constant(last, tf.int32)).numpy()
            an_epoch = (time.perf_counter() - began) / (last - first + 1)
            blocks.append(records[: self._count(first, last)])
            self.problem.progress(last)
            length = EPOCHS_TO_TIME if first == 1 else max(1, round(SECONDS_A_CALL / an_epoch))
            first = last + 1
        return dict(zip(self.quantities, np.concatenate(blocks).transpose(2, 1, 0), strict=True))

    def _count(self, first: int, last: int) -> int:
        recorded = self.problem.recorded
        return int(np.searchsorted(recorded, last, "right") - np.searchsorted(recorded, first))

    def _last_that_fits(self, first: int) -> int:
        """The last epoch before the records of one call are full."""
        beyond = np.searchsorted(self.problem.recorded, first) + RECORDS_A_CALL
        return int(self.problem.recorded[beyond]) - 1 if beyond < len(self.problem.recorded) else self.problem.epochs

    # -- what is compiled -----------------------------------------------------------------------------------------------

    def _epochs(self, first: Tensor, last: Tensor) -> Tensor:
        """Trains the epochs first to last; what was recorded: (RECORDS_A_CALL, n_replicas, n_quantities)."""
        n_replicas = self.replicas.n
        records = tf.zeros([RECORDS_A_CALL, n_replicas, len(self.quantities)], self.replicas.dtype)

        def body(epoch: Tensor, slot: Tensor, records: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            trained = self._epoch(epoch)

            def record() -> tuple[Tensor, Tensor]:
                row = tf.concat([trained, self._evaluated()], axis=-1)
                return slot + 1, tf.tensor_scatter_nd_update(records, [[slot]], [row])

            slot_after, records_after = tf.cond(self.is_recorded(epoch), record, lambda: (slot, records))
            return epoch + 1, slot_after, records_after

        loop = (first, tf.constant(0), records)
        return tf.while_loop(lambda epoch, *_: epoch <= last, body, loop)[2]

    def _epoch(self, epoch: Tensor) -> Tensor:
        """One pass over the rows; the running loss and metrics: (n_replicas, n_names)."""
        n_rows, size = self.problem.x.shape[0], self.problem.batch_size
        steps = -(-n_rows // size)
        order = self._order(epoch, n_rows) if steps > 1 and self.problem.shuffle else None

        def batch(index: Tensor, length: int, running: list[Tensor]) -> list[Tensor]:
            step = (epoch - 1) * steps + index
            if order is not None:
                rows = tf.slice(order, [0, index * size], [self.replicas.n, length])
                return self._step(step, rows, None, running)
            return self._step(step, None, _rows(self.data, index * size, length), running)

        running = _over_batches(n_rows, size, batch, self._fresh())
        return self.replicas.metric_results(running)

    def _fresh(self) -> list[Tensor]:
        return [tf.constant(values) for values in self.replicas.fresh_metrics]

    def _order(self, epoch: Tensor, n_rows: int) -> Tensor:
        """Each replica's own order of the rows: (n_replicas, n_rows)."""
        return permutation(stream_key(self.seeds, "shuffle"), epoch, n_rows)

    def _step(self, step: Tensor, rows: Tensor | None, batch: Any, running: list[Tensor]) -> list[Tensor]:
        """One optimizer step of every replica, on its own rows or on one batch for all; the running metrics after it."""
        replicas = self.replicas

        def replica(inputs: Mapping[str, Any]) -> Any:
            x, y = batch if rows is None else (tf.gather(part, inputs["rows"]) for part in self.data)
            stream = Stream(inputs["seed"], step, inputs["strengths"])
            with tf.GradientTape() as tape, drawing_from(stream):
                tape.watch(inputs["trainable"])
                call = replica_call(self.model, inputs, x, y, training=True)
            return tape.gradient(call.loss, inputs["trainable"]), call.non_trainable, call.metrics

        inputs = replicas.state() | {"seed": self.seeds, "strengths": self.strengths, "metrics": running}
        if rows is not None:
            inputs["rows"] = rows
        gradients, non_trainable, running = tf.vectorized_map(replica, inputs, fallback_to_while_loop=False)
        replicas.update(gradients, non_trainable)
        return running

    def _evaluate(self) -> Tensor:
        """Loss and metrics of each evaluation in inference mode: (n_replicas, n_evaluations * n_names)."""
        nothing = tf.zeros([self.replicas.n, 0], self.replicas.dtype)
        return tf.concat([nothing, *(self._evaluate_on(data) for data in self.evaluations.values())], axis=-1)

    def _evaluate_on(self, data: Any) -> Tensor:
        def batch(index: Tensor, length: int, running: list[Tensor]) -> list[Tensor]:
            x, y = _rows(data, index * EVALUATION_ROWS, length)

            def replica(inputs: Mapping[str, Any]) -> Any:
                return replica_call(self.model, inputs, x, y, training=False).metrics

            inputs = self.replicas.state() | {"metrics": running}
            return tf.vectorized_map(replica, inputs, fallback_to_while_loop=False)

        running = _over_batches(data[0].shape[0], EVALUATION_ROWS, batch, self._fresh())
        return self.replicas.metric_results(running)


def _rows(data: Any, start: Tensor, length: int) -> Any:
    """Consecutive rows of x and of y, their number known while compiling."""

    def cut(part: Tensor) -> Tensor:
        rest = part.shape.rank - 1
        return tf.slice(part, [start, *[0] * rest], [length, *part.shape[1:]])

    return tuple(part if length == part.shape[0] else cut(part) for part in data)


def _over_batches(n_rows: int, size: int, batch: Callable[[Any, int, Any], Any], carry: Any) -> Any:
    """Folds `batch(index, length, carry)` over the whole batches, in a loop, and over a last smaller one."""
    whole, rest = divmod(n_rows, size)
    if whole == 1:
        carry = batch(tf.constant(0), size, carry)
    elif whole > 1:
        loop = (tf.constant(0), carry)
        carry = tf.while_loop(lambda i, _: i < whole, lambda i, c: (i + 1, batch(i, size, c)), loop)[1]
    return batch(tf.constant(whole), rest, carry) if rest else carry


def _require_vectorizable(model: keras.Model) -> None:
    """Refuses what would not be trained as `Model.fit` trains it, above all what would mix the seeds."""
    layers = [layer for layer in model.layers if not isinstance(layer, VECTORIZABLE)]
    faults = [f"layer {layer.name!r} ({type(layer).__name__})" for layer in layers]
    optimizer = model.optimizer
    if type(optimizer) not in ELEMENTWISE or optimizer.clipnorm or optimizer.global_clipnorm:
        faults.append(f"optimizer {optimizer.name!r}, which is not elementwise over stacked weights")
    if faults:
        raise ValueError(f"engine 'vectorized' cannot train {', '.join(faults)}; use engine='reference'")


def _build_metrics(model: keras.Model, problem: Problem) -> list[str]:
    """Builds the loss and metrics of the compiled model, which Keras does at first use; their names, the loss first."""
    x, y = problem.x[:2], problem.y[:2]
    y_pred = model(x, training=False)
    model.compute_loss(x=x, y=y, y_pred=y_pred, training=False)
    names = list(model.compute_metrics(x, y, y_pred))
    model.reset_metrics()
    return names


def _spread(injected: Injected, weights: Sequence[Array], problem: Problem) -> Array:
    """Standard deviation of the signal where each injection is added, the least of its sites: (n_replicas, n_injections)."""
    spread = np.full((len(weights[0]), len(problem.noise)), np.inf)
    for injection, tap in injected.taps:
        model = keras.Model(injected.model.input, tap)
        x = problem.x[:SPREAD_ROWS]
        signal = (
            stacked_call(model, injected.model.weights, weights, x) if model.weights else np.asarray(model(x))[None]
        )
        at_site = signal.reshape(len(signal), -1).std(axis=1)
        spread[:, injection] = np.minimum(spread[:, injection], at_site)
    return spread
