"""The vectorised engine: all seeds of a model in one compiled program, a few at a time on each core.

The seeds are cut into shards of one width. Every shard runs the same program, so a row never depends on which other seeds
there are; a shard's numbers stay in a core's cache, and each core works on its own shard.
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

from noiseflow.engine.capacity import core, programs_at_once, width_of
from noiseflow.engine.choice import require_faster
from noiseflow.engine.compilation import Compiled, Compiler, form_of, with_sites
from noiseflow.engine.device import prepare_device
from noiseflow.engine.form import ProgramInputs, ProgramSpec, RowLayout
from noiseflow.engine.host_callbacks import Replica, require_epoch_callbacks
from noiseflow.engine.keras_state import KERAS_LOCK, build_seeded, initial_weights
from noiseflow.engine.memory import OUT_OF_MEMORY, halves
from noiseflow.engine.meter import Meter
from noiseflow.engine.problem import Array, Outcome, Problem, Proof, Samples
from noiseflow.engine.program import SLOTS, Program
from noiseflow.engine.proof import Step, compare_steps, keras_step, moved, prove_optimizer
from noiseflow.engine.random import permutation, stream_key
from noiseflow.engine.replicas import shards
from noiseflow.engine.spread import scales, signal_to_noise
from noiseflow.engine.step import State, pure_updates
from noiseflow.engine.vectorizable import explained

SECONDS_BETWEEN_LOOKS = 0.5  # at interruptions, while the shards train
SECONDS_A_CALL = 1.0  # between two looks at the progress, and the most that an interruption waits
EPOCHS_TO_TIME = 16
ALL_STEPS = 2**31 - 1
UNCOMPILABLE = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.InternalError)


def train(problem: Problem, *, only_if_faster: bool = False) -> Outcome:
    """Trains all seeds at once.

    Args:
        only_if_faster: whether `Model.fit` is to train them where it is faster.

    Raises:
        NotVectorizableError: the model has a part that cannot be trained in this way, or it would be slower.
        SeedTooLargeError: the memory does not hold the training of a single seed.
    """
    device = prepare_device(problem.device)
    template = build_seeded(problem.build_model, problem.seeds[0])
    return _Fit(problem, template, device).outcome(only_if_faster=only_if_faster)


def probe(problem: Problem) -> None:
    """Compiles the program of two replicas, proves its first step, and measures once; nothing that it trains is kept.

    Raises:
        NotVectorizableError: the model has a part that cannot be trained in this way.
    """
    template = build_seeded(problem.build_model, problem.seeds[0])
    _Fit(problem, template, prepare_device(problem.device)).compile_and_measure(2)


@dataclass(frozen=True)
class _Shard:
    """Replicas that one program trains.

    Attributes:
        group: indices of their seeds, the last repeated to fill it.
        weights: initial ones, (width, ...).
        spreads: (width, n_sites), of the signals that noise is added to.
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
        require_epoch_callbacks(problem.callbacks)
        with KERAS_LOCK:
            self.compiler = Compiler(problem, template)
        self.meter = Meter(problem)
        self.stopped = Event()
        self.recorded = np.concatenate([[0], problem.recorded])
        self._programs: dict[int, Compiled] = {}
        self._shared: dict[tuple[int, int], Any] = {}

    def outcome(self, *, only_if_faster: bool = False) -> Outcome:
        """Trains every shard and joins what came of them."""
        width = self._fitting(width_of(self.template, self.compiler.activations, self.problem, self.device))
        width, proof = self._proven(width, only_if_faster=only_if_faster)
        compiled = self._compiled(width)
        done = self._train_all(width)
        quantities, n_names = compiled.program.quantities, len(compiled.program.names)
        records = _in_order_of_seeds([(shard.group, trained.records.transpose(1, 0, 2)) for shard, trained in done])
        records = records.transpose(2, 0, 1)
        return Outcome(
            history={name: values[:, 1:] for name, values in zip(quantities, records, strict=True)},
            initial={name: values[:, 0] for name, values in zip(quantities[n_names:], records[n_names:], strict=True)},
            weights=_each_joined([(shard.group, trained.weights) for shard, trained in done]),
            signal_to_noise=signal_to_noise(
                self.problem,
                self.compiler.sites,
                _in_order_of_seeds([(shard.group, shard.spreads) for shard, _ in done]),
            ),
            epochs_trained=_in_order_of_seeds([(shard.group, trained.epochs_trained) for shard, trained in done]),
            best_epoch=_in_order_of_seeds([(shard.group, trained.best_epoch) for shard, trained in done]),
            proof=proof,
        )

    def _proven(self, width: int, *, only_if_faster: bool) -> tuple[int, Proof]:
        """The width, halved until the memory holds a step of its program, and the proof of that program."""
        program = self._compiled(width).program
        try:
            proof = self._proof(program)
            if only_if_faster:
                self._require_faster(program)
        except OUT_OF_MEMORY as error:
            half = self._fitting(len(halves(range(width), "program", self.device, error)[0]))
            return self._proven(half, only_if_faster=only_if_faster)
        return width, proof

    def _proof(self, program: Program) -> Proof:
        """How the program's first step differs from Keras' own; found once for each program.

        Raises:
            NotVectorizableError: by more than rounding.
        """
        if program.proof is None:
            with KERAS_LOCK:
                bare = build_seeded(self.problem.build_model, self.problem.seeds[0])
                trainable = {id(v) for v in bare.trainable_variables}
                weights = moved(bare.get_weights(), [id(v) in trainable for v in bare.weights])
                optimizer = prove_optimizer(pure_updates, self.template, bare)
                size = self.compiler.prepared.rows_a_batch
                theirs = keras_step(bare, self.problem, weights, self._first_rows(program), size)
            differences = compare_steps(self._first_step(program, weights), theirs, program.dtype).differences
            program.proof = Proof({**differences, "optimizer": optimizer})
        return program.proof

    def _require_faster(self, program: Program) -> None:
        """Measures the program against `Model.fit`, if the training takes long.

        Raises:
            NotVectorizableError: `Model.fit` is faster.
        """
        width, n_seeds = program.form.width, len(self.problem.seeds)
        n_shards = -(-n_seeds // width)
        run = self._run(program.form, [0] * width)
        run = with_sites(run, self.problem, self.compiler.sites, np.zeros((width, len(self.compiler.sites.all))))
        state = program.start(self._initial([0] * width))

        def seconds(steps: int) -> float:
            began = time.perf_counter()
            with core, tf.device(self.device):
                _call(program, state, run._replace(steps=tf.constant(steps)), 2, 2)  # no epoch that is measured
            return time.perf_counter() - began

        require_faster(self.problem, seconds, -(-n_shards // programs_at_once(self.device)))

    def _first_step(self, program: Program, weights: Sequence[Array]) -> Step:
        """What the program gives for the first seed after one step without randomness."""
        width, n_names = program.form.width, len(program.names)
        run = self._run(program.form, [0] * width)
        run = with_sites(run, self.problem, self.compiler.sites, np.zeros((width, len(self.compiler.sites.all))))
        run = run._replace(
            randomness_off=tf.constant(1), steps=tf.constant(1), arguments=tuple(map(tf.constant, self.problem.neutral))
        )
        with core, tf.device(self.device):
            state = program.start([np.stack([w] * width) for w in weights])
            state, before = _call(program, state, run, 0, 0)
            state, after = _call(program, state, run, 1, 1)
        return Step(
            measures=dict(zip(program.names, map(float, after[0, 0]), strict=False)),
            initial=dict(zip(program.quantities[n_names:], map(float, before[0, 0, n_names:]), strict=True)),
            weights=[array[0] for array in program.weights(state)],
        )

    def _first_rows(self, program: Program) -> Any:
        """The rows of the first seed's first batch."""
        n_rows, size = self.problem.train.n_rows, program.form.batch_size
        if not program.is_shuffled:
            return slice(0, size)
        key = stream_key(tf.constant(self.problem.seeds[0], tf.uint32), "shuffle")
        return permutation(key, tf.constant(1), n_rows).numpy()[:size]

    def compile_and_measure(self, width: int) -> None:
        """Has XLA compile the program of so many replicas of the first seed."""
        program = self._compiled(width).program
        self._proof(program)
        weights = self._initial([0] * width)
        run = self._run(program.form, [0] * width)
        run = with_sites(run, self.problem, self.compiler.sites, np.ones((width, len(self.compiler.sites.all))))
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
        with ThreadPoolExecutor(programs_at_once(self.device)) as pool:
            try:
                for group in shards(len(self.problem.seeds), width):  # the first train while others' weights are drawn
                    for shard in self._initial_shards(group, compiled):
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

    def _initial_shards(self, group: Sequence[int], compiled: Compiled) -> Iterator[_Shard]:
        """The shard of these seeds with its initial weights; several where the memory does not hold one."""
        try:
            weights = self._initial(group)
            yield _Shard(tuple(group), weights, compiled.spreads.of(self.problem, weights, group))
        except OUT_OF_MEMORY as error:
            for half in halves(group, "program", self.device, error):
                yield from self._initial_shards(half, compiled)

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
                self._programs[width] = self.compiler.program(form, run)
            return self._programs[width]

    def _initial(self, group: Sequence[int]) -> list[Array]:
        """The initial weights of a shard: (width, ...) each."""
        own = sorted(set(group))
        drawn = initial_weights(self.problem.build_model, [self.problem.seeds[i] for i in own], self.compiler.model_key)
        return [array[[own.index(i) for i in group]] for array in drawn]

    def _run(self, form: ProgramSpec, group: Sequence[int]) -> ProgramInputs:
        """What a shard is to do, except for the sites of its noise."""
        parts = [self.problem.train, *self.problem.evaluations.values()]
        layouts = [form.train, *(layout for _, layout in form.evaluations)]
        if self.problem.held is not None and form.held is not None:
            parts, layouts = [*parts, self.problem.held], [*layouts, form.held]
        none = tf.zeros([0])
        return ProgramInputs(
            seeds=tf.constant([self.problem.seeds[i] for i in group], tf.uint32),
            scales=none,
            schedules=tf.zeros([0, 3]),
            decays=none,
            arguments=tuple(map(tf.constant, self.problem.arguments)),
            average_from=tf.constant(self.problem.average_from),
            patience=tf.constant(self.problem.patience),
            parts=tuple(
                self._part(at, rows, layout, group)
                for at, (rows, layout) in enumerate(zip(parts, layouts, strict=True))
            ),
            epochs=tf.constant(self.problem.epochs),
            record_every=tf.constant(self.problem.record_every),
            randomness_off=tf.constant(0),
            steps=tf.constant(ALL_STEPS),
        )

    def _part(self, at: int, rows: Samples, layout: RowLayout, group: Sequence[int]) -> Any:
        """The tensors of a part for a shard; one set for all shards where the seeds share it."""
        if rows.per_seed:
            return keras.tree.map_structure(tf.constant, layout.arrays(rows, group))
        if (at, len(group)) not in self._shared:
            self._shared[at, len(group)] = keras.tree.map_structure(tf.constant, layout.arrays(rows, group))
        return self._shared[at, len(group)]

    def _train(self, program: Program, shard: _Shard) -> _Trained:
        """Trains a shard to the last epoch, or till all its replicas have stopped, some epochs a call."""
        if self.problem.callbacks:
            return self._train_with_callbacks(program, shard)
        state, run = program.start(shard.weights), self._run(program.form, shard.group)
        site_scales = scales(self.problem, self.compiler.sites, shard.spreads, shard.group)
        run = with_sites(run, self.problem, self.compiler.sites, site_scales)
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
            self.meter.add(shard.group[0], len(set(shard.group)), self.problem.epochs if ended else last)
            if ended:
                break
            first = last + 1
            last = min(first + _length(program) - 1, self._last_that_fits(first), self.problem.epochs)
        trained, best = program.epochs_of(state, self.problem.epochs)
        return _Trained(program.weights(state), self._to_the_end(np.concatenate(blocks)), trained, best)

    def _train_with_callbacks(self, program: Program, shard: _Shard) -> _Trained:
        """Trains a shard epoch by epoch, and calls each replica's callbacks in between."""
        state, run = program.start(shard.weights), self._run(program.form, shard.group)
        site_scales = scales(self.problem, self.compiler.sites, shard.spreads, shard.group)
        run = with_sites(run, self.problem, self.compiler.sites, site_scales)._replace(record_every=tf.constant(1))
        rate = program.learning_rate(state)
        width, epochs = len(shard.group), self.problem.epochs
        replicas = [
            Replica(self.problem.callbacks, self.template, None if rate is None else float(rate[i]), epochs)
            for i in range(width)
        ]
        state, record = self._advance(program, state, run, 0)
        rows = [record]
        ended: list[list[Array]] = [[] for _ in replicas]
        for i, replica in enumerate(replicas):
            replica.begin([w[i] for w in shard.weights])
        for epoch in range(1, epochs + 1):
            if self.stopped.is_set():
                raise CancelledError
            alive = [i for i, replica in enumerate(replicas) if replica.stopped_at is None]
            if not alive:
                break
            for i in alive:
                replicas[i].begin_epoch(epoch)
            state = program.with_learning_rates(state, [replica.model.optimizer for replica in replicas])
            state, record = self._advance(program, state, run, epoch)
            record = np.where(np.isin(np.arange(width), alive)[None, :, None], record, rows[-1])
            rows.append(record)
            weights = program.weights(state)
            for i in alive:
                logs = dict(zip(program.logs, map(float, record[0, i]), strict=True))
                before = [w[i] for w in weights]
                replicas[i].end_epoch(epoch, {k: v for k, v in logs.items() if k is not None}, before)
                if epoch == epochs:
                    replicas[i].end(epoch)
                ended[i] = replicas[i].model.weights_now
            state = program.with_weights(state, [np.stack(arrays) for arrays in zip(*ended, strict=True)])
            self.meter.add(shard.group[0], len(set(shard.group)), epoch)
        records = np.concatenate(rows)
        kept = np.minimum(self.recorded, len(records) - 1)
        trained = np.array([replica.stopped_at for replica in replicas])
        best = np.array([replica.best_epoch for replica in replicas])
        self.meter.add(shard.group[0], len(set(shard.group)), epochs)
        return _Trained([np.stack(arrays) for arrays in zip(*ended, strict=True)], records[kept], trained, best)

    def _advance(self, program: Program, state: State, run: ProgramInputs, epoch: int) -> tuple[State, Array]:
        with core, tf.device(self.device):
            return _call(program, state, run, epoch, epoch)

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


def _call(program: Program, state: State, run: ProgramInputs, first: int, last: int) -> tuple[State, Array]:
    """Some epochs of a program; what XLA cannot compile shows here."""
    try:
        return program.advance(state, run, first, last)
    except UNCOMPILABLE as error:
        if "out of memory" in str(error).lower():
            raise MemoryError(str(error)) from error
        raise explained(program.model, error) from error


def _in_order_of_seeds(parts: Sequence[tuple[Sequence[int], Array]]) -> Array:
    """What the shards gave, each index of a seed once, in their order: (n_seeds, ...)."""
    indices = np.concatenate([group for group, _ in parts])
    return np.concatenate([array for _, array in parts])[np.unique(indices, return_index=True)[1]]


def _each_joined(parts: Sequence[tuple[Sequence[int], Sequence[Array]]]) -> list[Array]:
    groups = [group for group, _ in parts]
    return [
        _in_order_of_seeds(list(zip(groups, arrays, strict=True)))
        for arrays in zip(*(w for _, w in parts), strict=True)
    ]
