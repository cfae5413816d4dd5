"""What the band holds, by simulation: rule × kind of differences × n → any false claim, and coverage for new rows.

`make evidence` runs it in full; the table of docs/method.md, "One table", has more.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from noiseflow.statistics.bands import PairedDifferences, simultaneous
from noiseflow.statistics.estimate import Estimate
from noiseflow.statistics.families import at_any_strength
from noiseflow.statistics.inference import holm, sign_flip_p, t_interval
from noiseflow.statistics.new_rows import row_variance
from noiseflow.statistics.verdict import decide, pair_up

pytestmark = pytest.mark.slow
M = 4
"""Comparisons with one baseline: their differences share half of their variance."""
N_STUDIES = 300
LEAST_ERROR = 3  # standard errors of the simulation


def normal(rng, n):
    return np.sqrt(0.5) * (rng.normal(size=(n, 1)) + rng.normal(size=(n, M)))


def skewed(rng, n):
    known = stats.skewnorm(4)
    return (known.ppf(special.ndtr(normal(rng, n))) - known.mean()) / known.std()


def t3(rng, n):
    return normal(rng, n) / np.sqrt(rng.chisquare(3, (n, 1)))


def tied(rng, n):
    return np.rint(normal(rng, n))


def lognormal(rng, n):
    return (np.exp(normal(rng, n)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def collapsing(share):
    """Trainings fail now and then, and count as failed: the mean is that of the others."""

    def drawn(rng, n):
        values = normal(rng, n)
        return np.where(rng.random((n, M)) < share, np.nan, values)

    drawn.__name__ = f"{100 * share:g} % collapse"
    return drawn


def bands_of(values):
    asked = [(column[np.isfinite(column)], np.flatnonzero(np.isfinite(column))) for column in values.T]
    return simultaneous([PairedDifferences(*one) for one in asked])


def false_claims(draw, n, rule, n_studies=N_STUDIES):
    """The share of studies with a claim that is false, of differences of mean 0; and of mean at the margin."""
    rng = np.random.default_rng(n)
    wrong = np.zeros(2)
    for _ in range(n_studies):
        values = draw(rng, n)
        wrong += rule(values)
    return wrong / n_studies


def by_band(values):
    low, high = np.array([(band.low, band.high) for band in bands_of(values)]).T
    return [bool((low > 0).any() or (high < 0).any()), bool((high < 0).any() or (low > 0).any())]


def by_holm(values):
    p = holm([float(sign_flip_p(column[np.isfinite(column)])) for column in values.T])
    low, high = np.array([t_interval(column[np.isfinite(column)]) for column in values.T]).T
    return [bool(min(p) < 0.05), bool((low > 0).any() or (high < 0).any())]


KINDS = [normal, skewed, t3, tied, lognormal, collapsing(0.02), collapsing(0.05)]


@pytest.mark.evidence
@pytest.mark.parametrize("n", [10, 30, 100])
@pytest.mark.parametrize("draw", KINDS, ids=lambda draw: draw.__name__)
def test_any_false_claim_of_the_band(draw, n):
    found, before = false_claims(draw, n, by_band)[0], false_claims(draw, n, by_holm)
    print(f"| {draw.__name__} | {n} | {found:.3f} | {before[0]:.3f} | {before[1]:.3f} |")
    assert found <= 0.05 + LEAST_ERROR * np.sqrt(0.05 * 0.95 / N_STUDIES)


@pytest.mark.evidence
@pytest.mark.parametrize("n", [8, 10])
def test_power_beside_holm(n):
    """Three of four variants help by 1.6 standard deviations: how often all three are found."""
    rng = np.random.default_rng(n)
    gains, found = np.array([1.6, 1.6, 1.6, 0.0]), np.zeros(2)
    for _ in range(N_STUDIES):
        values = gains + normal(rng, n)
        low = np.array([band.low for band in bands_of(values)])
        p = np.array(holm([float(sign_flip_p(column)) for column in values.T]))
        found += [(low[:3] > 0).all(), (p[:3] < 0.05).all()]
    print(f"all three helpful variants at n = {n}: band {found[0] / N_STUDIES:.2f}, Holm {found[1] / N_STUDIES:.2f}")


@pytest.mark.evidence
@pytest.mark.parametrize("n_seeds", [10, 30])
def test_coverage_for_new_rows(n_seeds):
    """Seeds × 70 rows, the rows' part as large as in the tutorial: 98 % of the variance of the mean."""
    rng = np.random.default_rng(n_seeds)
    covered = np.zeros(2)
    for _ in range(1000):
        values = (
            2.4 * rng.normal(size=(1, 70)) + 0.9 * rng.normal(size=(n_seeds, 1)) * 0.1 + rng.normal(size=(n_seeds, 70))
        )
        means = values.mean(axis=1)
        seeds = Estimate(means.mean(), means.std(ddof=1) / np.sqrt(n_seeds), n_seeds - 1.0)
        intervals = [seeds.interval, row_variance(values).widen(seeds).interval]
        covered += [low <= 0 <= high for low, high in intervals]
    print(
        f"new rows, {n_seeds} seeds × 70: seeds alone {covered[0] / 1000:.3f}, seeds and rows {covered[1] / 1000:.3f}"
    )
    assert 0.92 <= covered[1] / 1000 <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("draw", [normal, lognormal], ids=lambda draw: draw.__name__)
def test_any_false_claim_of_the_band_in_short(draw):
    found = false_claims(draw, 10, by_band, 150)[0]
    assert found <= 0.05 + LEAST_ERROR * np.sqrt(0.05 * 0.95 / 150)


FALSE_OF_A_FAMILY = [
    ("none helps", [0.0] * 8, {"better", "worse"}),
    ("all gain the margin", [0.5] * 8, {"equivalent", "worse"}),
    ("all lose the margin", [-0.5] * 8, {"equivalent", "better"}),
    ("the weakest does nothing", [0.0, *[-1.0] * 7], {"better", "worse"}),
]


@pytest.mark.evidence
@pytest.mark.parametrize(
    ("means", "false"), [one[1:] for one in FALSE_OF_A_FAMILY], ids=[one[0] for one in FALSE_OF_A_FAMILY]
)
def test_verdict_on_a_family_is_false_in_at_most_5_of_100_studies(means, false):
    """Eight strengths, 30 pairs, a margin of half a standard deviation, 300 studies; .08 is their Monte-Carlo bound."""
    rng, n, margin, wrong = np.random.default_rng(5), 30, 0.5, 0
    whole = {"survivors_only": False, "n_failed": 0, "n_broken": 0, "n_units": n, "least_n": 6}
    for _ in range(300):
        values = 0.7 * (rng.normal(size=(n, 1)) + rng.normal(size=(n, 8))) + np.asarray(means)
        pairing = pair_up(
            pd.DataFrame({"data_seed": 1, "seed": range(n), "score": values[:, 0], "score_baseline": 0.0})
        )
        members = [
            {
                "verdict": decide(band.low, band.high, margin, pairing),
                "difference_ci_low": band.low,
                "difference_ci_high": band.high,
                "difference_mean": mean,
                "p_adjusted": band.p_adjusted,
            }
            | whole
            for band, mean in zip(bands_of(values), values.mean(axis=0), strict=True)
        ]
        wrong += at_any_strength(pd.DataFrame(members), margin)["verdict"] in false
    print(f"false verdicts: {wrong / 300:.3f}")
    assert wrong / 300 <= 0.08
