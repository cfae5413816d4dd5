"""What looks at trials that grow hold, by simulation: any false claim over all looks, and seeds to a decision.

`make evidence` runs it in full; the table of docs/method.md, "Looks", is its output.
"""

import numpy as np
import pytest

from noiseflow.campaigns.confidence_sequences import half_width
from noiseflow.statistics.bands import PairedDifferences, simultaneous
from noiseflow.statistics.inference import ALPHA
from noiseflow.statistics.looks import level_of, next_look

pytestmark = pytest.mark.slow
M = 4
"""Comparisons with one baseline: their differences share half of their variance."""
STD = 1.9
"""Of a difference, in points, as in the tutorial's study; the margin is 1 point."""
MOST = 300
N_STUDIES, FEWER = 200, 10
NO_MARGIN = 1e-9


def differences(rng, true, n):
    """Paired differences (n, M) in points."""
    return true + STD * np.sqrt(0.5) * (rng.normal(size=(n, 1)) + rng.normal(size=(n, M)))


def levels_at(n_seeds, first=()):
    looks = tuple(first)
    for n in n_seeds:
        looks += ((n, level_of(n, looks, M)),)
    return list(looks)


def waves(most):
    looks = [next_look(0)]
    while next_look(looks[-1]) <= most:
        looks.append(next_look(looks[-1]))
    return levels_at(looks)


def by_band(values, seeds, levels):
    asked = [
        PairedDifferences(values[:n, m], np.arange(n), alpha=a)
        for m, (n, a) in enumerate(zip(seeds, levels, strict=True))
    ]
    return [(band.low, band.high) for band in simultaneous(asked)]


def by_mixture(values, seeds, _):
    """The confidence sequence of the campaigns, .05 shared among the comparisons."""
    parts = [values[:n, m] for m, n in enumerate(seeds)]
    halves = [float(half_width(part.std(ddof=1), part.size, ALPHA / M)) for part in parts]
    return [(part.mean() - half, part.mean() + half) for part, half in zip(parts, halves, strict=True)]


def verdict_of(low, high, margin):
    if not (np.isfinite(low) and np.isfinite(high)):
        return "open"
    return "equivalent" if -margin < low and high < margin else "better" if low > 0 else "worse" if high < 0 else "open"


def study(values, looks, margin, rule):
    """Seeds (M,) and verdict of each comparison once it has stopped."""
    verdicts, seeds, levels = ["open"] * M, [0] * M, [ALPHA] * M
    for n, level in looks:
        going_on = [m for m in range(M) if verdicts[m] == "open"]
        for m in going_on:
            seeds[m], levels[m] = n, level
        found = rule(values, seeds, levels) if going_on else []
        for m in going_on:
            verdicts[m] = verdict_of(*found[m], margin)
    return seeds, verdicts


def is_false(verdict, true, margin):
    wrong = {"better": true <= 0, "worse": true >= 0, "equivalent": abs(true) >= margin, "open": False}
    return wrong[verdict]


def simulated(true, looks, margin, rule, n_studies):
    """The share of studies with a false claim at any look, and seeds to the end (n_studies, M)."""
    rng, wrong, taken = np.random.default_rng(16), 0, []
    for _ in range(n_studies):
        seeds, verdicts = study(differences(rng, true, looks[-1][0]), looks, margin, rule)
        wrong += any(is_false(*both, margin) for both in zip(verdicts, true, strict=True))
        taken.append(seeds)
    return wrong / n_studies, np.array(taken)


GROWN = levels_at((40, 50, 62, 77, 96), first=[(30, ALPHA)])
"""A look at a fixed number of seeds, and five more after it."""
CASES = {
    "no effect, any difference counts": (np.zeros(M), waves(120), NO_MARGIN),
    "effects as large as the margin": (np.ones(M), waves(120), 1.0),
    "30 seeds at .05, then five more looks": (np.zeros(M), GROWN, NO_MARGIN),
}


@pytest.mark.evidence
@pytest.mark.parametrize("case", CASES)
def test_any_false_claim_over_all_looks(case):
    found, _ = simulated(*CASES[case], by_band, N_STUDIES)
    print(f"| {case} | {found:.3f} |")
    assert found <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / N_STUDIES)


@pytest.mark.evidence
def test_five_percent_at_each_look_is_too_much():
    """What the levels are for: the same looks, each at .05."""
    looks = [(n, ALPHA) for n, _ in GROWN]
    found, _ = simulated(np.zeros(M), looks, NO_MARGIN, by_band, N_STUDIES)
    print(f"| 30 seeds, then five more looks, .05 each | {found:.3f} |")
    assert found > ALPHA + 0.02


@pytest.mark.evidence
def test_seeds_to_a_decision_beside_the_mixture():
    """The levels find effects as soon as the confidence sequence of the campaigns; the lack of one later."""
    true, taken = np.array([4.0, 2.0, 0.0, 0.5]), {}
    for rule in (by_band, by_mixture):
        wrong, taken[rule.__name__] = simulated(true, waves(MOST), 1.0, rule, N_STUDIES // 2)
        for effect, seeds in zip(true, taken[rule.__name__].T, strict=True):
            low, middle, high = np.quantile(seeds, (0.1, 0.5, 0.9))
            print(f"| {rule.__name__} | {effect:g} | {middle:.0f} ({low:.0f} to {high:.0f}) | {wrong:.3f} |")
    assert (taken["by_band"][:, :2].mean(axis=0) <= taken["by_mixture"][:, :2].mean(axis=0) + 1).all()


def test_any_false_claim_over_all_looks_in_short():
    for case in CASES.values():
        found, _ = simulated(*case, by_band, FEWER)
        assert found <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / FEWER)
    wrong, seeds = simulated(np.array([4.0, 2.0, 0.0, 4.0]), waves(MOST), 1.0, by_band, 12)
    assert wrong <= 0.1
    assert (np.median(seeds, axis=0) <= [20, 31, 90, 20]).all()
