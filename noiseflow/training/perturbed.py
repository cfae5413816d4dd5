"""A model with noise in it and around it, for `Model.fit`: Keras' own noise layers, and a train step that knows the rest."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from noiseflow.noise import Injected, inject
from noiseflow.training.keras_state import build_seeded
from noiseflow.training.noise_layers import INJECTED
from noiseflow.training.perturbations import Around
from noiseflow.training.problem import Problem
from noiseflow.training.sites import Site, Treatment, sites_around
from noiseflow.training.targets import target_forms

Tensor = Any


@dataclass(frozen=True)
class Perturbed:
    """The model of one seed.

    scales: a variable (n_sites,), to be set before each epoch; noise that stays as it is does not read it.
    """

    injected: Injected
    treatment: Treatment
    scales: Any


class ScaledNoise(keras.layers.Layer):
    """Gaussian noise whose stddev is an entry of a variable, so that it may change while a model is trained."""

    def __init__(self, scales: Any, site: int, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.site = site
        self.noise = keras.layers.GaussianNoise(1.0, seed=seed)
        self.scales = _Held(scales)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        scale = tf.cast(self.scales.value[self.site], inputs.dtype)
        return inputs + scale * (self.noise(inputs, training=True) - inputs)


@dataclass(frozen=True)
class _Held:
    """Keeps a variable from being counted among the layer's weights."""

    value: Any


class _Numbers:
    """Random numbers of one step for `Around`, from Keras' generator."""

    def __init__(self, scales: Any, n_sites: int, seed: int) -> None:
        self.variable = scales
        self.n_sites = n_sites
        self.generator = keras.random.SeedGenerator(seed)
        self.scales: list[Tensor] = []

    def begin_step(self, treatment: Treatment, problem: Problem, step: Tensor) -> None:
        """Reads the scales, those of gradient noise as they are at this step."""
        self.scales = tf.unstack(self.variable.read_value(), self.n_sites)
        for i, site in enumerate(treatment.sites):
            if site.decays:
                decay = problem.noise[site.injection].decay or 0.0
                self.scales[i] *= tf.cast(step + 1, self.variable.dtype) ** (-decay / 2)

    def normal(self, layer: str, shape: Any, dtype: Any) -> Tensor:
        del layer
        return keras.random.normal(shape, dtype=keras.backend.standardize_dtype(dtype), seed=self.generator)

    def uniform(self, layer: str, shape: Any, dtype: Any) -> Tensor:
        del layer
        return keras.random.uniform(shape, dtype=keras.backend.standardize_dtype(dtype), seed=self.generator)


def perturbed(problem: Problem, index: int, seed: int) -> Perturbed:
    """The model as its author wrote it, or a copy of it with noise, and a train step with what is done around it.

    Raises:
        ValueError: the model has a `train_step` of its own, which a copy with noise would not have.
    """
    model = build_seeded(problem.build_model, seed)
    if (problem.noise or problem.penalised) and type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"noise and l2 need a model that Keras' own train_step trains; received {type(model).__name__}, which has its own. "
            "Put the noise into the model itself"
        )
    sites: list[Site] = []
    scales = tf.Variable([], shape=[None], dtype=keras.config.floatx(), trainable=False)

    def noise_layer(injection: int, name: str) -> keras.layers.Layer:
        sites.append(Site.of(injection, problem.noise[injection], name, used=problem.used[injection]))
        strength, stream = float(problem.strengths[index, injection]), zlib.crc32(f"{seed}/{name}".encode())
        noise = problem.noise[injection]
        if noise.relative or noise.schedule != "constant" or (noise.kind == "gaussian" and strength > 1):
            return ScaledNoise(scales, len(sites) - 1, stream, name=name)
        return INJECTED[noise.kind](strength, seed=stream, name=name)

    around = sites_around(problem.noise, problem.used, target_forms(model, problem))
    injected = inject(model, problem.noise, noise_layer) if problem.noise else Injected(model, ())
    treatment = Treatment((*sites, *around), problem.penalised)
    if treatment.around or treatment.l2:
        _own_step(injected.model, problem, treatment, _Numbers(scales, len(treatment.sites), seed))
    return Perturbed(injected, treatment, scales)


def _own_step(model: Any, problem: Problem, treatment: Treatment, numbers: _Numbers) -> None:
    """Gives the model a train step as Keras' own, but for what is done around it."""
    around = Around(treatment, numbers, tf.constant(problem.l2, keras.config.floatx()))

    def train_step(data: Any) -> Any:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = model.trainable_variables
        numbers.begin_step(treatment, problem, model.optimizer.iterations)
        clean = [tf.identity(v.value) for v in variables]
        for variable, value in zip(variables, around.weights(clean), strict=True):
            variable.assign(value)
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(
                x=x, y=around.targets(y), y_pred=y_pred, sample_weight=sample_weight, training=True
            )
            minimised = around.loss(loss, [v.value for v in variables])
        model._loss_tracker.update_state(loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])  # noqa: SLF001
        gradients = around.gradients(tape.gradient(minimised, [v.value for v in variables]))
        for variable, value in zip(variables, clean, strict=True):
            variable.assign(value)
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    model.train_step = train_step
