"""Where the variance of a crossed study comes from: a row a cell."""

from __future__ import annotations

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.inference import Array
from noiseflow.statistics.pairs import CELL, PAIR, CellKey, cell_pairs, compared_score, grid_of, is_crossed, name_key
from noiseflow.statistics.variance_components import complete_part, components, how_many_to_halve

COMPONENT_COLUMNS = [
    *(*CELL, "quantity", "mean", "n_data_seeds", "n_seeds"),
    *("data", "initialisation", "residual", "data_share", "initialisation_share", "residual_share"),
    *("more_data_seeds", "more_seeds"),
]


def variance_components(trials: pd.DataFrame) -> pd.DataFrame:
    """Variance components of each crossed cell that has a complete part of 2 × 2: COMPONENT_COLUMNS.

    `quantity` is "difference", to the baseline, and for the baseline "score". The variances are in squared units of the
    compared score. n_data_seeds and n_seeds are of the part that is complete. more_data_seeds and more_seeds: how many
    more would halve the interval of the mean, the other number staying as it is; missing where none would.

    References: docs/method.md, "Crossed seeds".
    """
    grids = {key: (_differences(pairs), "difference") for key, pairs in cell_pairs(trials).items() if is_crossed(pairs)}
    grids |= {key: (grid, "score") for key, grid in _baselines(trials).items()}
    order = dict.fromkeys(name_key(key) for key in trials[CELL].itertuples(index=False, name=None))
    rows = [_row(key, *grids[key]) for key in order if key in grids and min(grids[key][0].shape) >= 2]
    return pd.DataFrame(rows, columns=COMPONENT_COLUMNS).astype({"more_data_seeds": "Int64", "more_seeds": "Int64"})


def _differences(pairs: pd.DataFrame) -> Array:
    difference = pairs["score"] - pairs["score_baseline"]
    return complete_part(grid_of(pairs, difference.to_numpy(dtype=float)))


def _baselines(trials: pd.DataFrame) -> dict[CellKey, Array]:
    scored = trials[[*CELL, *PAIR]].assign(score=compared_score(trials))
    cells = scored[scored["variant"] == BASELINE].groupby(CELL, sort=False)
    return {
        name_key(key): complete_part(grid_of(cell, cell["score"].to_numpy(dtype=float)))
        for key, cell in cells
        if is_crossed(cell)
    }


def _row(key: CellKey, grid: Array, quantity: str) -> list[object]:
    found = components(grid)
    parts = (found.data, found.initialisation, found.residual)
    sizes = (found.n_data_seeds, found.n_seeds)
    return [*key, quantity, found.mean, *sizes, *parts, *found.shares, *how_many_to_halve(found)]
