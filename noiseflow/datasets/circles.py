"""Circles: points of two circles around each other, moved by noise."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseflow.base.values import setting
from noiseflow.datasets.data import Array
from noiseflow.datasets.generated import FRESH, NOISE, Generated, Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Circles(Generated):
    """Points of two circles around each other, moved by noise; class 1 is the inner one."""

    name = "circles"
    sentence = "scikit-learn's generator: points of two circles around each other, moved by noise"
    task = "classification"
    settings = {"n_samples": 100, "n_train": 30, "noise": 0.1, "factor": 0.8, **FRESH}
    fields = {
        **Generated.fields,
        **NOISE,
        "factor": setting(float, "Radius of the inner circle; the outer one's is 1", 0.8, ge=0, lt=1),
    }

    def rows(self, dataset: Dataset, n: int, state: Any) -> Rows:
        from sklearn.datasets import make_circles

        X, y = make_circles(n, noise=dataset.noise, factor=dataset.factor, random_state=state)
        return X, y.astype(float)

    def has_rule(self, dataset: Dataset) -> bool:
        return True

    def rule(self, dataset: Dataset, X: Array) -> Array:
        """The likelier circle of each point."""
        return (np.hypot(X[:, 0], X[:, 1]) < circles_threshold(dataset.noise, dataset.factor)).astype(float)

    def rule_accuracy(self, dataset: Dataset) -> float:
        """The mean of both classes."""
        noise, factor = float(dataset.noise), float(dataset.factor)
        if noise == 0:
            return 1.0
        threshold = circles_threshold(noise, factor)
        return (_rice_below(threshold, factor, noise) + 1 - _rice_below(threshold, 1.0, noise)) / 2


def circles_threshold(noise: float, factor: float = 0.8) -> float:
    """The radius below which the inner circle (class 1) is the likelier.

    A point of a circle of radius R, moved by isotropic normal noise, lies at distance r from the centre with the Rice
    density, r/s² exp(-(r² + R²) / 2s²) I0(rR/s²); the threshold is where both circles' densities are equal. With equal
    class frequencies that is the Bayes rule.

    References:
        Rice (1945), Mathematical analysis of random noise, eq. 3.10-11.
    """
    from scipy.optimize import brentq
    from scipy.special import ive

    def log_density(r: float, radius: float) -> float:
        return -((r - radius) ** 2) / (2 * noise**2) + float(np.log(ive(0, r * radius / noise**2)))

    if noise == 0:
        return (1 + factor) / 2
    low, high = 0.0, 1 + 10 * noise
    return float(brentq(lambda r: log_density(r, factor) - log_density(r, 1.0), low, high))


def _rice_below(threshold: float, radius: float, noise: float) -> float:
    """The Rice distribution function: its density integrated numerically, in stddevs from the circle."""
    from scipy.integrate import quad
    from scipy.special import ive

    def density(u: float) -> float:
        r = radius + noise * u
        return float(r / noise * np.exp(-u * u / 2) * ive(0, r * radius / noise**2))

    reach = 40.0  # beyond it the density is below 1e-300
    low, high = max(-radius / noise, -reach), min((threshold - radius) / noise, reach)
    steps = np.linspace(low, high, 9)
    return float(sum(quad(density, a, b)[0] for a, b in pairwise(steps))) if low < high else 0.0
