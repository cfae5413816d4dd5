"""What looking every night does to what is said of campaigns, by simulation; docs/method.md prints these figures."""

import numpy as np
import pandas as pd
import pytest
from made_trials import made_trials
from scipy import stats

from noiseflow.campaigns.confidence_sequences import are_telling, confidence_sequence
from noiseflow.campaigns.drift import drift_history

pytestmark = [pytest.mark.slow, pytest.mark.evidence, pytest.mark.timeout(600)]

NIGHTS, PAIRS, CELLS = 365, 30, 4
ALPHA = 0.05
BATCH = 20  # years drawn at a time: 20 × 5 × 10,950 numbers


def scores_of(kind, rng, years):
    """Scores (years, 1 + CELLS, pairs) without a difference, the baseline's first, in units of their spread or of a row.

    Normal, on data that pairs share; of gammas, so that differences to the baseline have a skewness of .7; accuracies on
    70 rows, on data that pairs share.
    """
    shape, shared = (years, 1 + CELLS, NIGHTS * PAIRS), (years, 1, NIGHTS * PAIRS)
    if kind == "normal":
        return rng.standard_normal(shape) + rng.standard_normal(shared)
    if kind == "skewed":
        scores = rng.gamma(4, 1, shape) - 4
        scores[:, 0] *= -1  # a difference is the sum of two gammas: skewness 2/√8
        return scores
    return rng.binomial(70, rng.normal(0.8, 0.01, shared).clip(0, 1), shape).astype(float)


def looks(scores):
    """Mean, standard deviation and number of the differences so far, (years, CELLS, NIGHTS), as of each night."""
    nights = (scores[:, 1:] - scores[:, :1]).reshape(len(scores), CELLS, NIGHTS, PAIRS)
    n = np.arange(1, NIGHTS + 1) * PAIRS
    total, squares = nights.sum(axis=3).cumsum(axis=2), (nights**2).sum(axis=3).cumsum(axis=2)
    return total / n, np.sqrt((squares - total**2 / n) / (n - 1)), n


def share_of_years(kind, n_years):
    """Shares of years in which an interval excludes the truth, 0, at some look of some cell.

    Of the confidence sequence, of 95 % intervals for one fixed n, and of those with alpha shared among the cells.
    """
    rng = np.random.default_rng(365)
    missed = []
    for _ in range(n_years // BATCH):
        mean, std, n = looks(scores_of(kind, rng, BATCH))
        low, high = confidence_sequence(mean, std, n, ALPHA / CELLS)
        p = 2 * stats.t.sf(np.abs(mean) * np.sqrt(n) / std, n - 1)
        looked = np.stack([(low > 0) | (high < 0), p < ALPHA, p < ALPHA / CELLS])
        missed.append(looked.any(axis=(2, 3)))
    return np.concatenate(missed, axis=1).mean(axis=1)


def most(n):
    """The most that a chance of .05 gives in all but 1 of 700 simulations of n."""
    return ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / n)


@pytest.mark.parametrize("kind", ["normal", "skewed", "tied"])
def test_confidence_sequence_covers_a_year_of_looks_at_all_cells_together(kind):
    ours, fixed, shared = share_of_years(kind, 2000)
    print(f"{kind}: sequence {ours:.3f}, fixed n {fixed:.3f}, fixed n with alpha shared {shared:.3f}")
    assert ours <= most(2000)
    assert fixed > 5 * most(2000)
    assert shared > 2 * most(2000)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.45])
@pytest.mark.parametrize("alpha", [ALPHA, ALPHA / CELLS])
def test_confidence_sequence_of_differences_mostly_alike_covers_where_it_speaks(alpha, share):
    n_series, n = 2000, np.arange(6, 1501, 6)
    differ = np.random.default_rng(15).random((n_series, n[-1])) < share
    counts = differ.cumsum(axis=1)[:, n - 1]
    mean = counts / n
    low, high = confidence_sequence(mean, np.sqrt(n / (n - 1) * mean * (1 - mean)), n, alpha)
    missed = (low > share) | (high < share)
    spoken = missed & are_telling(np.maximum(counts, n - counts), n)
    print(f"alpha {alpha:.4f}, share {share}: {spoken.any(axis=1).mean():.4f}, without {missed.any(axis=1).mean():.4f}")
    assert spoken.any(axis=1).mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n_series)


def histories(rng, n_histories, *, nights=30, shift=0.0, since=20, cells=5):
    """Trials of campaigns, one frame a history: scores with a spread of .035; the last cell shifts from a night on."""
    names = ["baseline", *(f"v{k}" for k in range(1, cells))]
    blank = made_trials({name: {(1, seed): 0.0 for seed in range(nights * PAIRS)} for name in names})
    night = np.repeat(np.arange(nights), PAIRS)
    blank["campaign"] = np.tile([f"2026-11-{k + 1:02d}" for k in night], cells)
    for _ in range(n_histories):
        scores = rng.normal(0.8, 0.035, (cells, nights * PAIRS))
        scores[-1, night >= since - 1] += shift
        yield blank.assign(test_score=np.round(scores * 1000).ravel() / 1000)


def _first_flag(frame, variant):
    flagged = frame[frame["flagged"] & (frame["variant"] == variant)]
    return flagged["campaign"].min() if len(flagged) else "never"


def test_drift_history_of_30_nights_without_drift_has_a_false_flag_in_few_histories():
    rng = np.random.default_rng(30)
    found = [drift_history(trials) for trials in histories(rng, 150)]
    rate = np.mean([frame["flagged"].any() for frame in found])
    p = pd.concat(found)
    small = (p["p_value"] <= 0.01).groupby(p["test"]).mean()
    print(f"false flag in {rate:.3f} of histories; p <= .01: {small.to_dict()}")
    assert rate <= ALPHA
    assert (small <= 0.0115).all()


def test_drift_history_flags_a_cell_that_shifts_by_3_points():
    rng = np.random.default_rng(31)
    first = pd.Series([_first_flag(drift_history(trials), "v4") for trials in histories(rng, 100, shift=-0.03)])
    print(f"first flag of a shift on the 20th: {first.value_counts().sort_index().to_dict()}")
    assert (first != "never").mean() >= 0.95
    assert (first >= "2026-11-20").mean() >= 0.99  # not before it is there
