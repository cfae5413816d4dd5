"""The vectorised engine: all seeds of a model in one compiled program, a few at a time on each core.

The seeds are cut into shards of one width. Every shard runs the same program, so a row never depends on which other seeds
there are; a shard's numbers stay in a core's cache, and each core works on a shard of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.training.capacity import core, programs_at_once, width_of
from noiseflow.training.compilation import Compiled, compiled_program, form_of, model_key, with_sites
from noiseflow.training.device import prepare_device
from noiseflow.training.form import Form, Layout, Run
from noiseflow.training.keras_state import KERAS_LOCK, build_seeded, initial_weights
from noiseflow.training.memory import OUT_OF_MEMORY, halves
from noiseflow.training.meter import Meter
from noiseflow.training.problem import Array, Outcome, Problem, Rows
from noiseflow.training.program import SLOTS, Program
from noiseflow.training.replicas import shards
from noiseflow.training.spread import Spreads, scales, signal_to_noise
from noiseflow.training.step import State
from noiseflow.training.vectorizable import explained

SECONDS_BETWEEN_LOOKS = 0.5  # at interruptions, while the shards train
SECONDS_A_CALL = 1.0  # between two looks at the progress, and the most that an interruption waits
EPOCHS_TO_TIME = 16
UNCOMPILABLE = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.InternalError)


def train(problem: Problem) -> Outcome:
    """Trains all seeds at once.

    Raises:
        NotVectorizableError: the model has a part that cannot be trained in this way.
        SeedTooLargeError: the memory does not hold the training of a single seed.
    """
    device = prepare_device(problem.device)
    template = build_seeded(problem.build_model, problem.seeds[0])
    return _Fit(problem, template, device).outcome()


def probe(problem: Problem) -> None:
    """Compiles the program of two replicas, and measures them once; trains nothing.

    Raises:
        NotVectorizableError: the model has a part that cannot be trained in this way.
    """
    template = build_seeded(problem.build_model, problem.seeds[0])
    _Fit(problem, template, prepare_device(problem.device)).compile_and_measure(2)


@dataclass(frozen=True)
class _Shard:
    """Replicas that one program trains.

    group: indices of their seeds, the last repeated to fill it; weights: initial ones, (width, ...); spreads:
    (width, n_sites), of the signals that noise is added to.
    """

    group: tuple[int, ...]
    weights: list[Array]
    spreads: Array


@dataclass(frozen=True)
class _Trained:
    """What became of a shard: weights (width, ...), records (1 + n_recorded, width, n_quantities); (width,) the epochs."""

    weights: list[Array]
    records: Array
    epochs_trained: Array
    best_epoch: Array


class _Fit:
    """The shards of a problem, and who trains them."""

    def __init__(self, problem: Problem, template: keras.Model, device: str) -> None:
        self.problem = problem
        self.template = template
        self.device = device
        with KERAS_LOCK:
            self.model_key = model_key(problem.build_model, template)
        self.meter = Meter(problem)
        self.stopped = Event()
        self.recorded = np.concatenate([[0], problem.recorded])
        self._programs: dict[int, Compiled] = {}
        self._shared: dict[tuple[int, int], Any] = {}

    def outcome(self) -> Outcome:
        """Trains every shard and joins what came of them."""
        width = self._fitting(width_of(self.template, self.problem, self.device))
        compiled = self._compiled(width)
        done = self._train_all(width)
        quantities, n_names = compiled.program.quantities, len(compiled.program.names)
        records = _joined([(shard.group, trained.records.transpose(1, 0, 2)) for shard, trained in done])
        records = records.transpose(2, 0, 1)
        return Outcome(
            history={name: values[:, 1:] for name, values in zip(quantities, records, strict=True)},
            initial={name: values[:, 0] for name, values in zip(quantities[n_names:], records[n_names:], strict=True)},
            weights=_each_joined([(shard.group, trained.weights) for shard, trained in done]),
            signal_to_noise=signal_to_noise(
                self.problem,
                compiled.program.treatment.sites,
                _joined([(shard.group, shard.spreads) for shard, _ in done]),
            ),
            epochs_trained=_joined([(shard.group, trained.epochs_trained) for shard, trained in done]),
            best_epoch=_joined([(shard.group, trained.best_epoch) for shard, trained in done]),
        )

    def compile_and_measure(self, width: int) -> None:
        """Has XLA compile the program of so many replicas of the first seed."""
        program = self._compiled(width).program
        weights = self._initial([0] * width)
        run = self._run(program.form, [0] * width)
        ones = np.ones((width, len(program.treatment.sites)))
        run = with_sites(run, self.problem, program.treatment, ones)
        with core, tf.device(self.device):
            _call(program, program.start(weights), run, 0, 0)

    def _fitting(self, width: int) -> int:
        """The width, halved until its program can be compiled within the memory."""
        try:
            self._compiled(width)
        except OUT_OF_MEMORY as error:
            return self._fitting(len(halves(range(width), "program", self.device, error)[0]))
        return width

    def _train_all(self, width: int) -> list[tuple[_Shard, _Trained]]:
        """Trains the shards, each core one at a time; a shard that the memory does not hold is halved."""
        done: list[tuple[_Shard, _Trained]] = []
        training: dict[Future[_Trained], _Shard] = {}
        compiled = self._compiled(width)
        spreads = Spreads(self.problem, compiled.injected, compiled.program.treatment.sites)
        with ThreadPoolExecutor(programs_at_once(self.device)) as pool:
            try:
                for group in shards(len(self.problem.seeds), width):  # the first train while others' weights are drawn
                    for shard in self._drawn(group, spreads):
                        self._submit(shard, pool, training)
                while training:
                    for future in wait(training, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED).done:
                        shard = training.pop(future)
                        try:
                            done.append((shard, future.result()))
                        except OUT_OF_MEMORY as error:
                            for half in self._halved(shard, error):
                                self._submit(half, pool, training)
            except BaseException:
                self.stopped.set()
                raise
        return done

    def _drawn(self, group: Sequence[int], spreads: Spreads) -> Iterator[_Shard]:
        """The shard of these seeds with its initial weights; several where the memory does not hold those of one."""
        try:
            weights = self._initial(group)
            yield _Shard(tuple(group), weights, spreads.of(weights, group))
        except OUT_OF_MEMORY as error:
            for half in halves(group, "program", self.device, error):
                yield from self._drawn(half, spreads)

    def _submit(self, shard: _Shard, pool: ThreadPoolExecutor, training: dict[Future[_Trained], _Shard]) -> None:
        """Has a shard trained; halved where the memory does not hold the compilation of its program."""
        try:
            program = self._compiled(len(shard.group)).program
        except OUT_OF_MEMORY as error:
            for half in self._halved(shard, error):
                self._submit(half, pool, training)
        else:
            training[pool.submit(self._train, program, shard)] = shard

    def _halved(self, shard: _Shard, error: Exception) -> list[_Shard]:
        rows = halves(range(len(shard.group)), "program", self.device, error)
        cuts = [slice(part[0], part[-1] + 1) for part in rows]
        return [_Shard(shard.group[cut], [array[cut] for array in shard.weights], shard.spreads[cut]) for cut in cuts]

    def _compiled(self, width: int) -> Compiled:
        with KERAS_LOCK:
            if width not in self._programs:
                form = form_of(self.problem, width)
                run = self._run(form, [0] * width)
                self._programs[width] = compiled_program(self.problem, self.template, form, run)
            return self._programs[width]

    def _initial(self, group: Sequence[int]) -> list[Array]:
        """The initial weights of a shard: (width, ...) each."""
        own = sorted(set(group))
        drawn = initial_weights(self.problem.build_model, [self.problem.seeds[i] for i in own], self.model_key)
        return [array[[own.index(i) for i in group]] for array in drawn]

    def _run(self, form: Form, group: Sequence[int]) -> Run:
        """What a shard is to do, but for the sites of its noise."""
        parts = [self.problem.train, *self.problem.evaluations.values()]
        layouts = [form.train, *(layout for _, layout in form.evaluations)]
        if self.problem.held is not None and form.held is not None:
            parts, layouts = [*parts, self.problem.held], [*layouts, form.held]
        none = tf.zeros([0])
        return Run(
            seeds=tf.constant([self.problem.seeds[i] for i in group], tf.uint32),
            scales=none,
            finals=none,
            decays=none,
            l2=tf.constant(self.problem.l2, keras.config.floatx()),
            patience=tf.constant(self.problem.patience),
            parts=tuple(
                self._part(at, rows, layout, group)
                for at, (rows, layout) in enumerate(zip(parts, layouts, strict=True))
            ),
            epochs=tf.constant(self.problem.epochs),
            record_every=tf.constant(self.problem.record_every),
        )

    def _part(self, at: int, rows: Rows, layout: Layout, group: Sequence[int]) -> Any:
        """The tensors of a part for a shard; one set for all shards where the seeds share it."""
        if rows.per_seed:
            return keras.tree.map_structure(tf.constant, layout.arrays(rows, group))
        if (at, len(group)) not in self._shared:
            self._shared[at, len(group)] = keras.tree.map_structure(tf.constant, layout.arrays(rows, group))
        return self._shared[at, len(group)]

    def _train(self, program: Program, shard: _Shard) -> _Trained:
        """Trains a shard to the last epoch, or till all its replicas have stopped, some epochs a call."""
        state, run = program.start(shard.weights), self._run(program.form, shard.group)
        site_scales = scales(self.problem, program.treatment.sites, shard.spreads, shard.group)
        run = with_sites(run, self.problem, program.treatment, site_scales)
        blocks: list[Array] = []
        first = last = 0  # the first call compiles and measures the initial weights
        while first <= self.problem.epochs:
            if self.stopped.is_set():
                raise CancelledError
            with core, tf.device(self.device):
                began = time.perf_counter()
                state, records = _call(program, state, run, first, last)
                ended = program.has_ended(state)
                if first and not ended:
                    program.seconds_an_epoch = (time.perf_counter() - began) / (last - first + 1)
            blocks.append(records)
            self.meter.tell(shard.group[0], len(set(shard.group)), self.problem.epochs if ended else last)
            if ended:
                break
            first = last + 1
            last = min(first + _length(program) - 1, self._last_that_fits(first), self.problem.epochs)
        trained, best = program.epochs_of(state, self.problem.epochs)
        return _Trained(program.weights(state), self._to_the_end(np.concatenate(blocks)), trained, best)

    def _to_the_end(self, records: Array) -> Array:
        """The records (1 + n_recorded, ...) of replicas that stopped early: what they measured last stays so."""
        missing = len(self.recorded) - len(records)
        return np.concatenate([records, np.repeat(records[-1:], missing, axis=0)]) if missing > 0 else records

    def _last_that_fits(self, first: int) -> int:
        """The last epoch before the records of one call are full."""
        beyond = np.searchsorted(self.recorded, first) + SLOTS
        return int(self.recorded[beyond]) - 1 if beyond < len(self.recorded) else self.problem.epochs


def _length(program: Program) -> int:
    """Epochs that a call should train."""
    return (
        EPOCHS_TO_TIME if program.seconds_an_epoch is None else max(1, round(SECONDS_A_CALL / program.seconds_an_epoch))
    )


def _call(program: Program, state: State, run: Run, first: int, last: int) -> tuple[State, Array]:
    """Some epochs of a program; what XLA cannot compile shows here."""
    try:
        return program.advance(state, run, first, last)
    except UNCOMPILABLE as error:
        if "out of memory" in str(error).lower():
            raise MemoryError(str(error)) from error
        raise explained(program.model, error) from error


def _joined(parts: Sequence[tuple[Sequence[int], Array]]) -> Array:
    """What the shards gave, each index of a seed once, in their order: (n_seeds, ...)."""
    indices = np.concatenate([group for group, _ in parts])
    return np.concatenate([array for _, array in parts])[np.unique(indices, return_index=True)[1]]


def _each_joined(parts: Sequence[tuple[Sequence[int], Sequence[Array]]]) -> list[Array]:
    groups = [group for group, _ in parts]
    return [_joined(list(zip(groups, arrays, strict=True))) for arrays in zip(*(w for _, w in parts), strict=True)]
