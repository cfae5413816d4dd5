"""How strong the noise of each site is: the injections' strengths, the signal's spread, and their ratio."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from noiseflow.noise import Injected
from noiseflow.training.problem import SPREAD_ROWS, Array, Problem
from noiseflow.training.replicas import StackedCall
from noiseflow.training.sites import AROUND, Site
from noiseflow.training.targets import targets_by_output


class Spreads:
    """Standard deviation of the signal at each site, at the initial weights of each seed, on its training rows.

    Measured where gaussian noise is put: within the model on the first SPREAD_ROWS rows, of labels on all; NaN elsewhere.
    """

    def __init__(self, problem: Problem, injected: Injected, sites: Sequence[Site]) -> None:
        self.problem = problem
        self.injected = injected
        self.sites = sites
        self.measured = [i for i, site in enumerate(sites) if site.kind == "gaussian" and site.place not in AROUND]
        self._call: StackedCall | None = None
        if self.measured:
            taps = keras.Model(injected.model.input, [injected.taps[i][1] for i in self.measured])
            self._call = StackedCall(taps, injected.model.weights)

    def of(self, weights: Sequence[Array], group: Sequence[int]) -> Array:
        """(n_group, n_sites), for the seeds at these indices, whose initial weights (n_group, ...) are given."""
        spreads = np.full((len(group), len(self.sites)), np.nan)
        for i, site in enumerate(self.sites):
            if site.place == "labels" and site.kind == "gaussian":
                spreads[:, i] = self._of_targets(site, group)
        if self._call is not None:
            rows = self.problem.train
            x = keras.tree.map_structure(
                lambda a: a[list(group), :SPREAD_ROWS] if rows.per_seed else a[:SPREAD_ROWS], rows.x
            )
            signals = self._call(weights, _in_the_models_dtype(x, self.injected.model), per_seed=rows.per_seed)
            for i, signal in zip(self.measured, keras.tree.flatten(signals), strict=True):
                spreads[:, i] = signal.reshape(len(group), -1).std(axis=1)
        return spreads

    def _of_targets(self, site: Site, group: Sequence[int]) -> Array:
        y = targets_by_output(self.injected.model, self.problem.train.y)[site.output]
        own = y[list(group)] if self.problem.train.per_seed else np.broadcast_to(y, (1, *y.shape))
        return np.asarray(own.reshape(len(own), -1).std(axis=1, dtype=np.float64))


def scales(problem: Problem, sites: Sequence[Site], spreads: Array, group: Sequence[int]) -> Array:
    """What a site's numbers are multiplied with, or its rate, at the first epoch: (n_group, n_sites), float64.

    Args:
        spreads: (n_group, n_sites).
    """
    strengths = problem.strengths[list(group)]
    columns = [
        strengths[:, site.injection] * (spreads[:, i] if problem.noise[site.injection].relative else 1.0)
        for i, site in enumerate(sites)
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(group), 0))


def signal_to_noise(problem: Problem, sites: Sequence[Site], spreads: Array) -> Array:
    """Spread of the signal over the stddev at the first epoch, the least of an injection's sites: (n_seeds, n_injections).

    inf where the stddev is 0; NaN for kinds and places that add no noise within the model.

    Args:
        spreads: (n_seeds, n_sites).
    """
    n_seeds = len(problem.seeds)
    stddevs = scales(problem, sites, spreads, range(n_seeds))
    ratios = np.full((n_seeds, len(problem.noise)), np.nan)
    for i, site in enumerate(sites):
        if site.kind == "gaussian" and site.place not in AROUND:
            silent = problem.strengths[:, site.injection] == 0
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(silent, np.inf, spreads[:, i] / stddevs[:, i])
            ratios[:, site.injection] = np.fmin(ratios[:, site.injection], ratio)
    return ratios


def _in_the_models_dtype(x: Array, model: keras.Model) -> Array:
    return keras.tree.map_structure(lambda a, i: np.asarray(a, i.dtype), x, model.input)
