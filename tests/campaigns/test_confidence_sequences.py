"""Confidence sequences against the integral that they solve, and what they say of little or constant data."""

from math import exp, inf, isnan, log, nan, sqrt

import numpy as np
import pytest
from scipy import integrate, stats

from noiseflow.campaigns.confidence_sequences import (
    EFFECT_VARIANCE,
    always_valid_p,
    are_telling,
    confidence_sequence,
    count_alike,
    half_width,
    log_evidence,
    pairs_needed,
)


def mixture(t, n):
    """Likelihood of t under effects from N(0, EFFECT_VARIANCE) over that under no effect, by numerical integration."""

    def weighted(effect):
        return stats.nct.pdf(t, n - 1, effect * sqrt(n)) * stats.norm.pdf(effect, 0, sqrt(EFFECT_VARIANCE))

    return integrate.quad(weighted, -4, 4)[0] / stats.t.pdf(t, n - 1)


@pytest.mark.parametrize(("t", "n"), [(0.0, 5), (2.3, 17), (-3.0, 30), (1.0, 2)])
def test_log_evidence_is_the_mixture_of_noncentral_t_densities(t, n):
    std = 0.02
    assert float(log_evidence(t * std / sqrt(n), std, n)) == pytest.approx(log(mixture(t, n)), abs=1e-6)


def test_log_evidence_is_of_a_quantity_with_mean_1_under_the_null():
    """By integration over Student's distribution of t; ever exceeding 1/α with a chance of α at most follows by Ville."""
    for n in (2, 3, 30):

        def weighted(t, n=n):
            return exp(float(log_evidence(t / sqrt(n), 1.0, n))) * stats.t.pdf(t, n - 1)

        assert integrate.quad(weighted, -np.inf, np.inf)[0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("n", [12, 30, 365, 10_950])
@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_confidence_sequence_ends_where_the_evidence_reaches_one_over_alpha(n, alpha):
    low, high = confidence_sequence(0.03, 0.02, n, alpha)
    assert float(low + high) == pytest.approx(0.06)
    for end in (low, high):
        assert float(log_evidence(0.03 - end, 0.02, n)) == pytest.approx(-log(alpha), rel=1e-6)


def test_half_width_of_one_night_by_hand():
    # n = 30, g = .2, α = .05: 1 + n g = 7, r = (7/.0025)^(1/30) = 2800^(1/30) = 1.302922, so
    # √(29 · .302922/(1 − 1.302922/7)) = √(8.784738/.813868) = 3.285; divided by √30
    assert float(half_width(1.0, 30)) == pytest.approx(3.2854 / sqrt(30), rel=1e-3)


def test_half_width_shrinks_with_each_value_once_it_is_finite():
    widths = half_width(1.0, np.arange(1, 5000), 0.0125)
    finite = np.isfinite(widths)
    assert finite.sum() > 4980
    assert finite[np.argmax(finite) :].all()
    assert (np.diff(widths[finite]) < 0).all()


def test_half_width_is_wider_than_students_interval():
    n = np.array([10, 30, 300, 3000])
    assert (half_width(1.0, n) > stats.t.ppf(0.975, n - 1) / np.sqrt(n)).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_confidence_sequence_of_too_few_values_bounds_nothing(n):
    std = nan if n < 2 else 0.0
    assert np.isnan(confidence_sequence(0.1, std, n)).all()
    assert float(half_width(std, n)) == inf


def test_always_valid_p_of_fewer_than_two_values_is_missing():
    assert np.isnan(always_valid_p([nan, 0.1], [nan, nan], [0, 1])).all()


def test_confidence_sequence_of_equal_values_has_no_width_once_there_are_enough():
    # their evidence is (1 + n g)^((n − 1)/2), which exceeds 20 from n = 8 on: 2.4³ = 13.8 at 7, 2.6^3.5 = 28.3 at 8
    assert np.isnan(confidence_sequence(0.04, 0.0, 7)).all()
    assert [float(end) for end in confidence_sequence(0.04, 0.0, 8)] == [0.04, 0.04]
    assert float(always_valid_p(0.04, 0.0, 8)) == pytest.approx(2.6**-3.5)
    assert float(always_valid_p(0.0, 0.0, 8)) == 1.0
    assert float(always_valid_p(1e-9, 1e-9, 8)) == 1.0  # rounding is no difference


def test_always_valid_p_is_below_alpha_exactly_where_the_sequence_excludes_zero():
    mean, n = np.meshgrid(np.linspace(-0.02, 0.02, 201), [5, 30, 60, 3000])
    low, high = confidence_sequence(mean, 0.02, n, 0.0125)
    excluded = (low > 0) | (high < 0)
    assert 0 < excluded.sum() < excluded.size
    np.testing.assert_array_equal(always_valid_p(mean, 0.02, n) < 0.0125, excluded)


def test_always_valid_p_of_a_year_of_certainty_does_not_overflow():
    assert float(always_valid_p(0.5, 1e-5, 10_950)) == 0.0
    assert np.isfinite(log_evidence(0.5, 1e-5, 10_950))


def test_pairs_needed_is_the_first_number_that_is_narrow_enough():
    n = pairs_needed(0.03, 0.01, 0.0125)
    assert float(half_width(0.03, n, 0.0125)) <= 0.01 < float(half_width(0.03, n - 1, 0.0125))


@pytest.mark.parametrize(("std", "margin", "expected"), [(0.0, 0.01, 8), (10.0, 1e-3, inf)])
def test_pairs_needed_at_the_ends(std, margin, expected):
    assert pairs_needed(std, margin) == expected


@pytest.mark.parametrize(("std", "margin"), [(nan, 0.01), (0.1, nan), (0.1, 0.0)])
def test_pairs_needed_without_a_spread_or_margin_is_missing(std, margin):
    assert isnan(pairs_needed(std, margin))


def test_sequences_say_nothing_of_values_mostly_alike_until_fifteen_differ():
    assert count_alike(np.array([0.0, 0.1, 0.0, 1e-9, -0.1])) == 3
    assert count_alike(np.array([])) == 0
    np.testing.assert_array_equal(
        are_telling([2, 3, 30, 985, 986], [4, 4, 30, 1000, 1000]), [True, False, False, True, False]
    )
