"""The noise is normal."""

from __future__ import annotations

import numpy as np
from scipy import stats

from noiseflow.laws.draws import STDDEV, moment, noise_draws
from noiseflow.laws.law import CHANCE, Figure, Law, Train


def distribution(train: Train) -> list[Figure]:
    """Gaussian noise is N(0, s²)."""
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
    ]


LAW = Law("distribution", distribution, finds_wrong_stddev=True)
