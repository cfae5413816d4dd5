"""What intervals cover and how often tests reject a true null, by simulation; docs/method.md prints these figures."""

import numpy as np
import pytest
from made_trials import crossed, made_trials, resampled
from scipy import stats

from noiseflow.statistics.crossfit import choose_naively, honest_scores, scored_families
from noiseflow.statistics.differences import difference_of
from noiseflow.statistics.estimate import estimate_mean
from noiseflow.statistics.inference import holm, sign_flip_p, t_interval
from noiseflow.statistics.pairs import pairs_with
from noiseflow.statistics.robust import bca_interval
from noiseflow.statistics.variance_components import components

pytestmark = [pytest.mark.slow, pytest.mark.evidence, pytest.mark.timeout(900)]

KINDS = ["normal", "skewed", "tied"]


def differences_of(kind, rng, shape):
    """Differences of mean 0: normal; of a skewness of .7; of two accuracies on 70 rows that share their data."""
    if kind == "normal":
        return rng.normal(0, 0.02, shape)
    if kind == "skewed":
        return (rng.gamma(8, 1, shape) - 8) * 0.007
    chance = rng.normal(0.8, 0.01, shape)
    return (rng.binomial(70, chance) - rng.binomial(70, chance)) / 70


def level(rejections):
    """Their rate, and the most that a test of level .05 gives in all but 1 of 700 such simulations."""
    return np.mean(rejections), 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(rejections))


def coverage(bounds, truth=0.0):
    low, high = np.array(list(bounds)).T
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [5, 10, 20, 30])
def test_t_interval_covers_the_truth(kind, n):
    rng = np.random.default_rng(n)
    covered = coverage([t_interval(draw) for draw in differences_of(kind, rng, (4000, n))])
    print(f"t {kind} n={n}: {covered:.3f}")
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [20, 30])
def test_bca_interval_covers_the_truth(kind, n):
    """With 999 resamples, for the time they take: the interval's ends are as far off as their noise is small."""
    rng = np.random.default_rng(n)
    covered = coverage([bca_interval(draw, 999) for draw in differences_of(kind, rng, (2000, n))])
    print(f"BCa {kind} n={n}: {covered:.3f}")
    assert 0.91 <= covered <= 0.97


@pytest.mark.parametrize("kind", ["normal", "tied"])
@pytest.mark.parametrize("n", [6, 10])
def test_sign_flip_p_keeps_its_level(kind, n):
    rng = np.random.default_rng(n)
    rate, most = level([sign_flip_p(draw) <= 0.05 for draw in differences_of(kind, rng, (2000, n))])
    print(f"sign flip {kind} n={n}: {rate:.3f}")
    assert rate <= most


def test_holm_keeps_the_level_of_a_family_that_shares_its_baseline():
    rng = np.random.default_rng(4)
    baseline = differences_of("tied", rng, (500, 1, 10))
    families = differences_of("tied", rng, (500, 4, 10)) - baseline
    # Holm rejects any exactly where its first step does; multipletests itself would spend the time on collecting garbage
    rate, most = level([4 * min(sign_flip_p(draw) for draw in family) <= 0.05 for family in families])
    assert holm([0.012, 0.2, 0.3, 0.4])[0] == pytest.approx(4 * 0.012)
    print(f"Holm, 4 variants of one baseline: {rate:.3f}")
    assert rate <= most


def accuracies_of_splits(rng, n_test, n_rows=150, n_splits=30):
    """Accuracies (n_splits,) of two nearest-centroid classifiers on splits of one table; neither is better in truth.

    Each has eight features of its own, drawn from one distribution: over tables their difference has mean 0.
    """
    y = rng.permutation(np.arange(n_rows) % 2)
    order = rng.random((n_splits, n_rows)).argsort(axis=1)
    tests = order < n_test
    scores = []
    for _ in range(2):
        X = rng.normal(size=(n_rows, 8)) + 0.35 * (2 * y - 1)[:, None]
        ones, zeros = (~tests & (y == 1)).astype(float), (~tests & (y == 0)).astype(float)
        high, low = (part @ X / part.sum(axis=1, keepdims=True) for part in (ones, zeros))
        predicted = ((high - low) @ X.T) > ((high**2 - low**2).sum(axis=1) / 2)[:, None]
        scores.append(((predicted == y) & tests).sum(axis=1) / n_test)
    return scores


@pytest.mark.parametrize("n_test", [15, 45, 75])
def test_corrected_resampled_t_keeps_its_level_on_split_tables(n_test):
    rng = np.random.default_rng(n_test)
    plain, corrected = [], []
    for _ in range(2000):
        ours, theirs = accuracies_of_splits(rng, n_test)
        ratio = n_test / (150 - n_test)
        plain.append(estimate_mean(ours - theirs, 0.0).p_value <= 0.05)
        corrected.append(estimate_mean(ours - theirs, ratio).p_value <= 0.05)
    rate, most = level(corrected)
    print(f"30 splits of 150 rows, {n_test} test: plain paired t {np.mean(plain):.3f}, corrected {rate:.3f}")
    assert rate <= most
    assert np.mean(plain) > 4 * most


def grids(rng, size, shares, n=2000):
    d, r = size
    data, initialisation, residual = np.sqrt(shares)
    return (
        data * rng.normal(size=(n, d, 1))
        + initialisation * rng.normal(size=(n, 1, r))
        + residual * rng.normal(size=(n, d, r))
    )


@pytest.mark.parametrize("size", [(3, 3), (10, 3), (10, 10), (30, 5)])
@pytest.mark.parametrize("shares", [(0, 0, 1), (0.1, 0.1, 0.8), (0.45, 0.45, 0.1)])
def test_components_interval_covers_the_truth(size, shares):
    """.93 at least; more where a component is 0, whose estimate is then too large."""
    draws = grids(np.random.default_rng(size[0]), size, shares)
    covered = coverage([components(draw).estimate().interval for draw in draws])
    print(
        f"crossed {size} with shares {shares}: {covered:.3f}, pairs as units {coverage(map(t_interval_of, draws)):.3f}"
    )
    assert covered >= 0.925


def t_interval_of(grid):
    return t_interval(grid.ravel())


def test_components_are_unbiased_where_none_is_cut_off():
    draws = grids(np.random.default_rng(1), (10, 10), (0.45, 0.45, 0.1))
    found = np.array([(c.data, c.initialisation, c.residual) for c in map(components, draws)])
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - [0.45, 0.45, 0.1]) < 4 * error).all()


def null_study(rng, template, n_strengths, n, spread):
    """Scores of a family whose strengths are all alike, and of a baseline that differs as they do."""
    baseline = rng.normal(0.7, spread, n)
    alike = 0.7 + rng.normal(0, 0.02, (n_strengths, n))
    return template.assign(test_score=np.concatenate([baseline, alike.ravel()]))


def honest_difference(trials):
    """What `choose_strengths` says of the family, before it adjusts for others."""
    (pairs,) = pairs_with(honest_scores(trials), "family", "baseline").values()
    return difference_of(pairs, 0.01)


@pytest.mark.parametrize(("n_strengths", "n", "spread"), [(3, 12, 0.02), (8, 30, 0.02), (8, 30, 0.0)])
def test_honest_choice_keeps_its_level_and_the_naive_one_does_not(n_strengths, n, spread):
    rng = np.random.default_rng(n)
    cells = {"baseline": resampled([0.0] * n)} | {
        ("noise", 0.1 * (k + 1)): resampled([0.0] * n) for k in range(n_strengths)
    }
    template = made_trials(cells)
    honest, naive, optimism = [], [], []
    for _ in range(400):
        trials = null_study(rng, template, n_strengths, n, spread)
        scored, found = scored_families(trials), honest_difference(trials)
        family, baseline = scored[scored["family"] == "noise"], scored[scored["family"] == "baseline"]["score"]
        best = family[family["variant"] == choose_naively(family, scored)]["score"].to_numpy()
        low, high = t_interval(best - baseline.to_numpy())
        honest.append(found["p_value"] <= 0.05)
        naive.append(not low <= 0 <= high)
        optimism.append(best.mean() - baseline.mean() - found["difference_mean"])
    rate, most = level(honest)
    print(f"{n_strengths} strengths, n={n}, baseline spread {spread}: honest {rate:.3f}, naive {np.mean(naive):.3f}")
    print(f"  optimism {np.mean(optimism):.4f}")
    assert rate <= most
    assert np.mean(optimism) > 0
    if n_strengths == 8:
        assert np.mean(naive) > most


def leave_one_out_p(scores, baseline):
    """t test p of what choosing for each data seed from all others gives: (n_studies,); scores (n_studies, k, n)."""
    others = scores.sum(axis=2, keepdims=True) - scores
    chosen = np.take_along_axis(scores, others.argmax(axis=1)[:, None], axis=1)[:, 0]
    return stats.ttest_rel(chosen, baseline, axis=1).pvalue


def test_choice_from_all_other_data_seeds_would_not_keep_the_level():
    """Why the choice is made by halves."""
    rng = np.random.default_rng(30)
    rate, most = level(leave_one_out_p(rng.normal(0, 1, (4000, 8, 30)), rng.normal(0, 1, (4000, 30))) <= 0.05)
    print(f"8 strengths, n=30, each data seed against all others: {rate:.3f}")
    assert rate > 2 * most


def test_honest_choice_of_a_crossed_study_keeps_its_level():
    rng = np.random.default_rng(3)
    sizes = (8, 4)
    names = ["baseline", ("noise", 0.1), ("noise", 0.2), ("noise", 0.3)]
    template = made_trials({name: crossed(np.zeros(sizes)) for name in names})
    rejected = []
    for _ in range(300):
        scores = 0.7 + 0.02 * (grids(rng, sizes, (0.3, 0.1, 0.6), 1) + grids(rng, sizes, (0.3, 0.1, 0.6), 4))
        trials = template.assign(test_score=scores.ravel())
        rejected.append(honest_difference(trials)["p_value"] <= 0.05)
    rate, most = level(rejected)
    print(f"3 strengths, 8 data seeds × 4 seeds: honest {rate:.3f}")
    assert rate <= most
