"""The history of campaigns against each night's own paired t interval and the sequence over what came before."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noiseflow.campaigns.confidence_sequences import confidence_sequence
from noiseflow.campaigns.history import HISTORY_COLUMNS, history
from noiseflow.statistics.bands import long_tail
from tests.campaigns.test_drift import night, nights


def differences(trials):
    """Variant minus baseline by seed, in the order of the seeds."""
    table = trials.pivot_table(index="seed", columns="variant", values="test_score")
    return (table["noise"] - table["baseline"]).to_numpy()


def test_history_tells_each_night_and_all_nights_up_to_it():
    trials = nights(3).assign(train_seconds=2.0)
    told = history(trials)
    d = differences(trials)
    assert list(told.columns) == HISTORY_COLUMNS
    assert list(told["campaign"]) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert list(told["n_pairs"]) == [30, 30, 30]
    assert list(told["n_pooled"]) == [30, 60, 90]
    for k, row in enumerate(told.to_dict("records")):
        own, pooled = d[30 * k : 30 * k + 30], d[: 30 * k + 30]
        interval = stats.ttest_1samp(own, 0).confidence_interval()
        low, high = confidence_sequence(pooled.mean(), pooled.std(ddof=1), pooled.size, 0.05)
        assert row["difference_mean"] == pytest.approx(own.mean())
        assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx((interval.low, interval.high))
        tail = long_tail(pooled)
        low, high = (pooled.mean() + out * (end - pooled.mean()) for out, end in zip(tail, (low, high), strict=True))
        assert row["pooled_mean"] == pytest.approx(pooled.mean())
        assert (row["pooled_low"], row["pooled_high"]) == pytest.approx((float(low), float(high)))
        assert (row["score_name"], row["seconds_per_trial"], row["drifted"]) == ("accuracy", 2.0, False)


def test_history_shares_alpha_among_the_cells():
    trials = nights(1)
    second = trials[trials["variant"] == "noise"].assign(variant="other")
    told = history(pd.concat([trials, second], ignore_index=True))
    d = differences(trials)
    low, _ = confidence_sequence(d.mean(), d.std(ddof=1), d.size, 0.025)
    low = d.mean() + long_tail(d)[0] * (low - d.mean())
    assert list(told["pooled_low"]) == pytest.approx([float(low)] * 2)


@pytest.mark.parametrize("shifted", ["noise", "baseline"])
def test_history_marks_the_night_on_which_a_cell_or_its_baseline_drifted(shifted):
    trials = nights(4)
    moved = (trials["campaign"] == "2026-11-04") & (trials["variant"] == shifted)
    trials.loc[moved, "test_score"] += 0.1
    assert list(history(trials)["drifted"]) == [False, False, False, True]


def test_history_pools_trials_without_a_campaign_and_gives_them_no_row():
    first = night(0, {"baseline": [0.7] * 4, "noise": [0.8] * 4})
    told = history(pd.concat([first, night(1, {"baseline": [0.7] * 3, "noise": [0.8] * 3})], ignore_index=True))
    assert list(told["n_pairs"]) == [3]
    assert list(told["n_pooled"]) == [7]
    assert told["pooled_mean"].iloc[0] == pytest.approx(0.1)


def test_history_of_little_says_what_it_can():
    parts = [night(1, {"baseline": [0.7], "noise": [0.8]}), night(2, {"baseline": [0.7] * 2, "noise": [0.8, np.nan]})]
    told = history(pd.concat(parts, ignore_index=True))
    assert list(told["n_pairs"]) == [1, 1]
    assert told["difference_mean"].tolist() == pytest.approx([0.1, 0.1])
    assert told[["difference_ci_low", "pooled_low", "pooled_high"]].isna().all(axis=None)


def test_history_of_differences_mostly_alike_has_no_bounds_until_fifteen_differ():
    few, more = np.full(40, 0.8), np.full(40, 0.8)
    few[:5], more[:10] = np.linspace(0.81, 0.82, 5), np.linspace(0.81, 0.83, 10)
    parts = [night(k, {"baseline": [0.7] * 40, "noise": scores}) for k, scores in ((1, few), (2, more))]
    told = history(pd.concat(parts, ignore_index=True))
    assert told["pooled_low"].isna().tolist() == [True, False]
    assert told["difference_ci_low"].notna().all()


def test_history_without_campaigns_or_without_a_baseline_has_no_rows():
    assert history(nights(1).drop(columns="campaign")).empty
    assert history(night(1, {"noise": [0.8] * 3})).empty
    assert history(nights(1).head(0)).empty
