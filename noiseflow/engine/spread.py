"""How strong the noise of each site is: the injections' strengths, the signal's spread, and their ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine.model import PreparedModel
from noiseflow.engine.problem import SPREAD_ROWS, Array, Problem
from noiseflow.engine.random import RandomnessOff
from noiseflow.engine.replicas import StackedCall
from noiseflow.engine.sites import Sites
from noiseflow.engine.targets import outputs_of, targets_by_output
from noiseflow.noise import OUTSIDE, kind_of
from noiseflow.noise.instrument import Point
from noiseflow.noise.kind import STATE, STEPS_THERE

Tensor = Any


class Spreads:
    """Standard deviation of the signal at each site, at the initial weights of each seed, on its training rows.

    Measured where gaussian noise is put: within the model on the first SPREAD_ROWS rows, of labels on all; NaN elsewhere.
    """

    def __init__(self, prepared: PreparedModel, sites: Sites) -> None:
        self.prepared = prepared
        self.sites = sites
        self.measured = {i: site.point for i, site in enumerate(sites.all) if is_measured(site)}
        self._call = StackedCall(prepared, self._signals, called=str(self.measured)) if self.measured else None

    def of(self, problem: Problem, weights: Sequence[Array], group: Sequence[int]) -> Array:
        """(n_group, n_sites), for the seeds at these indices. weights: their initial ones, (n_group, ...)."""
        spreads = np.full((len(group), len(self.sites.all)), np.nan)
        for i, site in enumerate(self.sites.all):
            if site.place == "labels" and kind_of(site.kind).adds:
                y = targets_by_output(outputs_of(self.prepared.model, problem.train.of(0)[0]), problem.train.y)[
                    site.output
                ]
                own = y[list(group)] if problem.train.per_seed else np.broadcast_to(y, (1, *y.shape))
                spreads[:, i] = np.asarray(own.reshape(len(own), -1).std(axis=1, dtype=np.float64))
        if self._call is not None:
            rows = problem.train
            x = keras.tree.map_structure(
                lambda a: a[list(group), :SPREAD_ROWS] if rows.per_seed else a[:SPREAD_ROWS], rows.x
            )
            signals = self._call(weights, x, per_seed=rows.per_seed)
            there = steps_there(self.prepared, x, per_seed=rows.per_seed)
            for i, signal in zip(self.measured, signals, strict=True):
                spreads[:, i] = spread(self.sites.all[i].of_columns(signal), there)
        return spreads

    def _signals(self, state: Sequence[Tensor], x: Any) -> list[Tensor]:
        """What flows at each measured site in inference mode, for one replica."""
        found: dict[Point, Tensor] = {}

        def keep(point: Point, value: Tensor) -> Tensor:
            found[point] = value
            return value

        model = self.prepared.model
        n_trainable = len(model.trainable_variables)
        with self.prepared.walking(RandomnessOff(), keep):
            training = {"training": False} if model._call_has_training_arg else {}  # noqa: SLF001
            model.stateless_call(list(state[:n_trainable]), list(state[n_trainable:]), x, **training)
        return [tf.identity(found[point]) for point in self.measured.values() if point is not None]


def steps_there(prepared: PreparedModel, x: Any, *, per_seed: bool) -> Array | None:
    """Which steps are no padding: (n_group or 1, n_rows, n_steps); None where the network hides none."""
    if not any(layer.name == STEPS_THERE for layer in prepared.model.layers):
        return None
    there = np.asarray(x)[..., -1] > 0
    return there if per_seed else there[np.newaxis]


def spread(signal: Array, there: Array | None) -> Array:
    """Standard deviation of each seed's signal (n_group, n_rows, ...), padded steps left out where it has steps."""
    if there is None or signal.shape[1:3] != there.shape[1:]:
        return np.asarray(signal.reshape(len(signal), -1).std(axis=1))
    return np.array([own[at].std() for own, at in zip(signal, np.broadcast_to(there, signal.shape[:3]), strict=True)])


def is_measured(site: Any) -> bool:
    """Whether the spread of the signal at a site is known: noise is added to it, within the model."""
    return kind_of(site.kind).adds and site.place not in (*OUTSIDE, STATE)


def scales(problem: Problem, sites: Sites, spreads: Array, group: Sequence[int]) -> Array:
    """What a site's numbers are multiplied with, or its rate, at full strength: (n_group, n_sites), float64.

    Args:
        spreads: (n_group, n_sites).
    """
    strengths = problem.strengths[list(group)]
    columns = [
        strengths[:, site.injection] * (spreads[:, i] if problem.noise[site.injection].relative else 1.0)
        for i, site in enumerate(sites.all)
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(group), 0))


def signal_to_noise(problem: Problem, sites: Sites, spreads: Array) -> Array:
    """Spread of the signal over the stddev at full strength, the least of an injection's sites: (n_seeds, n_injections).

    inf where the stddev is 0; NaN for kinds and places that add no noise within the model.

    Args:
        spreads: (n_seeds, n_sites).
    """
    n_seeds = len(problem.seeds)
    stddevs = scales(problem, sites, spreads, range(n_seeds))
    ratios = np.full((n_seeds, len(problem.noise)), np.nan)
    for i, site in enumerate(sites.all):
        if is_measured(site):
            silent = problem.strengths[:, site.injection] == 0
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(silent, np.inf, spreads[:, i] / stddevs[:, i])
            ratios[:, site.injection] = np.fmin(ratios[:, site.injection], ratio)
    return ratios
