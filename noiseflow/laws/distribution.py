"""The noise is normal, and its draws are independent."""

from __future__ import annotations

import numpy as np
from scipy import stats

from noiseflow.laws.draws import SALMON, STDDEV, moment, noise_draws
from noiseflow.laws.law import CHANCE, STANDARD_ERRORS, Array, Figure, Law, Train


def distribution(train: Train) -> list[Figure]:
    """Gaussian noise is N(0, s²), and its draws are independent over units, steps and seeds."""
    draws = noise_draws(train, hidden_layers=0, places=("input",))
    n, normal = draws.size, "the moments of N(0, s²)"
    distance = float(stats.kstest(draws.ravel() / STDDEV, "norm").statistic)
    return [
        moment(draws, 1, 0.0, STDDEV**2, name="draws: mean", statement="E[noise] = 0", reference=normal),
        moment(
            draws,
            2,
            STDDEV**2,
            2 * STDDEV**4,
            name="draws: variance",
            statement="E[noise²] = s²; the sum of n squares is s² times χ² of n degrees of freedom",
            reference=normal,
        ),
        moment(
            draws,
            4,
            3 * STDDEV**4,
            96 * STDDEV**8,
            name="draws: fourth moment",
            statement="E[noise⁴] = 3s⁴",
            reference=normal,
        ),
        Figure(
            name="draws: Kolmogorov-Smirnov",
            statement="the distance to N(0, s²) stays below its critical value",
            reference="scipy.stats.kstest",
            expected=0.0,
            measured=distance,
            tolerance=float(stats.kstwobign.isf(2 * CHANCE) / np.sqrt(n)),
        ),
        *(_uncorrelated(draws, axis, name) for axis, name in enumerate(("seeds", "units", "steps"))),
    ]


def _uncorrelated(draws: Array, axis: int, name: str) -> Figure:
    """The law that neighbours along an axis are uncorrelated."""
    n = draws.shape[axis]
    one, other = draws.take(range(n - 1), axis), draws.take(range(1, n), axis)
    with np.errstate(invalid="ignore", divide="ignore"):  # draws without any spread have no correlation: NaN
        correlation = float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    return Figure(
        name=f"draws: correlation of {name}",
        statement=f"the draws of neighbouring {name} are independent",
        reference=SALMON,
        expected=0.0,
        measured=correlation,
        tolerance=float(STANDARD_ERRORS / np.sqrt(one.size)),
    )


LAW = Law("distribution", distribution, finds_wrong_stddev=True)
