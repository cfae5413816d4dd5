"""Variance components against the textbook's mean squares, the sizes that halve an interval, and crossed cells."""

from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from made_trials import crossed, made_trials
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from noiseflow.statistics.dependence import dependent_mean
from noiseflow.statistics.summary import summarize
from noiseflow.statistics.variance_components import (
    Components,
    complete_part,
    components,
    data_share,
    how_many_to_halve,
)
from noiseflow.statistics.variance_table import COMPONENT_COLUMNS, variance_components

rng = np.random.default_rng(4)
GRID = 0.02 + rng.normal(0, 0.03, (5, 1)) + rng.normal(0, 0.02, (1, 4)) + rng.normal(0, 0.01, (5, 4))


def pairs_of(grid):
    return pd.DataFrame(
        [(i, j) for i in range(grid.shape[0]) for j in range(grid.shape[1])], columns=["data_seed", "seed"]
    )


def mean_squares(grid):
    """Of an analysis of variance by least squares: rows, columns, residual."""
    frame = pairs_of(grid).assign(y=grid.ravel())
    table = anova_lm(ols("y ~ C(data_seed) + C(seed)", frame).fit())
    return table["mean_sq"].to_numpy()


def test_components_match_an_analysis_of_variance():
    of_rows, of_columns, residual = mean_squares(GRID)
    found = components(GRID)
    assert found.residual == pytest.approx(residual)
    assert found.data == pytest.approx((of_rows - residual) / 4)
    assert found.initialisation == pytest.approx((of_columns - residual) / 5)
    assert sum(found.shares) == pytest.approx(1)


def test_components_estimate_has_satterthwaites_interval():
    of_rows, of_columns, residual = mean_squares(GRID)
    total = of_rows + of_columns - residual
    freedom = total**2 / (of_rows**2 / 4 + of_columns**2 / 3 + residual**2 / 12)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(total / 20)
    assert components(GRID).estimate().interval == pytest.approx((GRID.mean() - half, GRID.mean() + half))


def test_components_below_zero_are_zero_and_leave_the_sum():
    checkerboard = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
    found = components(checkerboard + 0.5)
    assert found.data == 0
    of_columns, residual = 2 * checkerboard.mean(axis=0).var(ddof=1), found.residual
    assert of_columns < residual
    assert found.initialisation == 0
    assert found.estimate().error == pytest.approx(np.sqrt(residual / 6))
    assert found.estimate().degrees_of_freedom == pytest.approx(2)


def test_components_of_a_constant_vary_in_nothing():
    found = components(np.full((3, 2), 0.1))
    assert found.shares == (0, 0, 0)
    assert found.estimate().interval == pytest.approx((0.1, 0.1))
    assert how_many_to_halve(found) == (None, None)


@pytest.mark.parametrize("grid", [np.zeros((1, 5)), np.zeros((5, 1)), np.zeros((0, 0)), np.array([[0.0, nan], [1, 2]])])
def test_components_refuse_what_is_no_complete_grid(grid):
    with pytest.raises(ValueError, match="complete grid of 2 × 2 at least; received the shape"):
        components(grid)


def width(found, d, r):
    """By the model: variance of the mean, and Satterthwaite's degrees of freedom of its mean squares."""
    estimate = found.planned(d, r)
    return 2 * estimate.error * stats.t.ppf(0.975, estimate.degrees_of_freedom)


def test_how_many_to_halve_of_data_variance_alone_is_near_three_times_as_many():
    more_data, more_seeds = how_many_to_halve(Components(30, 5, 0.0, data=1.0, initialisation=0.0, residual=1e-6))
    # 1/sqrt(n) t(n - 1): 30 data seeds have .3734, 112 have .1872, 113 have .1864
    assert more_data == 83
    assert more_seeds is None


def test_how_many_to_halve_is_the_least_that_does():
    found = components(GRID)
    more_data, more_seeds = how_many_to_halve(found)
    goal = width(found, 5, 4) / 2
    if more_data is not None:
        assert width(found, 5 + more_data, 4) <= goal < width(found, 5 + more_data - 1, 4)
    assert more_seeds is None or width(found, 5, 4 + more_seeds) <= goal


def test_complete_part_drops_the_row_or_column_that_lacks_most():
    grid = np.arange(12.0).reshape(4, 3)
    grid[1, 2] = nan
    np.testing.assert_array_equal(complete_part(grid), np.arange(12.0).reshape(4, 3)[[0, 2, 3]])
    assert complete_part(np.full((2, 2), nan)).size == 0
    assert complete_part(np.zeros((0, 3))).size == 0


def test_dependent_mean_of_one_seed_for_each_data_seed_is_left_to_the_pairs():
    pairs = pd.DataFrame({"data_seed": [1, 2, 3], "seed": [0, 1, 2]})
    assert dependent_mean(pairs, np.array([0.1, 0.2, 0.3]), None) is None
    assert dependent_mean(pairs.assign(data_seed=1), np.array([0.1, 0.2, 0.3]), 0.5) is None  # one split, not reused


def test_dependent_mean_falls_back_to_the_means_of_data_seeds():
    pairs = pairs_of(np.zeros((3, 2)))
    estimate = dependent_mean(pairs, np.array([0.1, nan, nan, 0.2, 0.6, nan]), None)
    assert estimate.mean == pytest.approx(0.3)
    assert estimate.error == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1) / np.sqrt(3))
    assert estimate.degrees_of_freedom == 2


def test_dependent_mean_of_crossed_splits_is_that_of_the_data_seeds_means():
    estimate = dependent_mean(pairs_of(GRID), GRID.ravel(), 0.5)
    assert estimate.error == pytest.approx(GRID.mean(axis=1).std(ddof=1) * np.sqrt(1 / 5 + 0.5))


def test_summarize_of_a_crossed_study_counts_data_seeds_and_seeds():
    baseline = np.full((5, 4), 0.7)
    summary = summarize(made_trials({"baseline": crossed(baseline), "noise": crossed(baseline + GRID)}), 0.01)
    row = summary.set_index("variant").loc["noise"]
    low, high = components(GRID).estimate().interval
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx((low, high))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.7 + low, 0.7 + high))
    assert row["p_value"] == pytest.approx(components(GRID).estimate().p_value)
    assert row[["bca_low", "wilcoxon_p", "n_needed"]].isna().all()
    assert not row["approximate"]


def test_variance_components_has_a_row_for_each_cell():
    baseline = GRID * 2
    trials = made_trials({"baseline": crossed(baseline), "noise": crossed(baseline + GRID)}, diverged=[("noise", 1, 0)])
    found = variance_components(trials).set_index("variant")
    assert list(found["quantity"]) == ["score", "difference"]
    assert found.loc["baseline", "data"] == pytest.approx(components(baseline).data)
    expected = components(GRID[1:])  # the data seed with the diverged trial is left out: a fourth of it is missing
    assert found.loc["noise", "residual"] == pytest.approx(expected.residual)
    assert tuple(found.loc["noise", ["n_data_seeds", "n_seeds"]]) == (4, 4)


def test_variance_components_of_no_crossed_study_is_empty():
    trials = made_trials({"baseline": {(1, 0): 0.7, (2, 1): 0.8}, "noise": {(1, 0): 0.7, (2, 1): 0.8}})
    for frame in (trials, trials.head(0)):
        found = variance_components(frame)
        assert list(found.columns) == COMPONENT_COLUMNS
        assert found.empty


@pytest.mark.parametrize("n", [0, 1])
def test_summarize_of_a_crossed_cell_with_little_left_says_what_it_can(n):
    cells = {"baseline": crossed(np.full((2, 2), 0.7)), "noise": crossed(np.full((2, 2), 0.8))}
    broken = [("noise", i, j) for i in (1, 2) for j in (0, 1)][n:]
    row = summarize(made_trials(cells, diverged=broken), 0.01).set_index("variant").loc["noise"]
    assert isnan(row["difference_mean"]) == (n == 0)
    assert isnan(row["p_value"])
    assert row["verdict"] == "inconclusive"


def test_interval_of_the_datas_share_holds_the_truth(rng):
    held = []
    for _ in range(200):
        grid = rng.normal(0, 1.0, (10, 1)) + rng.normal(0, 0.7, (1, 10)) + rng.normal(0, 0.5, (10, 10))
        _, low, high = data_share(grid)
        held.append(low <= 1 / (1 + 0.7**2) <= high)
    assert np.mean(held) > 0.9
