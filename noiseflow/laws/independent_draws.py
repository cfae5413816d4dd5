"""No two draws are the same number, within a step or its rows, or between steps, epochs and seeds."""

from __future__ import annotations

import numpy as np
from scipy import stats

from noiseflow.laws.draws import ROWS_A_STEP, SALMON, noise_draws, uncorrelated
from noiseflow.laws.law import CHANCE, Array, Figure, Law, Train


def independent_draws(train: Train) -> list[Figure]:
    """Draws are uncorrelated between any two rows of a step, steps, epochs and seeds, and within a step at any lag."""
    once, twice = (noise_draws(train, hidden_layers=0, places=("input",), epochs=epochs) for epochs in (1, 2))
    n_seeds, n_units, n_columns = once.shape
    draws = once.reshape(n_seeds, n_units, n_columns // ROWS_A_STEP, ROWS_A_STEP)  # seeds, units, steps, rows of a step
    alike = "the draws of each two {} are independent, not only of neighbours"
    return [
        uncorrelated(
            "rows of one step", alike.format("rows of a step"), np.moveaxis(draws, 3, 0).reshape(ROWS_A_STEP, -1)
        ),
        uncorrelated("steps of one epoch", alike.format("steps"), np.moveaxis(draws, 2, 0).reshape(draws.shape[2], -1)),
        uncorrelated("two epochs", alike.format("epochs"), np.stack([once.ravel(), (twice - once).ravel()])),
        uncorrelated("all pairs of seeds", alike.format("seeds"), draws.reshape(n_seeds, -1)),
        _at_any_lag(np.transpose(draws, (0, 2, 3, 1)).reshape(n_seeds * draws.shape[2], -1)),
    ]


def _at_any_lag(series: Array) -> Figure:
    """The figure of the largest correlation of numbers that one call draws, at any circular lag; a half, say."""
    n_series, n = series.shape
    centred = series - series.mean()
    power = (np.abs(np.fft.rfft(centred, axis=1)) ** 2).mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.abs(np.fft.irfft(power, n)[1 : n // 2 + 1] / (n * centred.var()))
    chance = stats.norm.isf(CHANCE / correlations.size)  # at half the circle each product counts twice
    return Figure(
        name="numbers of one step, at any lag",
        statement="numbers that one step draws are independent, the second half from the first too",
        reference=SALMON,
        expected=0.0,
        measured=float(correlations.max()),
        tolerance=float(chance * np.sqrt(2 / (n_series * n))),
    )


LAW = Law("independent draws", independent_draws, finds_wrong_stddev=False)
