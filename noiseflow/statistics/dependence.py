"""How pairs depend on each other, and what that leaves to be said of their mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noiseflow.statistics.estimate import Estimate, estimate_mean
from noiseflow.statistics.inference import Array
from noiseflow.statistics.pairs import grid_of, has_data_seeds, is_crossed
from noiseflow.statistics.variance_components import complete_part, components


def dependent_mean(pairs: pd.DataFrame, values: Array, test_train_ratio: float | None) -> Estimate | None:
    """The mean of values, one for each row of pairs, NaN where one is left out; None where they are independent.

    - Crossed (several seeds for each of several data seeds): the two-way random effects of the largest complete part;
      where less than 2 × 2 is left of it, the means of the data seeds.
    - Splits of the same rows (a test_train_ratio is given, and there are several data seeds): the corrected resampled t;
      crossed as well, that of the data seeds' means.

    Args:
        pairs: data_seed and seed; what is there and what is missing tells the design.
        values: (n,).
        test_train_ratio: rows that test over rows that train, where data seeds split the same rows again; else None.
    """
    crossed = is_crossed(pairs)
    if test_train_ratio is not None and has_data_seeds(pairs):
        kept = _data_seed_means(pairs, values) if crossed else values[np.isfinite(values)]
        return estimate_mean(kept, test_train_ratio)
    if not crossed:
        return None
    part = complete_part(grid_of(pairs, values))
    if min(part.shape) < 2:
        return estimate_mean(_data_seed_means(pairs, values))
    return components(part).estimate()


def _data_seed_means(pairs: pd.DataFrame, values: Array) -> Array:
    means = pd.Series(values).groupby(pairs["data_seed"].to_numpy()).mean()
    return np.asarray(means.dropna(), np.float64)
