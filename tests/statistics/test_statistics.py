"""The summary against values by hand, whatever the trials lack; its level by simulation, marked slow."""

import gc
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from made_trials import made_trials, resampled
from scipy import stats

from noiseflow.campaigns.repeated_looks import compare_at_every_look
from noiseflow.statistics.bands import PairedDifferences, simultaneous
from noiseflow.statistics.power import seeds_needed
from noiseflow.statistics.summary import FURTHER_COLUMNS, SUMMARY_COLUMNS, learning_bands, summarize


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


def test_summarize_computes_every_column_of_a_small_study():
    baseline = [0.70, 0.72, 0.71, 0.73, 0.70, 0.72, 0.71, 0.74]
    gains = [0.05, 0.03, 0.04, 0.06, 0.02, 0.05, 0.04, 0.03]
    noise = [b + g for b, g in zip(baseline, gains, strict=True)]
    summary = summarize(make_trials({"baseline": baseline, "noise": noise}), 0.01)
    row = row_of(summary, "noise")
    (band,) = simultaneous([PairedDifferences(np.array(gains), np.arange(8))])
    assert list(summary.columns) == [*SUMMARY_COLUMNS, *FURTHER_COLUMNS]
    assert list(summary["variant"]) == ["baseline", "noise"]
    assert row["n_seeds"] == 8
    assert row["n_diverged"] == 0
    assert row["test_score_mean"] == pytest.approx(np.mean(noise))
    assert row["test_score_std"] == pytest.approx(np.std(noise, ddof=1))
    assert row["ci_low"] == pytest.approx(stats.ttest_1samp(noise, 0).confidence_interval().low)
    assert row["difference_mean"] == pytest.approx(0.04)
    assert row["difference_ci_low"] == pytest.approx(band.low)
    assert row["difference_ci_high"] == pytest.approx(band.high)
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
    assert row["verdict"] == "worse"  # it always fails: p = 2/2^8


def test_summarize_of_no_trials_is_an_empty_summary():
    summary = summarize(make_trials({}), 0.01)
    assert list(summary.columns) == [*SUMMARY_COLUMNS, *FURTHER_COLUMNS]
    assert summary.empty


def test_summarize_compares_the_fresh_score_where_there_is_one():
    scores = {"baseline": [0.7] * 8, "noise": [0.7] * 8}
    fresh = {"baseline": np.linspace(0.70, 0.71, 8), "noise": np.linspace(0.75, 0.76, 8)}
    row = row_of(summarize(make_trials(scores, evaluated=fresh), 0.01), "noise")
    assert row["difference_mean"] == pytest.approx(0.05)
    assert row["test_score_mean"] == pytest.approx(0.7)


def test_summarize_flips_signs_jointly_over_all_cells_of_all_datasets():
    scores = {"baseline": [0.7] * 8, "noise": [0.75] * 8}
    both = pd.concat([make_trials(scores), make_trials(scores, dataset="e")])
    assert list(summarize(both, 0.01)["p_adjusted"].dropna()) == [2 / 2**8] * 2


SPLITS = np.array([0.03, -0.01, 0.02, 0.04, 0.00, 0.01, 0.03, 0.02])


def splits(dataset="d"):
    """Eight splits of the same rows."""
    cells = {"baseline": resampled([0.7] * 8), "noise": resampled(0.7 + SPLITS)}
    return made_trials(cells, dataset=dataset)


def test_summarize_corrects_for_rows_that_are_split_again():
    row = row_of(summarize(splits(), 0.05, reused={"d": 3 / 7}), "noise")
    half = stats.t.ppf(0.975, 7) * SPLITS.std(ddof=1) * np.sqrt(1 / 8 + 3 / 7)
    p = 2 * stats.t.sf(SPLITS.mean() / (SPLITS.std(ddof=1) * np.sqrt(1 / 8 + 3 / 7)), 7)
    assert row["approximate"]
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx(
        (SPLITS.mean() - half, SPLITS.mean() + half)
    )
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.7175 - half, 0.7175 + half))
    assert row["p_value"] == pytest.approx(p)
    assert row[["bca_low", "wilcoxon_p", "n_needed"]].isna().all()
    assert row["effect_size"] == pytest.approx(SPLITS.mean() / SPLITS.std(ddof=1))


@pytest.mark.parametrize(("margin", "verdict"), [(0.03, "inconclusive"), (0.05, "equivalent")])
def test_summarize_of_split_rows_reads_the_verdict_off_the_corrected_interval(margin, verdict):
    row = row_of(summarize(splits(), margin, reused={"d": 3 / 7}), "noise")
    assert row["verdict"] == verdict
    assert 0.03 < row["difference_ci_high"] < 0.05


def test_summarize_corrects_the_named_datasets_only():
    summary = summarize(pd.concat([splits(), splits("e")]), 0.01, reused={"e": 0.5, "unknown": 1.0})
    assert list(summary["approximate"]) == [False, False, True, True]
    assert list(summary["wilcoxon_p"].notna()) == [False, True, False, False]


def test_summarize_does_not_correct_a_single_split():
    trials = make_trials({"baseline": [0.7] * 8, "noise": list(0.7 + SPLITS)})
    row = row_of(summarize(trials, 0.01, reused={"d": 3 / 7}), "noise")
    assert not row["approximate"]
    assert row["p_value"] == row_of(summarize(trials, 0.01), "noise")["p_value"]


def test_summarize_tells_second_opinions_and_seeds_needed():
    rng = np.random.default_rng(5)
    baseline, gains = rng.normal(0.7, 0.02, 24), rng.normal(0.02, 0.02, 24)
    row = row_of(summarize(make_trials({"baseline": baseline, "noise": baseline + gains}), 0.01), "noise")
    noise = np.sort(baseline + gains)
    assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(gains).pvalue)
    assert row["bca_low"] == pytest.approx(row["difference_ci_low"], abs=0.003)
    assert row["bca_high"] == pytest.approx(row["difference_ci_high"], abs=0.003)
    assert isnan(row["n_needed"])  # it is decided
    close = row_of(summarize(make_trials({"baseline": baseline, "noise": baseline + gains - 0.015}), 0.01), "noise")
    assert close["n_needed"] == seeds_needed(gains.std(ddof=1), 0.01)
    assert row["interquartile_mean"] == pytest.approx(noise[6:18].mean())


def looked_at(scores, **options):
    return summarize(make_trials(scores, **options), 0.01, compare=compare_at_every_look)


def test_summarize_under_repeated_looks_is_a_confidence_sequence_with_alpha_shared():
    rng = np.random.default_rng(5)
    baseline, n = rng.normal(0.7, 0.02, 60), 60
    scores = {"baseline": baseline, "noise": baseline + rng.normal(0.03, 0.02, n), "other": baseline + 0.1}
    summary = looked_at(scores)
    row, d = row_of(summary, "noise"), scores["noise"] - baseline
    # by hand, for α = .05/2 and g = .2: r = ((1 + n g)/α²)^(1/n), half = s/√n √((n − 1)(r − 1)/(1 − r/(1 + n g)))
    r = (13 / 0.025**2) ** (1 / n)
    half = d.std(ddof=1) / np.sqrt(n) * np.sqrt((n - 1) * (r - 1) / (1 - r / 13))
    assert list(summary.columns) == [*SUMMARY_COLUMNS, *FURTHER_COLUMNS]
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx((d.mean() - half, d.mean() + half))
    t = np.sqrt(n) * d.mean() / d.std(ddof=1)
    evidence = ((1 + t**2 / 59) / (1 + t**2 / (59 * 13))) ** (n / 2) / np.sqrt(13)
    assert row["p_value"] == pytest.approx(1 / evidence)
    assert row["p_adjusted"] == pytest.approx(2 / evidence)
    assert (row["fixed_ci_low"], row["fixed_ci_high"]) == pytest.approx(stats.ttest_1samp(d, 0).confidence_interval())
    assert row["verdict"] == "better"
    assert row[["bca_low", "bca_high", "wilcoxon_p"]].isna().all()
    assert row_of(summary, "baseline")[["difference_mean", "p_value", "fixed_ci_low", "verdict"]].isna().all()


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.0, "equivalent"), (0.009, "equivalent"), (0.02, "better"), (-0.02, "worse")]
)
def test_summarize_under_repeated_looks_decides_by_where_the_sequence_lies(gain, verdict):
    baseline = np.linspace(0.6, 0.8, 40)
    row = row_of(looked_at({"baseline": baseline, "noise": baseline + gain + 1e-4 * (-1.0) ** np.arange(40)}), "noise")
    assert row["verdict"] == verdict


def test_summarize_under_repeated_looks_is_inconclusive_of_little_or_of_survivors():
    baseline = np.linspace(0.6, 0.8, 40)
    scores = {"baseline": baseline, "noise": baseline + 0.1 + 1e-3 * (-1) ** np.arange(40)}
    broken = row_of(looked_at(scores, diverged={("noise", seed) for seed in range(3)}), "noise")
    few = row_of(looked_at({name: values[:5] for name, values in scores.items()}), "noise")
    one = row_of(looked_at({name: values[:1] for name, values in scores.items()}), "noise")
    assert broken["difference_ci_low"] == pytest.approx(0.1, abs=1e-3)
    assert [row["verdict"] for row in (broken, few, one)] == ["inconclusive"] * 3
    assert few[["difference_ci_low", "difference_ci_high"]].isna().all()
    assert one[["difference_ci_low", "p_value", "p_adjusted", "fixed_ci_low", "n_needed"]].isna().all()
    assert one["difference_mean"] == pytest.approx(0.1, abs=2e-3)


def test_summarize_under_repeated_looks_does_not_conclude_from_differences_that_are_mostly_alike():
    baseline = np.linspace(0.6, 0.8, 200)
    row = row_of(looked_at({"baseline": baseline, "noise": baseline + 0.02 * (np.arange(200) < 10)}), "noise")
    assert row[["difference_ci_low", "difference_ci_high"]].isna().all()
    assert (row["p_value"], row["verdict"]) == (1.0, "inconclusive")


def test_summarize_for_one_look_has_no_fixed_interval_beside_its_own():
    row = row_of(summarize(make_trials({"baseline": [0.7, 0.8, 0.9], "noise": [0.8, 0.9, 0.9]}), 0.01), "noise")
    assert row[["fixed_ci_low", "fixed_ci_high"]].isna().all()


def test_summarize_refuses_repeated_looks_at_pairs_that_depend_on_each_other():
    with pytest.raises(ValueError, match=r"the data seeds of 'd' split the same rows"):
        summarize(splits(), 0.01, reused={"d": 3 / 7}, compare=compare_at_every_look)
    grid = {(1, 0): 0.7, (1, 1): 0.8, (2, 0): 0.7, (2, 1): 0.9}
    with pytest.raises(ValueError, match=r"the pairs of 'noise' share data seeds"):
        summarize(made_trials({"baseline": grid, "noise": grid}), 0.01, compare=compare_at_every_look)


def test_summarize_averages_what_is_measured_beside_the_score():
    trials = make_trials({"baseline": [0.7] * 3}, diverged=[("baseline", 2)])
    trials = trials.assign(train_mode_loss=[0.5, 0.7, 9.0], train_loss=[0.3, 0.4, 9.0], test_loss=[0.6, 0.8, np.inf])
    trials = trials.assign(brier=[0.1, 0.2, nan], ece=[None, 0.04, None], signal_to_noise=[1.0, 2.0, 99.0])
    row = row_of(summarize(trials, 0.01), "baseline")
    assert row["gap_mean"] == pytest.approx(0.25)
    assert (row["train_loss_mean"], row["test_loss_mean"]) == pytest.approx((0.35, 0.7))
    assert (row["brier_mean"], row["ece_mean"]) == pytest.approx((0.15, 0.04))
    assert row["signal_to_noise_median"] == pytest.approx(1.5)


def test_summarize_of_trials_without_those_columns_leaves_them_empty():
    row = row_of(summarize(make_trials({"baseline": [0.7] * 3}), 0.01), "baseline")
    assert row[["gap_mean", "train_loss_mean", "test_loss_mean", "brier_mean", "ece_mean"]].isna().all()
    assert isnan(row["signal_to_noise_median"])


def test_summarize_tells_missing_seeds_from_broken_pairs():
    trials = make_trials({"baseline": [0.7] * 5, "noise": [0.7] * 9}, diverged={("noise", 0)})
    row = row_of(summarize(trials, 0.01), "noise")
    assert (row["n_pairs"], row["n_broken"], row["least_n"]) == (4, 1, 6)


def test_learning_bands_are_mean_and_quantiles_over_seeds():
    curves = pd.DataFrame(
        {
            "dataset": "d",
            "architecture": "a",
            "variant": "v",
            "seed": range(11),
            "epoch": 7,
            "train_score": np.inf,
            "test_score": np.arange(11) / 10,
        }
    )
    bands = learning_bands(curves).set_index("quantity")
    assert bands.loc["test_score", ["epoch", "mean", "low", "high"]].tolist() == pytest.approx([7, 0.5, 0.1, 0.9])
    assert isnan(bands.loc["train_score", "mean"])


@pytest.fixture
def frozen_heap():
    """What is there already is no garbage: multipletests collects at each call, which takes a second in a process of tests."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("frozen_heap")
@pytest.mark.parametrize("n_studies", [60, pytest.param(300, marks=pytest.mark.evidence)])
def test_summarize_rejects_a_true_null_in_at_most_5_of_100_studies(n_studies):
    """The whole way to the verdict, four variants against one baseline, ten seeds, scores in points of 70."""
    rng = np.random.default_rng(11)
    names = ["baseline", "v1", "v2", "v3", "v4"]
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
