"""Rows to learn from: one function for each kind of dataset, and the literal dict that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ive
from sklearn.datasets import make_circles

from noiseflow.spec import Dataset

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Rows of one data seed.

    X_train, X_test: (n_rows, n_features); y_train, y_test: (n_rows,); grid: (n_points, n_features), points at which the
    decision boundary is drawn, None unless there are two features.
    """

    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array
    grid: Array | None = None

    @property
    def parts(self) -> dict[str, tuple[Array, Array]]:
        """The splits by name, each X and y."""
        return {"train": (self.X_train, self.y_train), "test": (self.X_test, self.y_test)}


def generate(dataset: Dataset, data_seed: int) -> Data:
    """The rows of a dataset for one data seed; the same rows for the same arguments."""
    return GENERATORS[dataset.kind](dataset, data_seed)


def to_frame(dataset: Dataset, data_seed: int, data: Data) -> pd.DataFrame:
    """The rows in long form: dataset, data_seed, split, row, X (a list a row), y."""
    names = {"dataset": dataset.name, "data_seed": data_seed}
    splits = [
        pd.DataFrame({**names, "split": split, "row": np.arange(len(y)), "X": list(X.reshape(len(X), -1)), "y": y})
        for split, (X, y) in data.parts.items()
    ]
    return pd.concat(splits, ignore_index=True)


def ceiling(dataset: Dataset, X: Array, y: Array) -> float | None:
    """Score of the best possible rule on these rows, a fraction; None where the rule is not known."""
    rule = BAYES_RULES.get(dataset.kind)
    return None if rule is None else float(np.mean(rule(dataset, X) == y))


def _circles(dataset: Dataset, data_seed: int) -> Data:
    X, y = make_circles(n_samples=dataset.n_samples, noise=dataset.noise, factor=dataset.factor, random_state=data_seed)
    n = dataset.n_train
    return Data(X[:n], y[:n].astype(float), X[n:], y[n:].astype(float), boundary_grid(X))


def boundary_grid(X: Array, points: int = 50) -> Array:
    """A square lattice a little wider than the data: (points², 2)."""
    reach = 1.1 * float(np.abs(X).max())
    axis = np.linspace(-reach, reach, points)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def circles_threshold(noise: float, factor: float = 0.8) -> float:
    """The radius below which the inner circle (class 1) is the likelier.

    A point of a circle of radius R, moved by isotropic normal noise, lies at distance r from the centre with the Rice
    density, r/s² exp(-(r² + R²) / 2s²) I0(rR/s²); the threshold is where both circles' densities are equal. With equal
    class frequencies that is the Bayes rule.

    References:
        Rice (1945), Mathematical analysis of random noise, eq. 3.10-11.
    """

    def log_density(r: float, radius: float) -> float:
        return -((r - radius) ** 2) / (2 * noise**2) + np.log(ive(0, r * radius / noise**2))

    if noise == 0:
        return (1 + factor) / 2
    low, high = 0.0, 1 + 10 * noise
    return float(brentq(lambda r: log_density(r, factor) - log_density(r, 1.0), low, high))


def _circles_rule(dataset: Dataset, X: Array) -> Array:
    threshold = circles_threshold(dataset.noise, dataset.factor)
    return (np.hypot(X[:, 0], X[:, 1]) < threshold).astype(float)


GENERATORS: dict[str, Callable[[Dataset, int], Data]] = {"circles": _circles}
BAYES_RULES: dict[str, Callable[[Dataset, Array], Array]] = {"circles": _circles_rule}
