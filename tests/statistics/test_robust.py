"""Second opinions against published examples and an independent BCa."""

from math import isnan

import numpy as np
import pytest
from scipy import stats

from noiseflow.statistics import inference
from noiseflow.statistics.inference import (
    PERMUTATION_SEED,
    cohen_dz,
    sign_flip_p,
    t_interval,
    values_to_flip,
    values_to_resample,
)
from noiseflow.statistics.robust import bca_interval, interquartile_mean, wilcoxon_p

SKEWED = np.random.default_rng(3).gamma(2.0, 1.0, 25) - 1.5
DARWIN = np.array([6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75.0])
"""Darwin's maize (Fisher, 1935): heights of crossed minus self-fertilised plants, eighths of an inch."""


def bca_by_hand(values, n_resamples=200_000):
    rng = np.random.default_rng(8)
    means = np.concatenate(
        [rng.choice(values, (20_000, values.size)).mean(axis=1) for _ in range(n_resamples // 20_000)]
    )
    z0 = stats.norm.ppf(np.mean(means < values.mean()))
    centred = values - values.mean()
    acceleration = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    z = z0 + np.array([-1.959964, 1.959964])
    return np.quantile(means, stats.norm.cdf(z0 + z / (1 - acceleration * z)))


def test_bca_interval_matches_an_independent_one():
    assert bca_interval(SKEWED) == pytest.approx(bca_by_hand(SKEWED), abs=0.03 * SKEWED.std())
    assert bca_interval(SKEWED) == bca_interval(SKEWED)


@pytest.mark.parametrize("n", [0, 1, 2, 19])
def test_bca_interval_is_nan_below_twenty(n):
    assert all(isnan(bound) for bound in bca_interval(np.arange(n) / 10))


def test_bca_interval_of_a_constant_is_nan_and_of_one_odd_value_finite():
    assert all(isnan(bound) for bound in bca_interval(np.full(30, 0.1)))
    low, high = bca_interval(np.array([0.0] * 29 + [0.1]))
    assert -1e-12 <= low < high <= 0.1


def test_wilcoxon_p_matches_darwins_maize():
    assert wilcoxon_p(DARWIN / 100) == pytest.approx(0.041259765625)  # scipy's documentation; exact


@pytest.mark.parametrize("n", [2, 5, 10, 13])
def test_wilcoxon_p_of_equal_sizes_matches_scipys_permutations(n):
    differences = np.random.default_rng(n).integers(-3, 6, n) / 70
    expected = stats.wilcoxon(differences[differences != 0] * 70, method=stats.PermutationMethod(n_resamples=2**13))
    assert wilcoxon_p(differences) == pytest.approx(expected.pvalue)


def test_wilcoxon_p_of_ties_is_one_and_of_fewer_than_two_nan():
    assert wilcoxon_p(np.zeros(5)) == 1.0
    assert wilcoxon_p(np.array([0.0, 0.1])) == 1.0
    assert isnan(wilcoxon_p(np.array([0.1])))


def test_interquartile_mean_is_of_the_middle_half():
    assert interquartile_mean(np.array([8.0, 1, 2, 3, 4, 5, 6, 700])) == pytest.approx((3 + 4 + 5 + 6) / 4)
    assert interquartile_mean(np.array([2.0])) == 2.0
    assert isnan(interquartile_mean(np.array([])))


@pytest.mark.parametrize(("mean", "values"), [(0.0005, "tied"), (0.0005, "skewed"), (0.15, "tied"), (0.15, "skewed")])
def test_many_values_answer_in_blocks_as_one_by_one(monkeypatch, mean, values):
    rng = np.random.default_rng(1)
    tied, skewed = rng.normal(0.0, 0.02, (3, 500)), 0.02 * (rng.exponential(size=(3, 500)) - 1)
    rows = np.rint(70 * (mean + tied)) / 70 if values == "tied" else mean + skewed
    one_by_one = bca_interval(rows), sign_flip_p(rows)
    monkeypatch.setattr(inference, "MOST_ALONE", 400)
    monkeypatch.setattr(inference, "BLOCKS", 200)
    resampled, flipped = (
        np.stack([together(row) for row in rows]) for together in (values_to_resample, values_to_flip)
    )
    assert resampled.shape == flipped.shape == (3, 200)
    in_blocks = bca_interval(resampled), sign_flip_p(flipped)
    error = rows.std() / np.sqrt(500)  # a spread from 200 blocks has an error of 5 %, and 1.96 of it lie to an end
    assert np.abs(np.array(in_blocks[0]) - np.array(one_by_one[0])).max() < 0.3 * error
    assert in_blocks[1] == pytest.approx(one_by_one[1], abs=0.08)
    assert (in_blocks[1] < 0.001).all() == (mean > 0.01)


@pytest.mark.parametrize("n", [20, 33])
def test_rows_at_once_are_scipys_one_by_one_to_the_last_bit(n):
    rows = np.rint(70 * np.random.default_rng(n).normal(0.005, 0.02, (5, n))) / 70
    low, high = bca_interval(rows)
    for at, row in enumerate(rows):
        found = stats.bootstrap(
            (row,), np.mean, batch=2_000_000 // n, method="BCa", rng=np.random.default_rng(PERMUTATION_SEED)
        )
        assert (low[at], high[at]) == tuple(found.confidence_interval)
    for function in (t_interval, sign_flip_p, wilcoxon_p, interquartile_mean, cohen_dz):
        alone = np.array([function(row) for row in rows])
        assert np.array_equal(np.array(function(rows)).T, alone)
    interval = stats.ttest_1samp(rows, 0.0, axis=-1).confidence_interval(0.95)
    assert np.array_equal(t_interval(rows), [interval.low, interval.high])
