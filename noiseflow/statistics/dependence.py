"""How pairs depend on each other, and what that leaves to be said of their mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from noiseflow.statistics.estimate import Estimate, estimate_mean
from noiseflow.statistics.inference import Array
from noiseflow.statistics.pairs import grid_of, has_data_seeds, is_crossed
from noiseflow.statistics.variance_components import complete_part, components


@dataclass(frozen=True)
class Dependent:
    """Values that depend on each other.

    Attributes:
        values: those that count.
        estimate: of their mean.
        profile: one value for each independent unit; two estimates are as correlated as their profiles.
        shape: data seeds and seeds of them.
        crossed: whether both vary, so that both are counted.
    """

    values: Array
    estimate: Estimate
    profile: Array
    shape: tuple[int, ...]
    crossed: bool


def dependent_mean(pairs: pd.DataFrame, values: Array, test_train_ratio: float | None) -> Estimate | None:
    """The mean that `dependent_values` estimates; None where values are independent."""
    found = dependent_values(pairs, values, test_train_ratio)
    return None if found is None else found.estimate


def dependent_values(pairs: pd.DataFrame, values: Array, test_train_ratio: float | None) -> Dependent | None:
    """The values that count, and an estimate of their mean that allows for their dependence; None where they are independent.

    - Crossed (several seeds for each of several data seeds): the two-way random effects of the largest complete part;
      where less than 2 × 2 is left of it, the means of the data seeds.
    - Splits of the same rows (a test_train_ratio is given, and there are several data seeds): the corrected resampled t;
      crossed as well, the correlation of the data seeds' means.

    Args:
        pairs: data_seed and seed; the design is known from which of them are there.
        values: (n,), one for each row of pairs, NaN for those to leave out.
        test_train_ratio: test rows over training rows, where data seeds split the same rows again; else None.
    """
    crossed = is_crossed(pairs)
    if test_train_ratio is not None and has_data_seeds(pairs):
        means = _data_seed_means(pairs, values)
        kept = means if crossed else values[np.isfinite(values)]
        return Dependent(
            values[np.isfinite(values)], estimate_mean(kept, test_train_ratio), means, kept.shape, crossed=False
        )
    if not crossed:
        return None
    part = complete_part(grid_of(pairs, values))
    if min(part.shape) < 2:
        means = _data_seed_means(pairs, values)
        return Dependent(values[np.isfinite(values)], estimate_mean(means), means, (means.size, 1), crossed=True)
    return Dependent(part.ravel(), components(part).estimate(), part.mean(axis=1), part.shape, crossed=True)


def _data_seed_means(pairs: pd.DataFrame, values: Array) -> Array:
    means = pd.Series(values).groupby(pairs["data_seed"].to_numpy()).mean()
    return np.asarray(means.dropna(), np.float64)
