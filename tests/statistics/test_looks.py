"""Levels of looks add up, and a summary at a lower level claims less."""

import numpy as np
import pytest
from made_trials import made_trials

from noiseflow.statistics import summarize
from noiseflow.statistics.bands import PairedDifferences, simultaneous
from noiseflow.statistics.inference import ALPHA, least_pairs
from noiseflow.statistics.looks import KEPT, Due, level_of, next_look

KEY = ("d", "a", "noise")


def trials(n=12, gain=0.02):
    rng = np.random.default_rng(1)
    base = rng.normal(0.7, 0.01, n)
    values = {"baseline": base, "noise": base + gain + rng.normal(0, 0.02, n)}
    return made_trials({name: {(1, k): score for k, score in enumerate(found)} for name, found in values.items()})


def test_levels_of_all_looks_add_up_to_the_error():
    levels = [level_of(look) for look in range(1, 500)]
    assert levels[:3] == pytest.approx([0.005, 0.0045, 0.00405])
    assert sum(levels) == pytest.approx(ALPHA)
    assert sum(levels) <= ALPHA + 1e-12


def test_looks_are_due_after_five_more_seeds_or_a_quarter_more():
    looks = [next_look(0)]
    while looks[-1] < 100:
        looks.append(next_look(looks[-1]))
    assert looks == [10, 15, 20, 25, 31, 38, 47, 58, 72, 90, 112]


def test_first_look_has_pairs_enough_for_its_level():
    assert [least_pairs(level) for level in (0.05, 0.005)] == [6, 9]  # 2 · 2⁻⁶ ≤ .05, 2 · 2⁻⁹ ≤ .005
    assert next_look(0) >= least_pairs(level_of(2))


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
