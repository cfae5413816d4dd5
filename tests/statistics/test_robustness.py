"""Noise at test time: scores at each strength, compared pair by pair."""

import pytest
from made_trials import made_trials, resampled, under_noise

from noiseflow.report.sections.robustness import crossings
from noiseflow.statistics.robustness import compare_under_noise, robustness_scores


def trials():
    """The variant is .02 worse on clean rows; the baseline loses half a strength, the variant a tenth."""
    scores = {"baseline": [0.8 + 0.001 * i for i in range(12)], "noise": [0.78 + 0.0011 * i for i in range(12)]}
    made = made_trials({name: resampled(found) for name, found in scores.items()})
    return under_noise(made)


def test_scores_are_a_row_a_trial_and_strength():
    scores = robustness_scores(trials())
    assert len(scores) == 24 * 3
    assert scores.loc[scores["test_strength"] == 0.4, "score"].iloc[0] == pytest.approx(0.8 - 0.2)


def test_comparison_under_noise_is_paired_at_each_strength():
    """By hand: the mean of .0001 i is .00055; at .4 the baseline has lost .2 and the variant .04."""
    table = compare_under_noise(trials(), 0.01).set_index(["variant", "test_strength"])
    assert table.loc[("noise", 0.0), "difference_mean"] == pytest.approx(-0.02 + 0.00055)
    assert table.loc[("noise", 0.4), "difference_mean"] == pytest.approx(-0.02 + 0.00055 + 0.16)
    assert table.loc[("noise", 0.0), "verdict"] == "worse"
    assert table.loc[("noise", 0.4), "verdict"] == "better"


def test_sentence_says_cost_and_from_where_it_wins():
    (sentence,) = crossings(compare_under_noise(trials(), 0.01))
    assert "costs 1.95 points on clean rows" in sentence
    assert sentence.endswith("is better from 0.1 on.")


def test_trials_without_test_noise_have_no_rows():
    assert compare_under_noise(made_trials({"baseline": resampled([0.5])}), 0.01).empty
