"""Seeds needed, against published sizes."""

from math import inf, isnan, nan

import numpy as np
import pytest

from noiseflow.statistics.power import needed_range, seeds_needed


@pytest.mark.parametrize(("effect", "n"), [(0.3, 90), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_matches_gpower(effect, n):
    """Two-sided paired t, level .05, power .8: G*Power's table."""
    assert seeds_needed(0.01 / effect, 0.01) == n


def test_seeds_needed_grows_with_comparisons_and_power():
    assert seeds_needed(0.02, 0.01, comparisons=10) == pytest.approx(
        56, abs=2
    )  # (1.96 + .84)² → (2.807 + .842)²/d², plus 2
    assert seeds_needed(0.02, 0.01, power=0.9) == 44  # G*Power


@pytest.mark.parametrize(("comparisons", "n"), [(1, 6), (20, 6)])
@pytest.mark.parametrize("std", [0.0, 1e-9, 1e-4])
def test_seeds_needed_is_never_below_the_least_n(std, comparisons, n):
    assert seeds_needed(std, 0.01, comparisons) == n


@pytest.mark.parametrize("comparisons", [1, 16, 128])
def test_seeds_needed_grows_with_the_spread(comparisons):
    sizes = [seeds_needed(std, 0.01, comparisons) for std in np.geomspace(0.001, 0.3, 60)]
    assert sizes == sorted(sizes)
    assert seeds_needed(0.0711, 0.01, 128) == pytest.approx(
        (3.548 + 0.842) ** 2 * 7.11**2, rel=0.02
    )  # normal quantiles


def test_seeds_needed_of_a_huge_spread_is_infinite_and_of_nothing_nan():
    assert seeds_needed(100.0, 0.01) == inf
    assert all(isnan(seeds_needed(std, margin)) for std, margin in [(nan, 0.01), (0.1, nan), (0.1, 0.0), (inf, 0.01)])


def test_range_of_seeds_is_that_of_the_spread():
    """82 by 12 pairs: times 11 over the points 21.920 and 3.816 of χ² with 11 degrees of freedom."""
    assert needed_range(82, 12) == pytest.approx((41.15, 236.4), rel=1e-3)
    assert needed_range(8, 100)[0] >= 6


def test_each_comparison_is_planned_by_its_own_margin():
    alone = [float(seeds_needed(std, margin, 4)) for std, margin in ((0.02, 0.01), (0.5, 0.01), (0.5, 0.4))]
    assert seeds_needed([0.02, 0.5, 0.5], [0.01, 0.01, 0.4], 4).tolist() == alone


def test_splits_of_the_same_rows_find_only_what_their_spread_lets_them():
    """The variance of the mean does not fall below std² × ratio, whatever the number of splits."""
    assert seeds_needed(0.02, 0.01, ratio=0.0) == seeds_needed(0.02, 0.01)
    assert seeds_needed(0.02, 0.01, ratio=3 / 7) == inf
    assert seeds_needed(0.02, 0.01) < seeds_needed(0.02, 0.01, ratio=0.01) < inf
