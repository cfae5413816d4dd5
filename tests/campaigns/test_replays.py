"""Trials trained again, against what they gave before."""

from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from made_trials import made_trials, resampled

from noiseflow.campaigns.replays import REPLAY_COLUMNS, compare_replays

FIRST, LATER = "2026-11-01", "2026-11-23"


def first_night(**columns):
    trials = made_trials({"baseline": resampled([0.7, 0.8]), "noise": resampled([0.75, 0.85])}, **columns)
    ids = [f"t{k}" for k in range(len(trials))]
    circumstances = {"campaign": FIRST, "device": "cpu", "train_seconds": 1.0, "study": "circles"}
    return trials.assign(trial_id=ids, test_loss=[0.5, 0.4, 0.3, 0.2], epochs=4000, **circumstances)


def again(trials, campaign=LATER):
    """The same rows, trained again under other circumstances and other names."""
    return trials.assign(campaign=campaign, device="gpu", train_seconds=9.0, study="night", variant="renamed")


def test_compare_replays_of_equal_rows_are_equal_whatever_the_circumstances():
    trials = first_night()
    told = compare_replays(again(trials), trials)
    assert list(told.columns) == REPLAY_COLUMNS
    assert list(told["equal"]) == [True] * 4
    assert list(told["largest_difference"]) == [0.0] * 4
    assert set(told["differing"]) == {""}
    assert set(told["campaign"]) == {LATER}
    assert list(told["variant"]) == ["baseline", "baseline", "noise", "noise"]
    assert list(told["score_before"]) == list(told["score_after"]) == [0.7, 0.8, 0.75, 0.85]


def test_compare_replays_names_what_differs_and_by_how_much():
    trials = first_night()
    replays = again(trials).iloc[[3]].assign(test_score=0.875, test_loss=0.25, epochs=3999)
    row = compare_replays(replays, trials).iloc[0]
    assert not row["equal"]
    assert set(row["differing"].split(", ")) == {"test_score", "test_loss", "epochs"}
    assert row["largest_difference"] == pytest.approx(0.05)  # of the loss; 4,000 epochs are no measured figure
    assert (row["trial_id"], row["seed"], row["score_before"], row["score_after"]) == ("t3", 1, 0.85, 0.875)


def test_compare_replays_is_bitwise():
    trials = first_night()
    told = compare_replays(again(trials).assign(test_score=np.nextafter(trials["test_score"], 1)), trials)
    assert not told["equal"].any()
    assert (told["largest_difference"] < 1e-15).all()


def test_compare_replays_of_a_trial_that_diverges_only_once_differ_without_bound():
    trials = first_night()
    told = compare_replays(again(trials).assign(status="diverged", test_loss=[nan, inf, nan, 0.2]), trials)
    assert list(told["largest_difference"]) == [inf, inf, inf, 0.0]
    assert not told["equal"].any()
    assert told["score_after"].isna().all()


def test_compare_replays_of_a_trial_that_diverges_twice_are_equal():
    trials = first_night().assign(status="diverged", test_loss=[nan, inf, -inf, nan], test_score=nan)
    told = compare_replays(again(trials), trials)
    assert told["equal"].all()
    assert (told["largest_difference"] == 0).all()


def test_compare_replays_keeps_campaigns_apart_and_leaves_unknown_trials_out():
    trials = first_night()
    replays = pd.concat([again(trials), again(trials, "2026-11-09"), again(trials).assign(trial_id="elsewhere")])
    told = compare_replays(replays, trials)
    assert list(told["campaign"]) == ["2026-11-09"] * 4 + [LATER] * 4


def test_compare_replays_of_none_has_no_rows():
    trials = first_night()
    assert list(compare_replays(again(trials).head(0), trials).columns) == REPLAY_COLUMNS
    assert compare_replays(again(trials).head(0), trials).empty
