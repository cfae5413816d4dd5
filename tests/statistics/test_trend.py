"""The slope of a gain on log2 of the training rows, by hand."""

import numpy as np
import pandas as pd
import pytest
from made_trials import made_trials, resampled

from noiseflow.statistics.bands import PairedDifferences, simultaneous
from noiseflow.statistics.crossfit import honest_scores
from noiseflow.statistics.inference import holm, sign_flip_p
from noiseflow.statistics.trend import GAIN_COLUMNS, TREND_COLUMNS, gain_trend, gains_by_rows

ROWS = {"rows30": 30, "rows60": 60, "rows120": 120, "rows240": 240}
rng = np.random.default_rng(6)
SLOPES = rng.normal(-0.02, 0.01, 12)


def study(slopes=SLOPES, offset=0):
    """Gains .1 + slope × doublings for "noise", constant ones for "l2"; data seeds that start elsewhere in each dataset."""
    parts = []
    for k, name in enumerate(ROWS):
        base = np.linspace(0.6, 0.7, len(slopes))
        cells = {"baseline": base, "noise": base + 0.1 + slopes * k, "l2": base + 0.05}
        trials = made_trials({cell: resampled(scores) for cell, scores in cells.items()}, dataset=name)
        parts.append(trials.assign(data_seed=trials["data_seed"] + offset * k))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("offset", [0, 100])
def test_gain_trend_is_the_mean_of_each_pairs_slope(offset):
    found = gain_trend(honest_scores(study(offset=offset)), ROWS).set_index("family")
    (band,) = simultaneous([PairedDifferences(SLOPES, np.arange(len(SLOPES)))])
    expected = band.low, band.high
    assert found.loc["noise", "slope_mean"] == pytest.approx(SLOPES.mean())
    assert tuple(found.loc["noise", ["slope_ci_low", "slope_ci_high"]]) == pytest.approx(tuple(expected))
    assert found.loc["noise", "p_value"] == sign_flip_p(SLOPES)
    assert found.loc["l2", "slope_mean"] == pytest.approx(0, abs=1e-12)
    assert list(found["p_adjusted"]) == pytest.approx(holm(list(found["p_value"])))
    assert list(found["seen"]) == [True, False]


def test_gain_trend_that_grows_is_not_seen():
    assert not gain_trend(honest_scores(study(-SLOPES)), ROWS)["seen"].any()


def test_gain_trend_takes_whole_pairs_only():
    trials = study()
    trials.loc[(trials["dataset"] == "rows60") & (trials["variant"] == "noise") & (trials["seed"] == 0), "status"] = (
        "diverged"
    )
    found = gain_trend(honest_scores(trials), ROWS).set_index("family")
    assert found.loc["noise", "n_seeds"] == 11
    assert found.loc["noise", "slope_mean"] == pytest.approx(SLOPES[1:].mean())
    assert found.loc["l2", "n_seeds"] == 12


def test_gain_trend_of_one_size_or_one_pair_says_nothing():
    one = gain_trend(honest_scores(study()), {"rows30": 30})
    assert one[["slope_mean", "p_value", "p_adjusted"]].isna().all(axis=None)
    assert not one["seen"].any()
    assert gain_trend(honest_scores(study(SLOPES[:1])), ROWS)["p_value"].isna().all()
    nothing = gain_trend(honest_scores(study()), {})
    assert list(nothing.columns) == TREND_COLUMNS
    assert nothing.empty


def test_gains_by_rows_are_means_with_intervals():
    found = gains_by_rows(honest_scores(study()), ROWS)
    noise = found[found["family"] == "noise"]
    (band,) = simultaneous([PairedDifferences(0.1 + SLOPES * 3, np.arange(len(SLOPES)))])
    expected = band.low, band.high
    assert list(found.columns) == GAIN_COLUMNS
    assert list(noise["n_train"]) == [30, 60, 120, 240]
    assert list(noise["gain_mean"]) == pytest.approx([0.1 + SLOPES.mean() * k for k in range(4)])
    assert tuple(noise.iloc[3][["gain_ci_low", "gain_ci_high"]]) == pytest.approx(tuple(expected))
    assert gains_by_rows(honest_scores(study()), {}).empty
