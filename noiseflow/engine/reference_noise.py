"""A model that `Model.fit` trains with noise: the user's own, its calls instrumented while it is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine.keras_random import led_to_streams
from noiseflow.engine.model import PreparedModel
from noiseflow.engine.problem import SPREAD_ROWS, Array, Problem, Proof
from noiseflow.engine.proof import Step, compare_steps, keras_step, moved
from noiseflow.engine.random import ABOVE_ZERO, RandomnessOff, drawing_from
from noiseflow.engine.sites import Sites, sites_of
from noiseflow.engine.spread import is_measured, spread, steps_there
from noiseflow.engine.step import total_loss
from noiseflow.engine.step_noise import StepNoise
from noiseflow.engine.targets import outputs_of, target_forms, targets_by_output
from noiseflow.noise import kind_of
from noiseflow.noise.instrument import Point, Walk, instrumented, walking

Tensor = Any


class KerasNumbers:
    """Random numbers of one step, from a generator of Keras."""

    def __init__(self, variable: Any, n_sites: int, seed: int) -> None:
        self.variable = variable
        self.n_sites = n_sites
        self.generator = keras.random.SeedGenerator(seed)
        self.scales: Sequence[Tensor] = []

    def begin_step(self, sites: Sites, problem: Problem, step: Tensor) -> None:
        """Reads the scales; for gradient noise, its scale at this step."""
        scales = tf.unstack(self.variable.read_value(), self.n_sites)
        for i, site in enumerate(sites.all):
            if site.decays:
                decay = problem.noise[site.injection].decay or 0.0
                scales[i] *= tf.cast(step + 1, self.variable.dtype) ** (-decay / 2)
        self.scales = scales

    def begin_second_pass(self) -> None:
        """A second pass of the same step draws other numbers."""

    def normal(self, stream: str, shape: Any, dtype: Any) -> Tensor:
        """Standard normal numbers."""
        del stream
        return keras.random.normal(shape, dtype=keras.backend.standardize_dtype(dtype), seed=self.generator)

    def uniform(self, stream: str, shape: Any, dtype: Any) -> Tensor:
        """Numbers uniform in (0, 1)."""
        del stream
        drawn = keras.random.uniform(shape, dtype=keras.backend.standardize_dtype(dtype), seed=self.generator)
        return tf.maximum(drawn, ABOVE_ZERO)


@dataclass
class Noisy:
    """The model of one seed, and the noise that it is fitted with.

    Attributes:
        scales: a variable (n_sites,), to be set before each epoch.
    """

    model: keras.Model
    problem: Problem
    prepared: PreparedModel
    sites: Sites
    numbers: KerasNumbers
    scales: Any
    rows_a_batch: int
    is_proof: bool = False

    @classmethod
    def of(cls, model: keras.Model, problem: Problem, seed: int) -> Noisy:
        """The noise of a problem in the model of a seed.

        Raises:
            ValueError: an injection's place is not in the model; or noise outside it, or a penalty, is asked for and the model
                has its own `train_step`, which would not know of it.
        """
        prepared = PreparedModel.of(model, problem, twins=False)
        within = bool(problem.noise or problem.mixing)
        targets = target_forms(model, problem)
        sites = (
            sites_of(problem, prepared.survey(problem), targets)
            if within
            else Sites((), tuple(problem.step_controls), tuple(targets))
        )
        own = type(model).train_step is not keras.Model.train_step
        if own and (sites.outside or sites.step_controls):
            raise ValueError(
                "noise on labels, weights or gradients, and controls, need a model that Keras' own train_step trains; "
                f"received {type(model).__name__}, which has its own. Use noise within the model, or add it in that train_step"
            )
        scales = tf.Variable(np.zeros(len(sites.all)), dtype=keras.config.floatx(), trainable=False)
        numbers = KerasNumbers(scales, len(sites.all), seed)
        return cls(model, problem, prepared, sites, numbers, scales, prepared.rows_a_batch)

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Within it, the model's train step adds the noise."""
        if not self.sites.all and not self.sites.step_controls:
            yield
            return
        step = self._own_step if self.sites.outside or self.sites.step_controls else self.model.train_step

        def train_step(data: Any) -> Any:
            self.numbers.begin_step(self.sites, self.problem, self.model.optimizer.iterations)
            with walking(Walk(self.prepared.positions, self.sites.noise(self.numbers))):
                return step(data)

        own = self.model.train_step
        self.model.train_step = train_step
        try:
            with instrumented(self.model):
                yield
        finally:
            self.model.train_step = own

    def spreads(self, index: int) -> Array:
        """Standard deviation of the signal at each site on the training rows: (1, n_sites)."""
        found: dict[Point, Any] = {}

        def keep(point: Point, value: Tensor) -> Tensor:
            found[point] = value
            return value

        spreads = np.full((1, len(self.sites.all)), np.nan)
        rows = self.problem.train
        if any(is_measured(site) for site in self.sites.all):
            x = keras.tree.map_structure(lambda a: tf.constant(a[:SPREAD_ROWS]), rows.of(index)[0])
            with instrumented(self.model), walking(Walk(self.prepared.positions, keep)):
                self.prepared.call(x, training=False)
            there = steps_there(self.prepared, x, per_seed=False)
        for i, site in enumerate(self.sites.all):
            if is_measured(site) and site.point is not None:
                spreads[:, i] = spread(site.of_columns(np.asarray(found[site.point]))[np.newaxis], there)
            elif site.place == "labels" and kind_of(site.kind).adds:
                y = targets_by_output(outputs_of(self.model, rows.of(index)[0]), rows.of(index)[1])[site.output]
                spreads[0, i] = np.asarray(y).std(dtype=np.float64)
        return spreads

    def proof(self, bare: keras.Model) -> Proof:
        """How one step with all strengths at 0 differs from the step of the author's model.

        Args:
            bare: a fresh build; it is changed.

        Raises:
            NotVectorizableError: by more than rounding.
        """
        if not self.sites.all and not self.sites.step_controls:
            return Proof()
        trainable = {id(v) for v in bare.trainable_variables}
        weights = moved(bare.get_weights(), [id(v) in trainable for v in bare.weights])
        n_rows = min(self.problem.batch_size, self.problem.train.n_rows)
        theirs = keras_step(bare, replace(self.problem, evaluations={}), weights, slice(0, n_rows), self.rows_a_batch)
        kept = self.model.get_weights(), [v.numpy() for v in self.model.optimizer.variables], self.scales.numpy()
        self.model.set_weights(weights)
        self.scales.assign(tf.zeros_like(self.scales))
        batch = keras.tree.map_structure(lambda v: tf.constant(v[:n_rows]), self.problem.train.of(0))
        self.model.reset_metrics()
        self.is_proof = True
        with self.fitting(), led_to_streams(), drawing_from(RandomnessOff()):
            logs = self.model.train_step(batch)
        self.is_proof = False
        ours = Step({name: float(np.asarray(logs[name])) for name in theirs.measures}, {}, self.model.get_weights())
        self.model.set_weights(kept[0])
        for variable, value in zip(self.model.optimizer.variables, kept[1], strict=True):
            variable.assign(value)
        self.scales.assign(kept[2])
        self.model.reset_metrics()
        return compare_steps(ours, theirs, self.model.compute_dtype)

    def _arguments(self) -> tuple[Any, ...]:
        return tuple(map(tf.constant, self.problem.neutral if self.is_proof else self.problem.arguments))

    def _own_step(self, data: Any) -> Any:
        """A train step as Keras' own, with noise on targets, weights and gradients, and what controls do."""
        model = self.model
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        noise = StepNoise(self.sites, self.numbers, self._arguments())
        x, parts = noise.batch(x, y, sample_weight)
        variables = model.trainable_variables
        clean = [tf.identity(v.value) for v in variables]

        def passed(weights: Sequence[Tensor]) -> tuple[Tensor, Tensor, Any]:
            for variable, value in zip(variables, noise.weights(weights), strict=True):
                variable.assign(value)
            with tf.GradientTape() as tape:
                y_pred = self.prepared.call(x, training=True)
                loss = total_loss(model, x, parts, y_pred, training=True)
                minimised = noise.loss(loss, [v.value for v in variables])
            return y_pred, loss, tape.gradient(minimised, [v.value for v in variables])

        y_pred, loss, gradients = passed(clean)
        climb = noise.climb(gradients)
        if climb is not None:
            others = [(v, tf.identity(v.value)) for v in model.non_trainable_variables]
            higher = [w if step is None else w + step for w, step in zip(clean, climb, strict=True)]
            _, _, gradients = passed(higher)
            for variable, value in others:
                variable.assign(value)
        model._loss_tracker.update_state(loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])  # noqa: SLF001
        gradients = noise.gradients(gradients)
        for variable, value in zip(variables, clean, strict=True):
            variable.assign(value)
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if self.sites.step_controls:
            for variable, value in zip(variables, noise.after_step([v.value for v in variables]), strict=True):
                variable.assign(value)
        return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
