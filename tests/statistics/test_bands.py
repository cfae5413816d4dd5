"""One band for all comparisons, against values by hand and the tests that it joins."""

from itertools import product
from math import inf, isnan

import numpy as np
import pytest
from scipy import stats

from noiseflow.statistics.bands import PairedDifferences, long_tail, simultaneous, studentised
from noiseflow.statistics.estimate import Estimate
from noiseflow.statistics.inference import sign_flip_p

GAINS = 0.015 + np.array([-0.02, -0.015, -0.01, -0.005, 0.0, 0.005, 0.01, 0.015, 0.02])  # symmetric: no long tail


def flipped(differences, **known):
    return PairedDifferences(np.asarray(differences), np.arange(len(differences)), **known)


def test_one_comparison_has_the_p_of_the_sign_flip_test():
    (band,) = simultaneous([flipped(GAINS)])
    assert band.p_adjusted == sign_flip_p(GAINS)
    assert band.low > 0


def test_the_band_of_one_comparison_is_the_flip_test_inverted():
    """A true mean lies inside exactly as long as the test of it, by all 512 flips, does not reject."""
    (band,) = simultaneous([flipped(GAINS)])
    for end, inwards in ((band.low, 1e-4), (band.high, -1e-4)):
        assert sign_flip_p(GAINS - end - inwards) > 0.05 >= sign_flip_p(GAINS - end + inwards)


def test_p_is_that_of_the_largest_statistic():
    """By hand, from all flips of both comparisons at once: one vector of flips a seed; the other one less its mean."""
    rng = np.random.default_rng(8)
    spread = rng.normal(0, 0.02, (4, 2))
    values = np.array([0.02, 0.008]) + np.concatenate([spread, -spread, np.zeros((1, 2))]).round(3)
    t = np.abs(stats.ttest_1samp(values, 0).statistic)
    flips = np.array(list(product([1, -1], repeat=9)))
    own, centred = (
        np.abs([stats.ttest_1samp(flip[:, None] * part, 0).statistic for flip in flips])
        for part in (values, values - values.mean(axis=0))
    )
    by_hand = [np.mean(np.maximum(own[:, k], centred[:, 1 - k]) >= t[k] - 1e-9) for k in range(2)]
    bands = simultaneous([flipped(values[:, k]) for k in range(2)])
    assert max(long_tail(values[:, 0]) + long_tail(values[:, 1])) == 1.0
    assert [band.p_adjusted for band in bands] == pytest.approx(by_hand)


@pytest.mark.slow
@pytest.mark.parametrize("means", [(0.0,) * 8, (0.1,) * 8])
def test_intervals_hold_together_whatever_the_true_means_are(means):
    """Of large differences too, which a step-down test lets go of: its intervals hold in some .85 of studies.

    So do those of flips that leave the other comparisons where they are: large means flip alike.
    """
    rng, n_studies, held = np.random.default_rng(5), 300, 0
    for _ in range(n_studies):
        values = np.array(means) + rng.normal(0, 0.01, (12, 8))
        bands = simultaneous([flipped(values[:, k], guarded=False) for k in range(8)])
        held += all(band.low <= mean <= band.high for band, mean in zip(bands, means, strict=True))
    assert held / n_studies > 0.95 - 3 * (0.95 * 0.05 / n_studies) ** 0.5


def test_the_least_n_does_not_grow_with_the_number_of_comparisons():
    rng = np.random.default_rng(1)
    values = 0.1 + 0.001 * rng.normal(size=(6, 12))
    values[:, :6] = values[:, :1]  # symmetric or not, all alike
    bands = simultaneous([PairedDifferences(np.full(6, 0.1), np.arange(6)) for _ in range(12)])
    assert [band.p_adjusted for band in bands] == [2 / 2**6] * 12


def test_band_and_p_agree_and_all_verdicts_are_read_off_one_band():
    rng = np.random.default_rng(2)
    for _ in range(20):
        values = rng.normal(rng.choice([0, 0.01, 0.03], 4), 0.02, (rng.integers(6, 20), 4))
        for band in simultaneous([flipped(values[:, k]) for k in range(4)]):
            assert (band.p_adjusted <= 0.05) == (band.low > 0 or band.high < 0)


def test_a_smaller_alpha_widens_the_band_and_scales_p():
    usual, later = (simultaneous([flipped(GAINS, alpha=alpha)])[0] for alpha in (0.05, 0.0125))
    assert later.p_adjusted == pytest.approx(4 * usual.p_adjusted)
    assert later.low < usual.low


def test_a_student_estimate_by_itself_has_its_own_interval_and_p():
    estimate = Estimate(0.02, 0.008, 7.3)
    (band,) = simultaneous([flipped(GAINS, estimate=estimate)])
    assert (band.low, band.high) == pytest.approx(estimate.interval)
    assert band.p_adjusted == pytest.approx(estimate.p_value)


@pytest.mark.parametrize(("profiles", "expected"), [(1, 0.0125), (4, 0.05)])
def test_student_bands_allow_for_what_estimates_share(profiles, expected):
    """Four that are the same one cost what one does; four of which nothing is known cost Šidák's level, near .05/4."""
    rng = np.random.default_rng(3)
    shared = [rng.normal(size=40)] * 4
    given = [{"profile": shared[k], "group": "a"} if profiles == 4 else {} for k in range(4)]
    estimate = Estimate(0.02, 0.008, 20.0)
    bands = simultaneous([flipped(GAINS, estimate=estimate, **known) for known in given])
    half = stats.t.isf(expected / 2, 20) * 0.008
    assert bands[0].high - 0.02 == pytest.approx(half, rel=0.03)


def test_comparisons_without_spread_or_pairs():
    constant, zeros, few, nothing = simultaneous(
        [flipped(np.full(8, 0.1)), flipped(np.zeros(8)), flipped(np.full(5, 0.1)), flipped([0.2])]
    )
    assert (constant.low, constant.high) == (0.1, 0.1)
    assert (zeros.low, zeros.high, zeros.p_adjusted) == (0.0, 0.0, 1.0)
    assert isnan(few.low)
    assert isnan(nothing.p_adjusted)
    assert simultaneous([]) == []


def test_below_the_least_n_the_interval_is_students():
    (band,) = simultaneous([flipped(GAINS[[0, 2, 4, 5]])])
    low, high = stats.ttest_1samp(GAINS[[0, 2, 4, 5]], 0).confidence_interval()
    assert (band.low, band.high) == pytest.approx((low, high)) or band.tail


def test_flips_of_few_differences_that_are_there_count_these_alone():
    values = np.array([0.03, 0.01, 0.02, 0.04, 0.01, 0.02, 0.03])
    alone = simultaneous([flipped(values)])[0]
    beside = simultaneous([flipped(values), PairedDifferences(np.zeros(9), np.arange(3, 12))])[0]
    assert beside.p_adjusted == pytest.approx(alone.p_adjusted)


def test_long_tail_moves_the_end_on_its_side():
    mostly = np.r_[np.full(29, 0.006) + 0.001 * np.sin(np.arange(29)), -0.15]
    assert long_tail(mostly) == (3.0, 1.0)
    assert long_tail(-mostly) == (1.0, 3.0)
    assert long_tail(np.sin(np.arange(30))) == (1.0, 1.0)
    many = np.r_[np.full(9_999, 0.006) + 0.001 * np.sin(np.arange(9_999)), -0.5]
    assert long_tail(many) == pytest.approx((1.2, 1.0))


def test_a_long_tail_leaves_open_what_a_few_seeds_decide():
    values = np.r_[0.006 + 0.002 * np.sin(np.arange(28)), -0.03, -0.02]
    band = simultaneous([flipped(values)])[0]
    assert band.tail
    assert band.low < 0 < values.mean()


def test_studentised_of_no_spread_is_infinite_unless_it_is_zero():
    found = studentised(np.array([4.0, 0.0, 2.0]), np.array([4.0, 4.0, 4.0]), np.array([4.0, 4.0, 4.0]))
    assert found[:2].tolist() == [inf, 0.0]
    assert found[2] == pytest.approx(0.5 / np.sqrt((4 - 1) / 3 / 4))
