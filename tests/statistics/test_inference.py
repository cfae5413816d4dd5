"""Intervals and tests against values by hand, from tables and by enumeration; coverage by simulation, marked slow."""

from itertools import product
from math import isnan, nan

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from noiseflow.statistics.inference import (
    LEAST_N,
    cohen_dz,
    holm,
    percentile_of_published,
    probability_better,
    sign_flip_p,
    t_interval,
)

SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
"""Student's sleep data (1908), differences: mean 1.58, t = 4.0621, 95 % interval .7001 to 2.4599 (R: t.test)."""


def test_t_interval_matches_students_sleep_data():
    assert t_interval(SLEEP) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)


@pytest.mark.parametrize("values", [[], [0.3]])
def test_t_interval_is_nan_below_two_values(values):
    assert all(isnan(bound) for bound in t_interval(np.array(values)))


def test_t_interval_of_equal_values_has_no_width():
    assert t_interval(np.full(5, 0.1)) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("differences", [[0.3, -0.1, 0.2, 0.2], [1, 2, 3, -1, 0, 0, 5], [0.1] * 6])
def test_sign_flip_p_equals_full_enumeration(differences):
    whole = np.rint(np.array(differences) * 10).astype(int)
    flipped = [abs(int(np.dot(signs, whole))) for signs in product((-1, 1), repeat=len(whole))]
    expected = np.mean([total >= abs(int(whole.sum())) for total in flipped])
    assert sign_flip_p(np.array(differences)) == pytest.approx(expected, abs=1e-12)


def test_sign_flip_p_of_many_pairs_is_scipys():
    differences = np.random.default_rng(5).normal(0.01, 0.03, 40)
    peer = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=99_999,
        rng=np.random.default_rng(1),
    )
    assert sign_flip_p(differences) == pytest.approx(
        peer.pvalue, abs=4 * np.sqrt(2 * 0.05 / 99_999)
    )  # 4 errors of both


def test_sign_flip_p_counts_ties_of_float32_scores():
    scores = np.array([54, 55, 53, 56, 54, 55, 52, 53], dtype=np.float32) / np.float32(70)
    others = np.array([53, 55, 54, 54, 53, 54, 52, 52], dtype=np.float32) / np.float32(70)
    exact = np.array([1, 0, -1, 2, 1, 1, 0, 1], dtype=float)
    assert sign_flip_p(scores.astype(float) - others.astype(float)) == sign_flip_p(exact)


def test_sign_flip_p_of_many_pairs_is_near_the_normal_one_and_repeats():
    differences = np.random.default_rng(1).normal(0.3, 1, 60)
    p = sign_flip_p(differences)
    z = differences.sum() / np.sqrt((differences**2).sum())
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.005)
    assert sign_flip_p(differences) == p


def test_sign_flip_p_of_zeros_is_one_and_of_fewer_than_two_nan():
    assert sign_flip_p(np.zeros(9)) == 1.0
    assert isnan(sign_flip_p(np.array([0.2])))
    assert isnan(sign_flip_p(np.array([])))


def test_cohen_dz_is_mean_over_standard_deviation_and_nan_without_spread():
    assert cohen_dz(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert isnan(cohen_dz(np.full(4, 0.5)))
    assert isnan(cohen_dz(np.array([0.5])))


def test_probability_better_counts_ties_half():
    assert probability_better(np.array([0.1, 0.0, -0.2, 0.3])) == pytest.approx(0.625)
    assert isnan(probability_better(np.array([])))


def test_holm_matches_the_procedure_by_hand():
    # ordered .01 .02 .03 .04: times 4, 3, 2, 1, then the running maximum
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_matches_statsmodels():
    p_values = [0.01, 0.2, 0.01, 0.04, 0.3, 0.25, 0.02]
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_holm_counts_a_missing_p_in_the_family():
    adjusted = holm([0.02, nan])
    assert adjusted[0] == pytest.approx(0.04)
    assert isnan(adjusted[1])
    assert holm([]) == []


def test_least_n_is_where_the_test_can_speak():
    unanimous = [sign_flip_p(np.ones(k)) for k in (LEAST_N - 1, LEAST_N)]
    assert unanimous[0] >= 0.05 > unanimous[1]


def test_percentile_of_published_counts_rounded_ties_half():
    scores = [52 / 70, 53 / 70, 53 / 70, 54 / 70]  # 53/70 = .75714, published as .757
    assert percentile_of_published(scores, 0.757) == pytest.approx(50.0)
    assert percentile_of_published(scores, 0.9) == 100.0
    assert percentile_of_published(scores, 0.1) == 0.0
    assert isnan(percentile_of_published([], 0.757))
    assert isnan(percentile_of_published([nan], 0.757))


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 30])
def test_t_interval_covers_the_truth_in_95_of_100_pilots(n):
    """On what it will meet: differences in whole points of 70, a little skewed."""
    rng = np.random.default_rng(n)
    draws = np.rint(rng.gamma(20, 0.5, (2000, n)) - 7) / 70
    truth = (np.rint(rng.gamma(20, 0.5, 2_000_000) - 7) / 70).mean()
    bounds = np.array([t_interval(draw) for draw in draws])
    assert 0.93 <= np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])) <= 0.97
