"""Drift tests against scipy's exact ones and by hand, and what they do with little, tied or missing scores."""

from math import isnan

import numpy as np
import pandas as pd
import pytest
from made_trials import made_trials, resampled
from scipy import stats

from noiseflow.campaigns.drift import DRIFT_COLUMNS, QUICK, SLOW, change_p, drift, drift_history, shift_p


def night(k, scores, **columns):
    """Trials of the k-th night of November; scores: variant -> scores, with seeds of that night's own."""
    trials = made_trials({name: resampled(values) for name, values in scores.items()}, **columns)
    fresh = {"seed": trials["seed"] + 100 * k, "data_seed": trials["data_seed"] + 100 * k}
    return trials.assign(campaign=None if k == 0 else f"2026-11-{k:02d}", **fresh)


def nights(n, shift=0.0, since=99, size=30, seed=3):
    """n nights of a baseline and a variant with a spread of .035; the variant shifts from a night on."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(1, n + 1):
        moved = shift if k >= since else 0.0
        scores = {"baseline": rng.normal(0.8, 0.035, size), "noise": rng.normal(0.8 + moved, 0.035, size)}
        parts.append(night(k, scores))
    return pd.concat(parts, ignore_index=True)


def test_drift_compares_each_cell_by_two_tests():
    trials = nights(16)
    found = drift(trials)
    assert list(found.columns) == DRIFT_COLUMNS
    assert list(found["variant"]) == ["baseline", "baseline", "noise", "noise"]
    assert list(found["test"]) == [QUICK, SLOW] * 2
    assert list(found["n_new"]) == [30, 210] * 2
    assert list(found["n_old"]) == [450, 270] * 2
    assert set(found["campaign"]) == {"2026-11-16"}
    scores = trials.loc[trials["variant"] == "noise", "test_score"].to_numpy()
    row = found.iloc[2]
    assert row["mean_new"] == pytest.approx(scores[-30:].mean())
    assert row["mean_old"] == pytest.approx(scores[:-30].mean())
    assert row["p_value"] == pytest.approx(stats.mannwhitneyu(scores[-30:], scores[:-30]).pvalue, rel=1e-6)
    assert found.iloc[3]["p_value"] == pytest.approx(stats.ks_2samp(scores[-210:], scores[:-210]).pvalue, rel=1e-6)
    assert not found["flagged"].any()


def test_drift_shares_its_error_among_nights_cells_and_tests():
    found = drift(nights(3, shift=0.04, since=3))
    expected = np.minimum(1, found["p_value"] * 365 * 2 * 2)  # nights of a year, cells, tests
    assert list(found["p_adjusted"]) == pytest.approx(list(expected))
    assert list(found["flagged"]) == list(expected < 0.05)


def test_drift_flags_the_cell_that_shifted_and_no_other():
    flagged = drift(nights(10, shift=0.06, since=10)).query("flagged")
    assert set(flagged["variant"]) == {"noise"}


def test_drift_sees_a_wider_spread_that_leaves_the_middle_where_it_was():
    trials = nights(14)
    wide = (trials["campaign"] > "2026-11-07") & (trials["variant"] == "noise")
    trials.loc[wide, "test_score"] = 0.8 + 3 * (trials.loc[wide, "test_score"] - 0.8)
    flagged = drift(trials).query("flagged")
    assert list(flagged["test"]) == [SLOW]


def test_drift_as_of_a_campaign_knows_nothing_of_later_ones():
    trials = nights(6, shift=0.3, since=5)
    early = trials[trials["campaign"] <= "2026-11-04"]
    pd.testing.assert_frame_equal(drift(trials, "2026-11-04"), drift(early))
    assert drift(trials, "2026-11-05")["flagged"].any()


def test_drift_history_is_drift_as_of_each_campaign():
    trials = nights(4)
    days = sorted(trials["campaign"].unique())
    expected = pd.concat([drift(trials, day) for day in days], ignore_index=True)
    pd.testing.assert_frame_equal(drift_history(trials), expected)
    assert sorted(expected["campaign"].unique()) == days[1:]


@pytest.mark.parametrize("n", [0, 1])
def test_drift_before_two_campaigns_has_no_rows(n):
    trials = nights(1) if n else nights(1).drop(columns="campaign")
    assert list(drift(trials).columns) == DRIFT_COLUMNS
    assert drift(trials).empty
    assert drift_history(trials).empty


def test_drift_refuses_a_campaign_that_is_not_there():
    with pytest.raises(ValueError, match=r"received '2026-12-24'. Known: 2026-11-01, 2026-11-02"):
        drift(nights(2), "2026-12-24")


def test_drift_counts_trials_without_a_campaign_as_before_all():
    first = night(0, {"baseline": [0.7, 0.8, 0.9]})
    found = drift(pd.concat([first, night(1, {"baseline": [0.7, 0.8]})], ignore_index=True))
    assert list(found["n_old"]) == [3, 3]
    assert list(found["n_new"]) == [2, 2]


def test_drift_leaves_out_diverged_trials_and_says_nothing_of_a_cell_without_scores():
    second = night(2, {"baseline": [0.8] * 3, "noise": [0.8] * 3})
    second.loc[second["variant"] == "noise", "status"] = "diverged"
    found = drift(pd.concat([night(1, {"baseline": [0.8] * 3, "noise": [0.8] * 3}), second], ignore_index=True))
    assert list(found["n_new"]) == [3, 3, 0, 0]
    assert isnan(found["p_adjusted"].iloc[2])
    assert not found["flagged"].any()


def test_drift_of_scores_that_are_all_equal_is_none():
    found = drift(pd.concat([night(k, {"baseline": [0.8] * 5}) for k in (1, 2)], ignore_index=True))
    assert list(found["p_value"]) == [1.0, 1.0]


def test_shift_p_in_its_far_tail_is_no_smaller_than_the_exact_one():
    new, old = np.arange(30) + 25.5, np.arange(60.0)
    for moved in (new, new + 5, new + 10):
        exact = stats.mannwhitneyu(moved, old, method="exact").pvalue
        assert exact < 0.01
        assert exact <= shift_p(moved, old) < 50 * exact


def test_change_p_by_hand():
    # of the C(4, 2) = 6 orders of 2 + 2 values, 2 part them wholly: P(D = 1) = 1/3
    assert change_p(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (29, 997), (209, 1000), (210, 1009), (7, 20_011)])
def test_change_p_answers_for_sizes_without_a_common_divisor(n, m):
    rng = np.random.default_rng(n)
    assert 0 < change_p(rng.normal(size=n), rng.normal(size=m)) <= 1
