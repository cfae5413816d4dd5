"""The best possible rule, where the law that the rows come from is known, and how often it is right."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ive

from noiseflow.datasets.data import Array
from noiseflow.datasets.generators import WAVE_CYCLES
from noiseflow.spec import Dataset


def circles_rule(dataset: Dataset, X: Array) -> Array:
    """The likelier circle of each point."""
    return (np.hypot(X[:, 0], X[:, 1]) < circles_threshold(*_circles(dataset))).astype(float)


def circles_threshold(noise: float, factor: float = 0.8) -> float:
    """The radius below which the inner circle (class 1) is the likelier.

    A point of a circle of radius R, moved by isotropic normal noise, lies at distance r from the centre with the Rice
    density, r/s² exp(-(r² + R²) / 2s²) I0(rR/s²); the threshold is where both circles' densities are equal. With equal
    class frequencies that is the Bayes rule.

    References:
        Rice (1945), Mathematical analysis of random noise, eq. 3.10-11.
    """

    def log_density(r: float, radius: float) -> float:
        return -((r - radius) ** 2) / (2 * noise**2) + float(np.log(ive(0, r * radius / noise**2)))

    if noise == 0:
        return (1 + factor) / 2
    low, high = 0.0, 1 + 10 * noise
    return float(brentq(lambda r: log_density(r, factor) - log_density(r, 1.0), low, high))


def circles_accuracy(dataset: Dataset) -> float:
    """How often `circles_rule` is right on fresh points: the mean of both classes."""
    noise, factor = _circles(dataset)
    if noise == 0:
        return 1.0
    threshold = circles_threshold(noise, factor)
    return (_rice_below(threshold, factor, noise) + 1 - _rice_below(threshold, 1.0, noise)) / 2


def _rice_below(threshold: float, radius: float, noise: float) -> float:
    """The Rice distribution function: its density integrated numerically, in stddevs from the circle."""

    def density(u: float) -> float:
        r = radius + noise * u
        return float(r / noise * np.exp(-u * u / 2) * ive(0, r * radius / noise**2))

    reach = 40.0  # beyond it the density is below 1e-300
    low, high = max(-radius / noise, -reach), min((threshold - radius) / noise, reach)
    steps = np.linspace(low, high, 9)
    return float(sum(quad(density, a, b)[0] for a, b in pairwise(steps))) if low < high else 0.0


def _circles(dataset: Dataset) -> tuple[float, float]:
    return float(dataset.noise or 0), float(dataset.factor or 0)


def waves_rule(_dataset: Dataset, X: Array) -> Array:
    """The frequency of the larger periodogram.

    A sinusoid of known frequency, whole cycles and uniform phase has the likelihood I0(|F|/s²) exp(-length/4s²), F being its
    Fourier coefficient: it grows with |F| alike for both frequencies.

    References:
        Proakis and Salehi (2008), Digital communications, 5th edition, section 4.5 (noncoherent detection).
    """
    spectrum = np.abs(np.fft.rfft(X[..., 0], axis=1))
    first, second = WAVE_CYCLES
    return (spectrum[:, second] > spectrum[:, first]).astype(float)


def waves_accuracy(dataset: Dataset) -> float:
    """How often `waves_rule` is right on fresh waves: 1 - exp(-length / 8 noise²) / 2.

    References:
        Proakis and Salehi (2008), section 4.5: of two orthogonal signals of unknown phase, exp(-energy / 2 N0) / 2 are
        mistaken; here the energy is length / 2, and N0 = 2 noise².
    """
    noise = float(dataset.noise or 0)
    return 1.0 if noise == 0 else float(1 - np.exp(-(dataset.length or 0) / (8 * noise**2)) / 2)


def has_rule(dataset: Dataset) -> bool:
    """Whether the best rule is known; a wave of four steps is too short to tell its cycles from their mirror image."""
    return dataset.kind in BAYES_RULES and not (dataset.kind == "waves" and (dataset.length or 0) <= 4)


BAYES_RULES: dict[str, Callable[[Dataset, Array], Array]] = {"circles": circles_rule, "waves": waves_rule}
BAYES_ACCURACIES: dict[str, Callable[[Dataset], float]] = {"circles": circles_accuracy, "waves": waves_accuracy}
