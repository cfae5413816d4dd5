"""The honest choice of a strength, by hand; families against the baseline and each other."""

from math import isnan

import numpy as np
import pandas as pd
import pytest
from made_trials import crossed, made_trials, resampled
from scipy import stats

from noiseflow.statistics.crossfit import HONEST_COLUMNS, honest_scores
from noiseflow.statistics.families import CHOICE_COLUMNS, RIVAL_COLUMNS, choose_strengths, compare_families
from noiseflow.statistics.inference import sign_flip_p
from noiseflow.statistics.summary import summarize

WEAK, STRONG = ("input", 0.1), ("input", 0.2)
HAND = {
    "baseline": resampled([0.5, 0.5, 0.5]),
    STRONG: resampled([0.6, 0.6, 0.6]),
    WEAK: resampled([0.9, 0.5, 0.5]),
}
"""The weak one is good on the first data seed only: the second half, without it, chooses the strong one."""


def scores_of(trials, family="input"):
    honest = honest_scores(trials)
    return honest[honest["family"] == family].sort_values("data_seed")


def test_honest_scores_choose_from_the_other_half():
    chosen = scores_of(made_trials(HAND))
    assert list(chosen.columns) == HONEST_COLUMNS
    # halves are {1, 3} and {2}: on the second data seed the strong one is best, on the others (.9 + .5) / 2 beats .6
    assert list(chosen["strength"]) == [0.2, 0.1, 0.2]
    assert list(chosen["score"]) == [0.6, 0.5, 0.6]
    assert list(chosen["variant"]) == ["input 0.2", "input 0.1", "input 0.2"]
    assert set(chosen["n_strengths"]) == {2}
    assert list(scores_of(made_trials(HAND), "baseline")["score"]) == [0.5] * 3


def test_choose_strengths_tells_the_optimism_of_the_naive_choice():
    row = choose_strengths(made_trials(HAND), 0.01).iloc[0]
    assert list(row.index) == CHOICE_COLUMNS
    assert (row["n_strengths"], row["n_seeds"], row["n_diverged"]) == (2, 3, 0)
    assert (row["strength"], row["share"]) == (0.2, pytest.approx(2 / 3))
    assert row["score_mean"] == pytest.approx(1.7 / 3)
    assert (row["naive_strength"], row["naive_score"]) == (0.1, pytest.approx(1.9 / 3))
    assert row["optimism"] == pytest.approx(0.2 / 3)
    assert row["difference_mean"] == pytest.approx(0.2 / 3)
    assert row["verdict"] == "inconclusive"


def test_honest_scores_of_ties_are_those_of_the_smaller_strength():
    tied = {STRONG: resampled([0.6, 0.7, 0.8]), WEAK: resampled([0.6, 0.7, 0.8 + 1e-9])}
    assert list(scores_of(made_trials(tied))["strength"]) == [0.1] * 3


def test_honest_scores_count_a_diverged_trial_as_the_lowest_elsewhere():
    cells = {"baseline": resampled([0.3, 0.5, 0.5]), WEAK: resampled([0.7] * 3), STRONG: resampled([0.8] * 3)}
    trials = made_trials(cells, diverged=[("input 0.2", 2, 1)])
    chosen = scores_of(trials)
    # the strong one counts as .5 on the second data seed, the lowest there; on the first and third it has .8
    assert list(chosen["strength"]) == [0.1, 0.2, 0.1]
    assert isnan(chosen["score"].iloc[1])
    assert choose_strengths(trials, 0.01)["n_diverged"].iloc[0] == 1


def test_honest_scores_of_a_crossed_study_choose_by_data_seed():
    cells = {WEAK: crossed([[0.9, 0.9], [0.5, 0.5], [0.5, 0.5]]), STRONG: crossed([[0.6, 0.6]] * 3)}
    chosen = scores_of(made_trials(cells)).sort_values(["data_seed", "seed"])
    assert list(chosen["strength"]) == [0.2, 0.2, 0.1, 0.1, 0.2, 0.2]


def test_honest_scores_of_one_data_seed_are_none():
    cells = {
        "baseline": {(1, 0): 0.5, (1, 1): 0.6},
        WEAK: {(1, 0): 0.5, (1, 1): 0.7},
        STRONG: {(1, 0): 0.9, (1, 1): 0.7},
    }
    chosen = scores_of(made_trials(cells))
    assert len(chosen) == 2
    assert chosen[["strength", "score", "variant"]].isna().all(axis=None)
    row = choose_strengths(made_trials(cells), 0.01).iloc[0]
    assert row[["strength", "score_mean", "difference_mean", "p_value", "optimism"]].isna().all()
    assert row["verdict"] == "inconclusive"


def test_honest_scores_of_a_family_all_diverged_are_missing():
    trials = made_trials(HAND, diverged=[("input 0.1", k + 1, k) for k in range(3)])
    assert list(scores_of(trials)["strength"]) == [0.2] * 3
    trials["status"] = "diverged"
    assert scores_of(trials)["score"].isna().all()


def test_honest_scores_without_families_are_the_trials():
    trials = made_trials({"baseline": resampled([0.5]), "noise": resampled([0.6])}).drop(columns="family")
    assert list(honest_scores(trials)["score"]) == [0.5, 0.6]


def test_choose_strengths_of_no_grid_is_empty():
    trials = made_trials({"baseline": resampled([0.5]), "noise": resampled([0.6])})
    for frame in (trials, trials.head(0)):
        found = choose_strengths(frame, 0.01)
        assert list(found.columns) == CHOICE_COLUMNS
        assert found.empty
    assert list(honest_scores(trials.head(0)).columns) == HONEST_COLUMNS


def study_of_two(n=12):
    rng = np.random.default_rng(2)
    base = rng.normal(0.7, 0.02, n)
    cells = {"baseline": base, WEAK: base + rng.normal(0.04, 0.01, n), STRONG: base + rng.normal(0.0, 0.01, n)}
    cells |= {("dropout", 0.1): base + rng.normal(0.02, 0.01, n), ("dropout", 0.5): base - 0.1, "l2": base + 0.001}
    return {cell: resampled(scores) for cell, scores in cells.items()}


def test_choose_strengths_adjusts_over_families():
    found = choose_strengths(made_trials(study_of_two()), 0.01)
    assert list(found["family"]) == ["input", "dropout"]
    assert (found["p_adjusted"] >= found["p_value"] - 1e-3).all()
    assert list(found["verdict"]) == ["better", "better"]
    assert (found["optimism"] >= -1e-12).all()


def test_compare_families_tests_one_against_each_rival_on_the_same_pairs():
    cells = study_of_two()
    found = compare_families(made_trials(cells), 0.01, "input").set_index("rival")
    ours, theirs = (np.array([*cells[cell].values()]) for cell in (WEAK, ("dropout", 0.1)))  # chosen for each data seed
    error = np.sqrt(1.5 * (ours - theirs).var(ddof=1) / 12)  # the two halves' means count as correlated by .5
    alone = (ours - theirs).mean() - stats.t.ppf(0.975, 11) * error
    low = (ours - theirs).mean() - 3 * stats.t.ppf(1 - 0.025 / 3, 11) * error
    assert list(found.index) == ["baseline", "dropout", "l2"]
    assert found.loc["dropout", "difference_mean"] == pytest.approx((ours - theirs).mean())
    assert low < found.loc["dropout", "difference_ci_low"] <= alone
    assert found.loc["baseline", "difference_ci_high"] > found.loc["baseline", "difference_mean"]
    assert found.loc["dropout", "p_value"] == pytest.approx(2 * stats.t.sf((ours - theirs).mean() / error, 11))
    assert (found["p_adjusted"] >= found["p_value"] - 1e-3).all()
    assert list(found["verdict"]) == ["better"] * 3


def test_compare_families_without_choices_is_the_plain_paired_test():
    cells = study_of_two()
    found = compare_families(made_trials(cells), 0.01, "l2").set_index("rival")
    differences = np.array([*cells["l2"].values()]) - np.array([*cells["baseline"].values()])
    assert found.loc["baseline", "p_value"] == sign_flip_p(differences)
    assert found.loc["baseline", "verdict"] == "equivalent"


def test_compare_families_names_what_it_knows():
    with pytest.raises(ValueError, match=r"one of \['baseline', 'input'.*received 'inputs'"):
        compare_families(made_trials(study_of_two()), 0.01, "inputs")


def test_compare_families_leaves_out_where_the_first_is_not():
    other = made_trials({"baseline": resampled([0.5] * 8), "l2": resampled([0.6] * 8)}, dataset="e")
    found = compare_families(pd.concat([made_trials(study_of_two()), other]), 0.01, "input")
    assert list(found.columns) == RIVAL_COLUMNS
    assert set(found["dataset"]) == {"d"}


def test_summarize_still_holds_each_strength_on_its_own():
    summary = summarize(made_trials(HAND), 0.01)
    assert list(summary["variant"]) == ["baseline", "input 0.2", "input 0.1"]
    assert list(summary["strength"])[1:] == [0.2, 0.1]
    assert isnan(summary["strength"].iloc[0])


def test_honest_scores_choose_inside_the_training_rows_where_these_were_looked_at():
    trials = made_trials(HAND)
    inner = {"input 0.1": [0.3, 0.7, 0.5], "input 0.2": [0.4, None, 0.5 + 1e-9]}  # one training diverged
    trials["inner_score"] = [
        inner.get(variant, [None] * 3)[int(seed) - 1]
        for variant, seed in zip(trials["variant"], trials["data_seed"].rank(method="dense"), strict=True)
    ]
    chosen = scores_of(trials)
    assert list(chosen["strength"]) == [0.2, 0.1, 0.1]  # of equal ones the smaller
    assert list(chosen["score"]) == [0.6, 0.5, 0.5]
