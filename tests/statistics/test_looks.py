"""Looks make no more false claims together than they may, and a summary at a lower level claims less."""

import numpy as np
import pytest
from made_trials import made_trials
from scipy import stats

from noiseflow.statistics.bands import PairedDifferences, simultaneous
from noiseflow.statistics.inference import ALPHA, least_pairs
from noiseflow.statistics.looks import KEPT, Due, level_of, next_look, spent_by
from noiseflow.statistics.summary import summarize

KEY = ("d", "a", "noise")


def trials(n=12, gain=0.02):
    rng = np.random.default_rng(1)
    base = rng.normal(0.7, 0.01, n)
    values = {"baseline": base, "noise": base + gain + rng.normal(0, 0.02, n)}
    return made_trials({name: {(1, k): score for k, score in enumerate(found)} for name, found in values.items()})


def waves(n_looks, n_comparisons):
    """n_seeds and level of each look of `--until decided`."""
    found = ()
    for _ in range(n_looks):
        n = next_look(found[-1][0] if found else 0)
        found += ((n, level_of(n, found, n_comparisons)),)
    return found


def claimed_by_chance(looks, n_comparisons, n_studies=20_000):
    """How often a study of independent comparisons without any effect makes a claim at one of the looks."""
    rng, last = np.random.default_rng(0), 0
    sums, wrong = np.zeros((n_studies, n_comparisons)), np.zeros(n_studies, bool)
    for n, level in looks:
        sums += rng.normal(scale=np.sqrt(n - last), size=sums.shape)
        one = 1 - (1 - level) ** (1 / n_comparisons)
        wrong |= (np.abs(sums) / np.sqrt(n) > stats.norm.isf(one / 2)).any(axis=1)
        last = n
    return wrong.mean()


@pytest.mark.parametrize(("n_looks", "n_comparisons"), [(3, 1), (16, 1), (16, 4), (12, 50)])
def test_a_claim_by_chance_at_any_look_is_as_rare_as_it_may_be(n_looks, n_comparisons):
    found = claimed_by_chance(waves(n_looks, n_comparisons), n_comparisons)
    expected = spent_by(n_looks)
    assert found == pytest.approx(expected, abs=3 * np.sqrt(expected / 20_000))


def test_first_look_spends_a_tenth_and_all_looks_the_error():
    assert [spent_by(look) for look in (1, 2, 3)] == pytest.approx([0.005, 0.0095, 0.01355])
    assert spent_by(500) == pytest.approx(ALPHA)
    assert level_of(10, (), 7) == pytest.approx(0.005)


def test_looks_at_nearly_the_same_trials_cost_little():
    near, far = (level_of(n, ((30, 0.005),), 1) for n in (31, 300))
    assert 0.0045 < far < near < 0.0095


def test_look_at_the_whole_error_counts_as_a_first_look():
    assert level_of(40, ((30, ALPHA),), 4) == level_of(40, ((30, spent_by(1)),), 4)


def test_looks_that_were_judged_more_freely_leave_next_to_nothing():
    assert level_of(40, ((30, 0.04),), 4) < 1e-6


def test_looks_are_due_after_five_more_seeds_or_a_quarter_more():
    looks = [next_look(0)]
    while looks[-1] < 100:
        looks.append(next_look(looks[-1]))
    assert looks == [10, 15, 20, 25, 31, 38, 47, 58, 72, 90, 112]


def test_first_look_has_pairs_enough_for_its_level():
    assert [least_pairs(level) for level in (0.05, 0.005)] == [6, 9]  # 2 · 2⁻⁶ ≤ .05, 2 · 2⁻⁹ ≤ .005
    assert next_look(0) >= least_pairs(level_of(10, (), 1))


def test_lower_level_widens_the_interval_and_scales_p():
    whole = summarize(trials(), 0.01).iloc[1]
    part = summarize(trials(), 0.01, dues={KEY: Due(0.005)}).iloc[1]
    assert part["difference_ci_low"] < whole["difference_ci_low"] < whole["difference_ci_high"]
    assert part["difference_ci_high"] > whole["difference_ci_high"]
    assert part["p_adjusted"] == pytest.approx(10 * whole["p_adjusted"])
    assert (part["p_value"], part["difference_mean"]) == (whole["p_value"], whole["difference_mean"])


def test_what_an_earlier_look_found_is_kept():
    before = summarize(trials(), 0.01).iloc[1][list(KEPT)].to_dict() | {"verdict": "better", "difference_ci_low": 0.123}
    row = summarize(trials(), 0.01, dues={KEY: Due(0.005, before)}).iloc[1]
    assert (row["verdict"], row["difference_ci_low"]) == ("better", 0.123)


@pytest.mark.parametrize(("n", "is_bounded"), [(8, False), (9, True)])
def test_constant_differences_need_pairs_enough_for_the_level(n, is_bounded):
    (band,) = simultaneous([PairedDifferences(np.full(n, 0.02), np.arange(n), alpha=0.005)])
    assert np.isfinite(band.low) == is_bounded
