"""A mean whose values depend on each other: interval, tests, and the corrected resampled t by hand."""

from math import isnan

import numpy as np
import pytest
from scipy import stats

from noiseflow.statistics.estimate import Estimate, estimate_mean

DIFFERENCES = np.array([0.02, -0.01, 0.03, 0.00, 0.04, 0.01])


def corrected_resampled_t(differences, ratio):
    estimate = estimate_mean(differences, ratio)
    return *estimate.interval, estimate.p_value


def test_corrected_resampled_t_matches_the_formula_by_hand():
    error = np.sqrt(DIFFERENCES.var(ddof=1) * (1 / 6 + 3 / 7))
    t = 0.015 / error
    expected = (0.015 - 2.5705818 * error, 0.015 + 2.5705818 * error, 2 * stats.t.sf(t, 5))  # t(.975, 5) of tables
    assert corrected_resampled_t(DIFFERENCES, 3 / 7) == pytest.approx(expected, abs=1e-8)


def test_corrected_resampled_t_without_reuse_is_students():
    expected = stats.ttest_1samp(DIFFERENCES, 0)
    assert corrected_resampled_t(DIFFERENCES, 0.0)[2] == pytest.approx(expected.pvalue)
    assert corrected_resampled_t(DIFFERENCES, 0.0)[:2] == pytest.approx(expected.confidence_interval())


@pytest.mark.parametrize("differences", [[], [0.1]])
def test_corrected_resampled_t_is_nan_below_two_values(differences):
    assert all(isnan(value) for value in corrected_resampled_t(np.array(differences), 0.5))


@pytest.mark.parametrize(("constant", "p"), [(0.0, 1.0), (0.1, 0.0)])
def test_corrected_resampled_t_of_equal_values_is_certain(constant, p):
    assert corrected_resampled_t(np.full(2, constant), 0.5) == pytest.approx((constant, constant, p))


def test_estimate_of_nothing_says_nothing():
    nothing = Estimate()
    assert all(isnan(value) for value in (*nothing.interval, nothing.p_value))
