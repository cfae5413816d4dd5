"""A paired difference says only what its pairs allow, and the verdict follows the contract."""

from math import isnan, nan

import numpy as np
import pytest

from noiseflow.statistics.verdict import PairedDifference, decide, paired_difference


@pytest.mark.parametrize(
    ("pair", "p", "p_equivalence", "verdict"),
    [
        (PairedDifference(30, 0, mean=0.03), 0.001, 0.9, "better"),
        (PairedDifference(30, 0, mean=-0.03), 0.001, 0.9, "worse"),
        (PairedDifference(30, 0, mean=0.004), 0.001, 0.01, "equivalent"),
        (PairedDifference(30, 0, mean=0.03), 0.05, 0.05, "inconclusive"),
        (PairedDifference(7, 0, mean=0.03), 0.001, 0.001, "inconclusive"),
        (PairedDifference(38, 2, mean=0.03), 0.001, 0.9, "better"),
        (PairedDifference(37, 3, mean=0.03), 0.001, 0.9, "inconclusive"),
        (PairedDifference(30, 0, mean=nan), nan, nan, "inconclusive"),
    ],
)
def test_decide_follows_the_contract(pair, p, p_equivalence, verdict):
    assert decide(pair, p, p_equivalence, comparisons=4) == verdict


@pytest.mark.parametrize("n", [0, 1, 2])
def test_paired_difference_of_few_pairs_says_only_what_it_can(n):
    pair = paired_difference(np.arange(n) * 0.1 + 0.5, np.full(n, 0.4), 0.01)
    assert pair.n_pairs == n
    assert isnan(pair.mean) == (n == 0)
    assert isnan(pair.ci_low) == isnan(pair.p_value) == isnan(pair.p_equivalence) == (n < 2)


def test_paired_difference_leaves_out_pairs_with_a_missing_member():
    pair = paired_difference(np.array([0.9, nan, 0.7, 0.8]), np.array([0.5, 0.5, nan, 0.6]), 0.01)
    assert (pair.n_pairs, pair.n_broken) == (2, 2)
    assert pair.mean == pytest.approx(0.3)
    assert pair.survivors_only
