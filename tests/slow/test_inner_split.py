"""Strengths on a finite table, chosen on an inner split of the training rows: where features mean nothing the gain is 0."""

import numpy as np
import pandas as pd
import pytest

from noiseflow.datasets.rows import inner_split
from noiseflow.statistics.crossfit import honest_scores
from noiseflow.trials.plan import INNER_SPLITS

pytestmark = pytest.mark.slow
N_ROWS, N_FEATURES, N_SPLITS = 60, 20, 20
STRENGTHS = (0.0, 0.3, 1.0, 3.0, 10.0)
"""Of input noise on a linear model, which is ridge regression; the first is the baseline."""


def hits(X, y, train, test, strength):
    """The share of the test rows whose class a linear model under input noise finds."""
    mean, level = X[train].mean(axis=0), y[train].mean()
    A = X[train] - mean
    w = np.linalg.solve(A.T @ A + (1e-6 + strength**2) * len(train) * np.eye(N_FEATURES), A.T @ (y[train] - level))
    return ((((X[test] - mean) @ w + level) > 0.5) == y[test]).mean()


def table_of(rng):
    """The trials of one table of two equal classes: each strength on each split, with its inner score."""
    X, y = rng.normal(size=(N_ROWS, N_FEATURES)), rng.permutation(np.repeat([0.0, 1.0], N_ROWS // 2))
    rows = []
    for seed in range(N_SPLITS):
        train, test = inner_split(y, True, [seed, int(rng.integers(2**31))])
        inner = [inner_split(y[train], True, [seed, number]) for number in range(INNER_SPLITS)]
        for strength in STRENGTHS:
            own = np.mean([hits(X, y, train[t], train[v], strength) for t, v in inner])
            rows.append((seed, strength, hits(X, y, train, test, strength), own))
    frame = pd.DataFrame(rows, columns=["seed", "strength", "test_score", "inner_score"])
    is_noise = frame["strength"] > 0
    return frame.assign(
        dataset="table",
        architecture="mlp",
        variant=["noise" + str(s) if s else "baseline" for s in frame["strength"]],
        family=np.where(is_noise, "noise", "baseline"),
        data_seed=frame["seed"],
        eval_score=np.nan,
        inner_score=frame["inner_score"].where(is_noise),
        status="completed",
    )


def gain(trials):
    means = honest_scores(trials).groupby("family")["score"].mean()
    return means["noise"] - means["baseline"]


def gains(n_tables):
    """Of each table, the gain by inner splits and by halves of the data seeds: (n_tables, 2)."""
    rng = np.random.default_rng(16)
    tables = [table_of(rng) for _ in range(n_tables)]
    return np.array([(gain(table), gain(table.drop(columns="inner_score"))) for table in tables])


@pytest.mark.parametrize("n_tables", [100, pytest.param(600, marks=pytest.mark.evidence)])
def test_gain_with_features_that_mean_nothing_is_zero(n_tables):
    found = gains(n_tables)
    error = found.std(axis=0, ddof=1) / n_tables**0.5
    print(f"{n_tables} tables: by inner splits, by halves: {100 * found.mean(axis=0)} ± {100 * error} points")
    assert abs(found[:, 0].mean()) < 3 * error[0]
    assert n_tables < 500 or found[:, 1].mean() > 3 * error[1]
