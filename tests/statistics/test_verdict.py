"""A comparison says only what its pairs allow, and the verdict is read off its band."""

from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from made_trials import crossed

from noiseflow.statistics.differences import difference_of
from noiseflow.statistics.verdict import decide, pair_up


def pairs_of(scores, baseline):
    return pd.DataFrame({"data_seed": 1, "seed": range(len(scores)), "score": scores, "score_baseline": baseline})


def pairing(n, n_broken=0):
    return pair_up(pairs_of([0.8] * n + [nan] * n_broken, [0.7] * (n + n_broken)))


@pytest.mark.parametrize(
    ("band", "pairs", "verdict"),
    [
        ((0.001, 0.05), pairing(30), "better"),
        ((-0.05, -0.001), pairing(30), "worse"),
        ((0.001, 0.009), pairing(30), "equivalent"),  # clear, below the margin
        ((-0.001, 0.02), pairing(30), "inconclusive"),
        ((0.0, 0.02), pairing(30), "inconclusive"),
        ((-0.002, 0.01), pairing(30), "inconclusive"),
        ((0.02, 0.04), pairing(5), "inconclusive"),
        ((0.02, 0.04), pairing(38, 2), "better"),
        ((0.02, 0.04), pairing(37, 3), "inconclusive"),
        ((nan, nan), pairing(30), "inconclusive"),
    ],
)
def test_decide_reads_the_verdict_off_the_band(band, pairs, verdict):
    assert decide(*band, 0.01, pairs) == verdict


def test_decide_goes_by_the_failures_where_many_pairs_broke():
    assert decide(0.02, 0.04, 0.01, pairing(21, 9), "better") == "better"
    assert decide(0.02, 0.04, 0.01, pairing(30), "worse") == "better"


@pytest.mark.parametrize(("shape", "speaks"), [((2, 9), False), ((9, 2), False), ((3, 3), True)])
def test_crossed_pairs_need_three_data_seeds_and_three_seeds(shape, speaks):
    grid = crossed(0.8 + 0.001 * np.arange(np.prod(shape)).reshape(shape) % 0.003)
    pairs = pd.DataFrame([[*key, score, 0.7] for key, score in grid.items()])
    found = pair_up(pairs.set_axis(["data_seed", "seed", "score", "score_baseline"], axis=1))
    assert (found.n_units, found.least_n) == (min(shape), 3)
    assert (decide(0.02, 0.04, 0.01, found) == "better") == speaks


def test_crossed_pairs_are_described_by_their_complete_part():
    """A failed trial costs its data seed or its seed, in the effect size as in the mean."""
    grid = np.array([[0.1, 0.2, 0.3], [0.2, 0.3, 0.1], [0.3, 0.1, 0.2], [0.9, nan, nan]])
    rows = [[i, j, 0.5 + grid[i, j], 0.5] for i in range(4) for j in range(3)]
    pairs = pd.DataFrame(rows, columns=["data_seed", "seed", "score", "score_baseline"])
    told = difference_of(pairs, 0.01)
    assert told["difference_mean"] == pytest.approx(0.2)
    assert told["effect_size"] == pytest.approx(0.2 / grid[:3].std(ddof=1))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_difference_of_few_pairs_says_only_what_it_can(n):
    told = difference_of(pairs_of(np.arange(n) * 0.1 + 0.5, [0.4] * n), 0.01)
    assert told["n_pairs"] == n
    assert isnan(told["difference_mean"]) == (n == 0)
    assert isnan(told["difference_ci_low"]) == isnan(told["p_value"]) == (n < 2)


def test_a_difference_leaves_out_pairs_with_a_missing_member():
    told = difference_of(pairs_of([0.9, nan, 0.7, 0.8], [0.5, 0.5, nan, 0.6]), 0.01)
    assert (told["n_pairs"], told["n_broken"], told["survivors_only"]) == (2, 2, True)
    assert told["difference_mean"] == pytest.approx(0.3)
