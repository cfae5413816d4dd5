"""Whether any strength of a family helps, read off the band of all its strengths."""

from math import isnan, nan

import pandas as pd
import pytest

from noiseflow.statistics.families import at_any_strength

MARGIN = 0.01


def member(verdict, low, high, p=0.5, mean=None, **columns):
    return {
        "verdict": verdict,
        "difference_ci_low": low,
        "difference_ci_high": high,
        "difference_mean": (low + high) / 2 if mean is None else mean,
        "p_adjusted": p,
        "survivors_only": False,
        "n_failed": 0,
        "n_broken": 0,
        "n_units": 30,
        "least_n": 6,
    } | columns


SMALL = member("equivalent", -0.004, 0.006)
OPEN = member("inconclusive", -0.02, 0.03)
NOT_HELPFUL = member("inconclusive", -0.02, 0.004)
HELPS = member("better", 0.02, 0.04, p=0.001)
HURTS = member("worse", -0.09, -0.05, p=0.0002)
FAILS = member("worse", -0.5, 0.3, p=0.9, survivors_only=True, n_failed=20, n_broken=20)
SURVIVORS = member("inconclusive", -0.3, -0.2, survivors_only=True, n_failed=5, n_broken=5)
CURED = member("inconclusive", -0.01, 0.005, survivors_only=True, n_failed=0, n_broken=5)


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        ([SMALL, HELPS, OPEN, HURTS], "better"),
        ([SMALL, SMALL], "equivalent"),
        ([SMALL, HURTS], "equivalent"),  # its best strength is no worse than none
        ([SMALL, HURTS, NOT_HELPFUL, FAILS], "equivalent"),
        ([SMALL, OPEN], "inconclusive"),
        ([NOT_HELPFUL, HURTS], "inconclusive"),  # all may be worse by more than the margin
        ([HURTS, FAILS], "worse"),
        ([FAILS, FAILS], "worse"),
        ([SMALL, SURVIVORS], "equivalent"),
        ([SURVIVORS, HURTS], "inconclusive"),
        ([SMALL, CURED], "inconclusive"),  # what its baseline lost may be its gain
        ([SMALL, member("inconclusive", nan, nan)], "inconclusive"),
        ([member("inconclusive", -0.001, 0.001, n_units=3)] * 2, "inconclusive"),
    ],
)
def test_verdict_on_a_family_is_that_on_its_best_strength(members, verdict):
    assert at_any_strength(pd.DataFrame(members), MARGIN)["verdict"] == verdict


def test_p_is_that_of_a_strength_that_helps():
    """Not of one that hurts, however clearly."""
    assert at_any_strength(pd.DataFrame([SMALL, HURTS]), MARGIN)["p_adjusted"] == SMALL["p_adjusted"]
    assert at_any_strength(pd.DataFrame([SMALL, HELPS]), MARGIN)["p_adjusted"] == HELPS["p_adjusted"]
    assert (
        at_any_strength(pd.DataFrame([OPEN, SURVIVORS | {"p_adjusted": 0.001}]), MARGIN)["p_adjusted"]
        == OPEN["p_adjusted"]
    )
    assert at_any_strength(pd.DataFrame([NOT_HELPFUL, HURTS]), MARGIN)["p_adjusted"] == 1.0  # none points upwards


def test_p_of_a_family_that_fails_is_not_that_of_its_survivors():
    assert at_any_strength(pd.DataFrame([HURTS, FAILS]), MARGIN)["p_adjusted"] == HURTS["p_adjusted"]
    assert isnan(at_any_strength(pd.DataFrame([FAILS, FAILS]), MARGIN)["p_adjusted"])
