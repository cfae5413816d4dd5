"""`compare` on hand-made fits: nothing is trained here."""

from dataclasses import fields
from itertools import product

import numpy as np
import pytest

import noiseflow
from noiseflow.engine.result import SeedsFit
from noiseflow.statistics.effects import EFFECT_COLUMNS


def make_fit(scores, *, metric="accuracy", seeds=None, loss=0.5, initial_loss=0.7, **history):
    """A fit of which only what `compare` reads is there; scores: by seed, of the last of two recorded epochs."""
    scores = np.asarray(scores, np.float32)
    last = np.broadcast_to(np.asarray(loss, np.float32), scores.shape)
    quantities = {"loss": last, "val_loss": last} | ({f"val_{metric}": scores} if metric else {}) | history
    known = {
        "seeds": tuple(range(len(scores)) if seeds is None else seeds),
        "history": {name: np.stack([np.zeros_like(values), values], axis=1) for name, values in quantities.items()},
        "initial": {"val_loss": np.full(scores.shape, initial_loss, np.float32)},
        "epochs": np.array([1, 2]),
        "engine": "vectorized",
    }
    return SeedsFit(**{field.name: known.get(field.name) for field in fields(SeedsFit)})


BASE = np.array([0.70, 0.72, 0.71, 0.73, 0.70, 0.72, 0.71, 0.74])
GAINS = np.array([0.05, 0.03, 0.04, 0.06, 0.02, 0.05, 0.04, 0.03])


def p_of_mean(mean):
    """The p of all 2^8 flips of signs, if the true mean of the gains were this one."""
    rest = GAINS - mean
    sums = np.array(list(product([1, -1], repeat=8))) @ rest
    return (np.abs(sums) >= abs(rest.sum()) * (1 - 1e-9)).mean()


def test_compare_gives_the_summary_of_the_last_epoch_by_variant():
    table = noiseflow.compare({"baseline": make_fit(BASE), "noise": make_fit(BASE + GAINS)})
    row = table.loc["noise"]
    assert list(table.index) == ["baseline", "noise"]
    assert table.index.name == "variant"
    assert list(table.columns) == [
        *("score_name", "n_seeds", "n_diverged", "test_score_mean", "test_score_std", "ci_low", "ci_high"),
        *("difference_mean", "difference_ci_low", "difference_ci_high", "p_value", "p_adjusted"),
        *EFFECT_COLUMNS,
        "verdict",
    ]
    assert (row["score_name"], row["n_seeds"], row["n_diverged"], row["verdict"]) == ("accuracy", 8, 0, "better")
    assert row["test_score_mean"] == pytest.approx((BASE + GAINS).mean())
    assert row["difference_mean"] == pytest.approx(0.04)
    assert p_of_mean(row["difference_ci_low"] - 1e-4) <= 0.05 < p_of_mean(row["difference_ci_low"] + 1e-4)
    assert p_of_mean(row["difference_ci_high"] + 1e-4) <= 0.05 < p_of_mean(row["difference_ci_high"] - 1e-4)
    assert row["p_value"] == pytest.approx(2 / 2**8)  # all differences have one sign
    assert table.loc["baseline", ["difference_mean", "p_value", "verdict"]].isna().all()


@pytest.mark.parametrize(
    ("names", "baseline"),
    [(("plain", "noisy"), "plain"), (("noisy", "baseline"), "baseline")],
)
def test_compare_takes_the_one_named_baseline_or_else_the_first(names, baseline):
    table = noiseflow.compare({names[0]: make_fit(BASE), names[1]: make_fit(BASE + GAINS)})
    assert list(table.index) == list(names)
    assert list(table.index[table["difference_mean"].isna()]) == [baseline]
    assert table["difference_mean"].dropna().item() == pytest.approx(0.04 if baseline == names[0] else -0.04)


def test_compare_pairs_by_seed_whatever_their_order():
    order = [3, 1, 0, 2, 7, 5, 6, 4]
    mixed = make_fit((BASE + 0.05)[order], seeds=order)
    row = noiseflow.compare({"baseline": make_fit(BASE), "noise": mixed}).loc["noise"]
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx((0.05, 0.05))


def test_compare_adjusts_for_every_variant():
    """Equal variants are as one: every flip of signs is that of both."""
    fits = {"baseline": make_fit(BASE), "one": make_fit(BASE + GAINS), "two": make_fit(BASE + GAINS)}
    assert list(noiseflow.compare(fits)["p_adjusted"].dropna()) == pytest.approx(
        [2 / 2**8] * 2
    )  # equal variants are one comparison


def test_compare_leaves_diverged_seeds_out_as_trials_do():
    """Not finite, or above 1,000 times the initial loss."""
    loss = np.full(8, 0.5)
    loss[[2, 5]] = np.nan, 800.0
    table = noiseflow.compare({"baseline": make_fit(BASE), "noise": make_fit(BASE + GAINS, loss=loss)})
    assert table.loc["noise", "n_diverged"] == 2
    assert table.loc["noise", "difference_mean"] == pytest.approx(np.delete(GAINS, [2, 5]).mean())
    assert table.loc["noise", "verdict"] == "inconclusive"  # a quarter of the pairs broke


@pytest.mark.parametrize(
    ("metric", "score_name"),
    [("binary_accuracy", "accuracy"), ("sparse_categorical_accuracy", "accuracy"), ("r2_score", "r2")],
)
def test_compare_finds_the_score_by_keras_name(metric, score_name):
    table = noiseflow.compare({"a": make_fit(BASE, metric=metric), "b": make_fit(BASE + GAINS, metric=metric)})
    assert list(table["score_name"]) == [score_name] * 2
    assert table.loc["b", "difference_mean"] == pytest.approx(0.04)


def test_compare_without_a_score_takes_the_negative_loss_in_the_margin_given():
    fits = {"a": make_fit(BASE, metric=None, loss=BASE), "b": make_fit(BASE, metric=None, loss=BASE + GAINS)}
    table = noiseflow.compare(fits, margin=0.005)
    assert list(table["score_name"]) == ["-loss"] * 2
    assert table.loc["a", "test_score_mean"] == pytest.approx(-BASE.mean())
    assert table.loc["b", "verdict"] == "worse"


def test_compare_margin_decides_what_is_equivalent():
    fits = {"a": make_fit(BASE), "b": make_fit(BASE + GAINS)}
    assert [noiseflow.compare(fits, margin=m).loc["b", "verdict"] for m in (0.01, 0.2)] == ["better", "equivalent"]


def test_compare_shows_the_train_score_where_it_was_evaluated():
    fits = {"a": make_fit(BASE, train_accuracy=BASE + 0.2), "b": make_fit(BASE)}
    table = noiseflow.compare(fits)
    assert table.loc["a", "train_score_mean"] == pytest.approx(BASE.mean() + 0.2)
    assert np.isnan(table.loc["b", "train_score_mean"])


def without_validation(fit):
    del fit.history["val_loss"], fit.history["val_accuracy"]
    return fit


@pytest.mark.parametrize(
    ("fits", "margin", "says"),
    [
        ({}, None, "at least; received \\[\\]"),
        ({"a": make_fit(BASE)}, None, "a baseline and a variant at least; received \\['a'\\]"),
        (
            {"a": make_fit(BASE), "b": make_fit(BASE, seeds=range(1, 9))},
            None,
            "fits\\['b'\\] must have the seeds of the first, 8 seeds \\(0, 1, 2, 3, …\\); received 8 seeds \\(1, 2, 3, 4",
        ),
        (
            {"a": make_fit(BASE), "b": without_validation(make_fit(BASE))},
            0.01,
            "fits\\['b'\\] must have val_loss in its history; received \\['loss'\\]. Give fit_seeds validation_data=",
        ),
        ({"a": make_fit(BASE), "b": make_fit(BASE, metric=None)}, None, "margin must be given, in units of the loss"),
        ({"a": make_fit(BASE), "b": make_fit(BASE)}, 0.0, "margin must be above 0; received 0.0"),
        ({"a": make_fit(BASE), "b": make_fit(BASE)}, np.nan, "margin must be above 0; received nan"),
    ],
)
def test_compare_refuses_what_cannot_be_compared(fits, margin, says):
    with pytest.raises(ValueError, match=says):
        noiseflow.compare(fits, margin=margin)


def test_compare_names_all_faults_at_once():
    fits = {"a": make_fit(BASE), "b": without_validation(make_fit(BASE[:7]))}
    with pytest.raises(ValueError, match=r"seeds of the first.*\n.*val_loss.*\n.*above 0"):
        noiseflow.compare(fits, margin=-1.0)
