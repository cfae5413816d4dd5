"""Rows that are made: as many as wanted, and fresh ones for each data seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import make_circles, make_friedman1, make_moons

from noiseflow.datasets.data import Array, Data, boundary_grid, standardized
from noiseflow.spec import Dataset

Rows = tuple[Array, Array]
WAVE_CYCLES = (1, 2)
"""The whole cycles that a wave of class 0 and of class 1 runs through."""


def make_circles_data(dataset: Dataset, data_seed: int) -> Data:
    """Points of two circles around each other, moved by noise; class 1 is the inner one."""

    def rows(n: int, random_state: Any) -> Rows:
        return _floats(make_circles(n, noise=dataset.noise, factor=dataset.factor, random_state=random_state))

    return _points(dataset, data_seed, rows)


def make_moons_data(dataset: Dataset, data_seed: int) -> Data:
    """Points of two half circles that reach into each other, moved by noise."""
    return _points(dataset, data_seed, lambda n, state: _floats(make_moons(n, noise=dataset.noise, random_state=state)))


def make_friedman1_data(dataset: Dataset, data_seed: int) -> Data:
    """10 sin(π x1 x2) + 20 (x3 - 1/2)² + 10 x4 + 5 x5 and noise, over uniform features of which the others do nothing.

    References:
        Friedman (1991), Multivariate adaptive regression splines, equation 61.
    """

    def rows(n: int, random_state: Any) -> Rows:
        return make_friedman1(n, dataset.n_features, noise=dataset.noise, random_state=random_state)  # type: ignore[no-any-return]

    train, test, *fresh = _parts(dataset, rows, data_seed, _fresh_state(data_seed))
    if dataset.standardize:
        return Data(**standardized(0, train, test, *fresh), n_classes=0)
    return Data(*train, *test, n_classes=0, **_eval_fields(fresh))


def make_waves_data(dataset: Dataset, data_seed: int) -> Data:
    """Sinusoids of two frequencies to be told apart; X: (n_rows, length, 1).

    x[t] = sin(2π k t / length + phase) + noise · e[t], where k is `WAVE_CYCLES[y]`, phase is uniform over a full turn
    and e standard normal. As each wave runs through whole cycles, its energy says nothing about its class, and the best
    possible rule is known (`rules.py`): at a length of 20 and noise 1 it is right for 96 % of the waves. An LSTM of 32 units
    learns 60 of them by heart within 200 epochs, and then tells 76 to 84 % of fresh ones (Keras, two seeds).
    """
    length = dataset.length or 0

    def rows(n: int, rng: Any) -> Rows:
        y = rng.permutation(np.arange(n) % 2)
        phase = rng.uniform(0, 2 * np.pi, n)
        angle = 2 * np.pi * np.asarray(WAVE_CYCLES)[y][:, None] * np.arange(length) / length
        X = np.sin(angle + phase[:, None]) + dataset.noise * rng.standard_normal((n, length))
        return X[..., None], y.astype(float)

    train, test, *fresh = _parts(dataset, rows, np.random.default_rng(data_seed), _fresh_generator(data_seed))
    return Data(*train, *test, n_classes=2, **_eval_fields(fresh))


def _points(dataset: Dataset, data_seed: int, rows: Callable[[int, Any], Rows]) -> Data:
    """Two classes of points in the plane."""
    train, test, *fresh = _parts(dataset, rows, data_seed, _fresh_state(data_seed))
    grid = boundary_grid(np.concatenate([train[0], test[0]]))
    return Data(*train, *test, n_classes=2, grid=grid, **_eval_fields(fresh))


def _parts(dataset: Dataset, rows: Callable[[int, Any], Rows], state: Any, fresh: Any) -> list[Rows]:
    """Rows to train and to test, and fresh ones where they are wanted."""
    X, y = rows(dataset.n_samples or 0, state)
    n = dataset.n_train
    parts = [(X[:n], y[:n]), (X[n:], y[n:])]
    return [*parts, rows(dataset.n_eval, fresh)] if dataset.n_eval else parts


def _eval_fields(fresh: list[Rows]) -> dict[str, Any]:
    return {"X_eval": fresh[0][0], "y_eval": fresh[0][1]} if fresh else {}


def _fresh_sequence(data_seed: int) -> np.random.SeedSequence:
    """What the stream of fresh rows is seeded with.

    It is no whole number but a child of the data seed's sequence: no data seed, this one or another, makes its training
    and test rows from it, and those are the same whether fresh rows are drawn or not.
    """
    return np.random.SeedSequence(data_seed, spawn_key=(1,))


def _fresh_state(data_seed: int) -> np.random.RandomState:
    return np.random.RandomState(np.random.MT19937(_fresh_sequence(data_seed)))  # what scikit-learn's generators take


def _fresh_generator(data_seed: int) -> np.random.Generator:
    return np.random.default_rng(_fresh_sequence(data_seed))


def _floats(rows: tuple[Any, Any]) -> Rows:
    return rows[0], rows[1].astype(float)


GENERATED: dict[str, Callable[[Dataset, int], Data]] = {
    "circles": make_circles_data,
    "moons": make_moons_data,
    "friedman1": make_friedman1_data,
    "waves": make_waves_data,
}
