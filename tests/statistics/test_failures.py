"""Failed trainings: which they are, how often, and whether one variant fails more often than another."""

import numpy as np
import pandas as pd
import pytest
from made_trials import made_trials

from noiseflow.statistics.failures import mark_failures, paired_failures_p, rate_interval, unseen_rate
from noiseflow.statistics.summary import summarize


def trials_of(baseline, noise, **options):
    cells = {"baseline": baseline, "noise": noise}
    return made_trials({name: {(1, k): score for k, score in enumerate(of)} for name, of in cells.items()}, **options)


def marked(baseline, noise, **options):
    trials = mark_failures(trials_of(baseline, noise, **options), {"d": 0.5})
    return {name: list(part["failed"]) for name, part in trials.groupby("variant")}


def test_no_better_than_a_constant_while_most_are_is_a_failure():
    failed = marked([0.8] * 20, [0.8] * 18 + [0.5, 0.4])
    assert failed == {"baseline": [False] * 20, "noise": [False] * 18 + [True, True]}


def test_where_few_beat_the_constant_nothing_has_failed():
    assert not any(marked([0.45, 0.55] * 10, [0.5] * 20)["noise"])


def test_the_low_end_of_a_wide_distribution_is_no_failure():
    wide = list(np.linspace(0.49, 0.75, 40))
    assert not any(marked(wide, [0.45] * 40)["noise"])
    assert all(marked(list(np.linspace(0.79, 0.82, 40)), [0.45] * 40)["noise"])


def test_a_variant_that_always_fails_is_seen_beside_a_baseline_that_does_not():
    assert all(marked([0.8] * 20, [0.5] * 20)["noise"])


def test_what_diverged_has_failed_whatever_its_score():
    assert marked([0.8] * 4, [0.8] * 4, diverged={("noise", 1, 2)})["noise"] == [False, False, True, False]


def test_rates_by_clopper_and_pearson_and_the_rule_of_three():
    low, high = rate_interval(0, 30)
    assert (low, high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 30)))
    assert unseen_rate(30) == pytest.approx(3 / 30, rel=0.06)
    assert np.isnan(rate_interval(0, 0)).all()


def test_paired_failures_are_the_exact_test_of_the_pairs_that_differ():
    ours, theirs = (pd.Series(flags) for flags in ([True] * 3 + [False] * 27, [False] * 3 + [True] * 9 + [False] * 18))
    assert paired_failures_p(ours, theirs) == pytest.approx(0.146, abs=5e-4)  # 2 P(Binomial(12, ½) ≤ 3)
    assert paired_failures_p(ours, ours) == 1.0


def test_noise_that_cures_a_failing_baseline_is_better():
    """9 of 30 baselines diverge and no training with noise does: p = 2/2^9."""
    trials = trials_of([0.8] * 30, [0.8] * 30, diverged={("baseline", 1, k) for k in range(9)})
    row = summarize(trials, 0.01).iloc[1]
    assert (row["n_failed"], row["n_broken"], row["verdict"]) == (0, 9, "better")
    assert row["failure_p"] == pytest.approx(2 / 2**9)


def test_failures_are_left_out_of_the_mean_and_counted():
    trials = mark_failures(trials_of([0.8] * 40, [0.81] * 39 + [0.5]), {"d": 0.5})
    row = summarize(trials, 0.02).iloc[1]
    assert (row["n_diverged"], row["n_failed"]) == (0, 1)
    assert row["difference_mean"] == pytest.approx(0.01)
    assert row["failure_high"] == pytest.approx(rate_interval(1, 40)[1])
