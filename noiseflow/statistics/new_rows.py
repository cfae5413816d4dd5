"""What other test rows of the same kind would change: the variance from the rows, beside the variance from the seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from noiseflow.statistics.estimate import Estimate
from noiseflow.statistics.inference import Array
from noiseflow.statistics.variance_components import components

MOST_UNITS = 200
"""Parts of the test rows that are left out one at a time: each row by itself up to as many rows."""
Measure = Callable[[Array, Array], Array]
"""Outputs (n_seeds, n_rows, n_outputs) and truth (n_seeds, n_rows) to a value a seed, such as `Score.measure`."""


@dataclass(frozen=True)
class RowVariance:
    """What the choice of the rows adds to the variance of a mean difference.

    Attributes:
        variance: with as many rows as are compared on.
        profile: (n_units,), how much better the variant is on each part of the rows.
    """

    variance: float
    profile: Array

    def widen(self, seeds: Estimate) -> Estimate:
        """The estimate for new test rows of the same kind, as many, from one that holds for these rows: adds their variance.

        The variances are added; Satterthwaite's degrees of freedom are for both.
        """
        if self.variance == 0:
            return seeds
        total = seeds.error**2 + self.variance
        of_seeds = seeds.error**4 / seeds.degrees_of_freedom if seeds.error else 0.0
        freedom = total**2 / (of_seeds + self.variance**2 / (self.profile.size - 1))
        return Estimate(seeds.mean, total**0.5, freedom)


def pseudo_values(measure: Measure, outputs: Array, truth: Array) -> Array:
    """How much each part of the rows adds to a measure: (n_seeds, n_units); their mean is the measure without its bias.

    Jackknife: with G parts, G times the measure of all rows less G − 1 times that without the part. Of a mean over rows it is
    the mean of the part's rows.

    Args:
        measure: of outputs and truth.
        outputs: (n_seeds, n_rows, n_outputs).
        truth: (n_rows,), or (n_rows, n_targets).

    References: Tukey (1958), Bias and confidence in not quite large samples; Efron and Tibshirani (1993), An Introduction
    to the Bootstrap, sections 11.2 and 11.5.
    """
    n_seeds, n_rows = outputs.shape[:2]
    n_units = min(n_rows, MOST_UNITS)
    part_of = np.empty(n_rows, np.int64)
    part_of[np.random.default_rng(0).permutation(n_rows)] = np.arange(n_rows) % n_units
    whole = measure(outputs, np.broadcast_to(truth, (n_seeds, *truth.shape)))
    values = np.empty((n_seeds, n_units))
    for part in range(n_units):
        kept = part_of != part
        without = measure(outputs[:, kept], np.broadcast_to(truth[kept], (n_seeds, *truth[kept].shape)))
        values[:, part] = n_units * whole - (n_units - 1) * without
    return values


def row_variance(differences: Array, share: float = 1.0) -> RowVariance | None:
    """The variance that rows bring to the mean of differences of pseudo-values (n_seeds, n_units); None below 2 × 2.

    The row component of the two-way random model of seeds × rows: a row that is harder for one variant is so for all seeds.

    Args:
        differences: of the parts of some rows.
        share: how many rows these are over how many are compared on.

    References: Searle, Casella and McCulloch (1992), Variance Components, section 4.7.
    """
    finite = differences[np.isfinite(differences).all(axis=1)]
    if min(finite.shape) < 2:
        return None
    return RowVariance(components(finite.T).data / finite.shape[1] * share, finite.mean(axis=0))
