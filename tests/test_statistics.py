"""Statistics against values by hand, from tables and by enumeration; coverage and level by simulation, marked slow."""

from itertools import product
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noiseflow.statistics import (
    SUMMARY_COLUMNS,
    PairedDifference,
    cohen_dz,
    decide,
    equivalence_p,
    holm,
    learning_bands,
    least_n,
    pair_counts,
    paired_difference,
    percentile_of_published,
    probability_better,
    score_interval,
    score_standard_error,
    sign_flip_p,
    summarize,
    t_interval,
)

SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
"""Student's sleep data (1908), differences: mean 1.58, t = 4.0621, 95 % interval .7001 to 2.4599 (R: t.test)."""


def make_trials(scores, *, diverged=(), evaluated=None, dataset="d"):
    """Trials of one dataset; scores: variant -> scores by seed; diverged: (variant, seed)."""
    rows = [
        {
            "dataset": dataset,
            "architecture": "a",
            "variant": variant,
            "strength": None if variant == "baseline" else 0.1,
            "data_seed": 1,
            "seed": seed,
            "status": "diverged" if (variant, seed) in diverged else "completed",
            "score_name": "accuracy",
            "train_score": 1.0,
            "test_score": score,
            "eval_score": None if evaluated is None else evaluated[variant][seed],
        }
        for variant, values in scores.items()
        for seed, score in enumerate(values)
    ]
    columns = ["dataset", "architecture", "variant", "strength", "data_seed", "seed", "status", "score_name"]
    return pd.DataFrame(rows, columns=[*columns, "train_score", "test_score", "eval_score"])


def row_of(summary, variant):
    return summary[summary["variant"] == variant].iloc[0]


def test_t_interval_matches_students_sleep_data():
    assert t_interval(SLEEP) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)


@pytest.mark.parametrize("values", [[], [0.3]])
def test_t_interval_is_nan_below_two_values(values):
    assert all(isnan(bound) for bound in t_interval(np.array(values)))


def test_t_interval_of_equal_values_has_no_width():
    assert t_interval(np.full(5, 0.1)) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("differences", [[0.3, -0.1, 0.2, 0.2], [1, 2, 3, -1, 0, 0, 5], [0.1] * 6])
def test_sign_flip_p_equals_full_enumeration(differences):
    whole = np.rint(np.array(differences) * 10).astype(int)
    flipped = [abs(int(np.dot(signs, whole))) for signs in product((-1, 1), repeat=len(whole))]
    expected = np.mean([total >= abs(int(whole.sum())) for total in flipped])
    assert sign_flip_p(np.array(differences)) == pytest.approx(expected, abs=1e-12)


def test_sign_flip_p_counts_ties_of_float32_scores():
    scores = np.array([54, 55, 53, 56, 54, 55, 52, 53], dtype=np.float32) / np.float32(70)
    others = np.array([53, 55, 54, 54, 53, 54, 52, 52], dtype=np.float32) / np.float32(70)
    exact = np.array([1, 0, -1, 2, 1, 1, 0, 1], dtype=float)
    assert sign_flip_p(scores.astype(float) - others.astype(float)) == sign_flip_p(exact)


def test_sign_flip_p_of_many_pairs_is_near_the_normal_one_and_repeats():
    differences = np.random.default_rng(1).normal(0.3, 1, 60)
    p = sign_flip_p(differences)
    z = differences.sum() / np.sqrt((differences**2).sum())
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.005)
    assert sign_flip_p(differences) == p


def test_sign_flip_p_of_zeros_is_one_and_of_fewer_than_two_nan():
    assert sign_flip_p(np.zeros(9)) == 1.0
    assert isnan(sign_flip_p(np.array([0.2])))
    assert isnan(sign_flip_p(np.array([])))


def test_equivalence_p_matches_the_two_t_tests_by_hand():
    differences = np.array([0.002, -0.004, 0.001, 0.005, -0.001, 0.003])
    error = differences.std(ddof=1) / np.sqrt(6)
    expected = max(
        stats.t.sf((differences.mean() + 0.01) / error, 5), stats.t.cdf((differences.mean() - 0.01) / error, 5)
    )
    assert equivalence_p(differences, 0.01) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("constant", "expected"), [(0.0, 0.0), (0.005, 0.0), (0.05, 1.0), (0.01, 1.0)])
def test_equivalence_p_of_a_constant_is_certain(constant, expected):
    assert equivalence_p(np.full(8, constant), 0.01) == expected


def test_cohen_dz_is_mean_over_standard_deviation_and_nan_without_spread():
    assert cohen_dz(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert isnan(cohen_dz(np.full(4, 0.5)))
    assert isnan(cohen_dz(np.array([0.5])))


def test_probability_better_counts_ties_half():
    assert probability_better(np.array([0.1, 0.0, -0.2, 0.3])) == pytest.approx(0.625)
    assert isnan(probability_better(np.array([])))


def test_holm_matches_the_procedure_by_hand():
    # ordered .01 .02 .03 .04: times 4, 3, 2, 1, then the running maximum
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_counts_a_missing_p_in_the_family():
    adjusted = holm([0.02, nan])
    assert adjusted[0] == pytest.approx(0.04)
    assert isnan(adjusted[1])
    assert holm([]) == []


@pytest.mark.parametrize(("comparisons", "n"), [(1, 6), (3, 7), (4, 8), (10, 9), (20, 10)])
def test_least_n_is_where_the_test_can_speak(comparisons, n):
    assert least_n(comparisons) == n
    unanimous = [sign_flip_p(np.ones(k)) * comparisons for k in (n - 1, n)]
    assert unanimous[0] >= 0.05 > unanimous[1]


@pytest.mark.parametrize(
    ("pair", "p", "p_equivalence", "verdict"),
    [
        (PairedDifference(30, 0, mean=0.03), 0.001, 0.9, "better"),
        (PairedDifference(30, 0, mean=-0.03), 0.001, 0.9, "worse"),
        (PairedDifference(30, 0, mean=0.004), 0.001, 0.01, "equivalent"),
        (PairedDifference(30, 0, mean=0.03), 0.05, 0.05, "inconclusive"),
        (PairedDifference(7, 0, mean=0.03), 0.001, 0.001, "inconclusive"),
        (PairedDifference(38, 2, mean=0.03), 0.001, 0.9, "better"),
        (PairedDifference(37, 3, mean=0.03), 0.001, 0.9, "inconclusive"),
        (PairedDifference(30, 0, mean=nan), nan, nan, "inconclusive"),
    ],
)
def test_decide_follows_the_contract(pair, p, p_equivalence, verdict):
    assert decide(pair, p, p_equivalence, comparisons=4) == verdict


@pytest.mark.parametrize("n", [0, 1, 2])
def test_paired_difference_of_few_pairs_says_only_what_it_can(n):
    pair = paired_difference(np.arange(n) * 0.1 + 0.5, np.full(n, 0.4), 0.01)
    assert pair.n_pairs == n
    assert isnan(pair.mean) == (n == 0)
    assert isnan(pair.ci_low) == isnan(pair.p_value) == isnan(pair.p_equivalence) == (n < 2)


def test_paired_difference_leaves_out_pairs_with_a_missing_member():
    pair = paired_difference(np.array([0.9, nan, 0.7, 0.8]), np.array([0.5, 0.5, nan, 0.6]), 0.01)
    assert (pair.n_pairs, pair.n_broken) == (2, 2)
    assert pair.mean == pytest.approx(0.3)
    assert pair.survivors_only


def test_summarize_computes_every_column_of_a_small_study():
    baseline = [0.70, 0.72, 0.71, 0.73, 0.70, 0.72, 0.71, 0.74]
    gains = [0.05, 0.03, 0.04, 0.06, 0.02, 0.05, 0.04, 0.03]
    noise = [b + g for b, g in zip(baseline, gains, strict=True)]
    summary = summarize(make_trials({"baseline": baseline, "noise": noise}), 0.01)
    row = row_of(summary, "noise")
    half = stats.t.ppf(0.975, 7) * np.std(gains, ddof=1) / np.sqrt(8)
    assert list(summary.columns) == SUMMARY_COLUMNS
    assert list(summary["variant"]) == ["baseline", "noise"]
    assert row["n_seeds"] == 8
    assert row["n_diverged"] == 0
    assert row["test_score_mean"] == pytest.approx(np.mean(noise))
    assert row["test_score_std"] == pytest.approx(np.std(noise, ddof=1))
    assert row["ci_low"] == pytest.approx(stats.ttest_1samp(noise, 0).confidence_interval().low)
    assert row["difference_mean"] == pytest.approx(0.04)
    assert row["difference_ci_low"] == pytest.approx(0.04 - half)
    assert row["difference_ci_high"] == pytest.approx(0.04 + half)
    assert row["p_value"] == pytest.approx(2 / 2**8)  # all differences have one sign
    assert row["p_adjusted"] == row["p_value"]
    assert row["effect_size"] == pytest.approx(0.04 / np.std(gains, ddof=1))
    assert row["prob_better"] == 1.0
    assert row["verdict"] == "better"


def test_summarize_leaves_the_baseline_without_a_difference():
    row = row_of(summarize(make_trials({"baseline": [0.7, 0.8]}), 0.01), "baseline")
    empty = ["difference_mean", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted", "effect_size"]
    assert row[[*empty, "prob_better", "verdict"]].isna().all()


def test_summarize_pairs_by_seed_and_not_by_order():
    trials = make_trials({"baseline": np.linspace(0.6, 0.8, 9), "noise": np.linspace(0.65, 0.85, 9)})
    shuffled = pd.concat([trials.iloc[:9], trials.iloc[9:].sample(frac=1, random_state=0)])
    row = row_of(summarize(shuffled, 0.01), "noise")
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx((0.05, 0.05))


def test_summarize_finds_equal_scores_equivalent_once_n_suffices():
    verdicts = [
        row_of(summarize(make_trials({"baseline": [0.7] * n, "noise": [0.7] * n}), 0.01), "noise")["verdict"]
        for n in (5, 6)
    ]
    assert verdicts == ["inconclusive", "equivalent"]


def test_summarize_decides_on_a_constant_difference():
    row = row_of(summarize(make_trials({"baseline": [0.7, 0.71] * 5, "noise": [0.6, 0.61] * 5}), 0.01), "noise")
    assert row["verdict"] == "worse"
    assert isnan(row["effect_size"])
    assert row["difference_ci_low"] == pytest.approx(-0.1)


def test_summarize_leaves_diverged_trials_out_and_counts_them():
    scores = {"baseline": [0.7] * 10, "noise": [0.9] + [0.75] * 9}
    row = row_of(summarize(make_trials(scores, diverged={("noise", 0)}), 0.01), "noise")
    assert (row["n_seeds"], row["n_diverged"]) == (10, 1)
    assert row["test_score_mean"] == pytest.approx(0.75)
    assert row["verdict"] == "inconclusive"  # a tenth of the pairs broke


def test_summarize_counts_a_score_that_is_not_finite_as_diverged():
    row = row_of(summarize(make_trials({"baseline": [0.7] * 3, "noise": [0.7, nan, np.inf]}), 0.01), "noise")
    assert row["n_diverged"] == 2


def test_summarize_of_a_cell_all_diverged_has_no_numbers():
    scores = {"baseline": [0.7] * 8, "noise": [0.5] * 8}
    summary = summarize(make_trials(scores, diverged={("noise", seed) for seed in range(8)}), 0.01)
    row = row_of(summary, "noise")
    assert row["n_diverged"] == 8
    assert row[["test_score_mean", "ci_low", "difference_mean", "p_value", "p_adjusted"]].isna().all()
    assert row["verdict"] == "inconclusive"


def test_summarize_of_no_trials_is_an_empty_summary():
    summary = summarize(make_trials({}), 0.01)
    assert list(summary.columns) == SUMMARY_COLUMNS
    assert summary.empty


def test_summarize_compares_the_fresh_score_where_there_is_one():
    scores = {"baseline": [0.7] * 8, "noise": [0.7] * 8}
    fresh = {"baseline": np.linspace(0.70, 0.71, 8), "noise": np.linspace(0.75, 0.76, 8)}
    row = row_of(summarize(make_trials(scores, evaluated=fresh), 0.01), "noise")
    assert row["difference_mean"] == pytest.approx(0.05)
    assert row["test_score_mean"] == pytest.approx(0.7)


def test_summarize_adjusts_over_all_cells_of_all_datasets():
    scores = {"baseline": [0.7] * 8, "noise": [0.75] * 8}
    both = pd.concat([make_trials(scores), make_trials(scores, dataset="e")])
    assert list(summarize(both, 0.01)["p_adjusted"].dropna()) == pytest.approx([4 / 2**8] * 2)


def test_pair_counts_tells_missing_seeds_from_broken_pairs():
    trials = make_trials({"baseline": [0.7] * 5, "noise": [0.7] * 9}, diverged={("noise", 0)})
    counts = pair_counts(trials).iloc[0]
    assert (counts["n_pairs"], counts["n_broken"], counts["least_n"]) == (4, 1, 6)


def test_learning_bands_are_mean_and_quantiles_over_seeds():
    curves = pd.DataFrame(
        {
            "dataset": "d",
            "architecture": "a",
            "variant": "v",
            "seed": range(11),
            "epoch": 7,
            "train_score": 1.0,
            "test_score": np.arange(11) / 10,
            "train_loss": np.inf,
            "test_loss": 0.0,
        }
    )
    bands = learning_bands(curves).set_index("quantity")
    assert bands.loc["test_score", ["epoch", "mean", "low", "high"]].tolist() == pytest.approx([7, 0.5, 0.1, 0.9])
    assert isnan(bands.loc["train_loss", "mean"])


def test_percentile_of_published_counts_rounded_ties_half():
    scores = [52 / 70, 53 / 70, 53 / 70, 54 / 70]  # 53/70 = .75714, published as .757
    assert percentile_of_published(scores, 0.757) == pytest.approx(50.0)
    assert percentile_of_published(scores, 0.9) == 100.0
    assert percentile_of_published(scores, 0.1) == 0.0
    assert isnan(percentile_of_published([], 0.757))
    assert isnan(percentile_of_published([nan], 0.757))


def test_score_interval_matches_wilsons_formula():
    n, p, z = 70, 57 / 70, stats.norm.ppf(0.975)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert score_interval(57, 70) == pytest.approx((centre - half, centre + half))
    assert all(isnan(bound) for bound in score_interval(0, 0))


def test_score_standard_error_of_seventy_rows_is_five_points():
    assert score_standard_error(0.8, 70) == pytest.approx(0.0478, abs=1e-4)
    assert isnan(score_standard_error(0.8, 0))


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 30])
def test_t_interval_covers_the_truth_in_95_of_100_pilots(n):
    """On what it will meet: differences in whole points of 70, a little skewed."""
    rng = np.random.default_rng(n)
    draws = np.rint(rng.gamma(20, 0.5, (2000, n)) - 7) / 70
    truth = (np.rint(rng.gamma(20, 0.5, 2_000_000) - 7) / 70).mean()
    bounds = np.array([t_interval(draw) for draw in draws])
    assert 0.93 <= np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])) <= 0.97


@pytest.mark.slow
def test_summarize_rejects_a_true_null_in_at_most_5_of_100_studies():
    """The whole way to the verdict, four variants against one baseline, ten seeds, scores in points of 70."""
    rng = np.random.default_rng(11)
    n_studies, names = 300, ["baseline", "v1", "v2", "v3", "v4"]
    false_verdicts = single = 0
    for _ in range(n_studies):
        shared = rng.normal(0.77, 0.02, 10)
        scores = {name: np.rint(70 * (shared + rng.normal(0, 0.02, 10))) / 70 for name in names}
        summary = summarize(make_trials(scores), 0.01)
        false_verdicts += summary["verdict"].isin(["better", "worse"]).any()
        single += (summary["p_value"] <= 0.05).sum()
    error = np.sqrt(0.05 * 0.95 / n_studies)
    assert false_verdicts / n_studies <= 0.05 + 3 * error
    assert (
        single / (4 * n_studies) <= 0.05 + 3 * error
    )  # the four share a baseline: the error of one study, not of four
