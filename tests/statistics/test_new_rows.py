"""What new test rows would change, against scores by hand and by simulation."""

import numpy as np
import pandas as pd
import pytest

from noiseflow.scores import score_named
from noiseflow.statistics.differences import PairedComparison, compare
from noiseflow.statistics.estimate import Estimate
from noiseflow.statistics.new_rows import RowVariance, pseudo_values, row_variance
from noiseflow.statistics.variance_components import components


def test_pseudo_values_of_an_accuracy_are_its_hits(rng):
    outputs, y = rng.random((4, 30, 1)), (rng.random(30) > 0.5).astype(float)
    values = pseudo_values(score_named("accuracy").measure, outputs, y)
    hits = (outputs[..., 0] > 0.5) == (y == 1)
    assert np.sort(values, axis=1) == pytest.approx(np.sort(hits.astype(float), axis=1))
    assert values.mean(axis=1) == pytest.approx(hits.mean(axis=1))


@pytest.mark.parametrize("name", ["auc", "balanced_accuracy", "r2", "rmse"])
def test_pseudo_values_spread_as_new_rows_make_the_score(rng, name):
    """The jackknife's variance of one network's score is that over fresh sets of rows, within a quarter."""

    def rows(n):
        y = rng.normal(size=n) if name in ("r2", "rmse") else (rng.random(n) > 0.4).astype(float)
        return (y + rng.normal(0, 0.7, n))[None, :, None], y

    score = score_named(name)
    fresh = [score.measure(*rows(150))[0] for _ in range(600)]
    told = [pseudo_values(score.measure, *rows(150)).var(ddof=1) / 150 for _ in range(20)]
    assert np.mean(told) == pytest.approx(np.var(fresh), rel=0.25)


def test_more_rows_than_parts_are_left_out_in_parts(rng):
    outputs, y = rng.random((2, 1000, 1)), (rng.random(1000) > 0.5).astype(float)
    values = pseudo_values(score_named("accuracy").measure, outputs, y)
    assert values.shape == (2, 200)
    assert values.mean(axis=1) == pytest.approx(score_named("accuracy").measure(outputs, y))


def test_the_variance_of_rows_is_their_component(rng):
    values = rng.normal(size=(8, 1)) + rng.normal(size=(1, 70)) + rng.normal(size=(8, 70))
    found = row_variance(values, share=0.5)
    assert found.variance == pytest.approx(components(values.T).data / 70 / 2)
    assert found.profile == pytest.approx(values.mean(axis=0))
    assert row_variance(values[:1]) is None


def test_widened_by_the_rows_it_is_the_two_way_estimate(rng):
    """Seeds and rows together are the crossed model's error, for whichever part is the larger."""
    values = 2 * rng.normal(size=(1, 70)) + rng.normal(size=(12, 1)) + rng.normal(size=(12, 70))
    means = values.mean(axis=1)
    seeds = Estimate(float(means.mean()), float(means.std(ddof=1) / np.sqrt(12)), 11.0)
    wide, whole = row_variance(values).widen(seeds), components(values.T).estimate()
    assert (wide.mean, wide.error) == pytest.approx((whole.mean, whole.error))
    assert RowVariance(0.0, np.zeros(3)).widen(seeds) == seeds


def test_the_interval_for_new_rows_holds_the_one_for_these_rows(rng):
    """A long tail over seeds widens the interval over seeds alone; the claim about new rows is no smaller one."""
    gains = np.array([0.0, 0.001, 0.002, 0.001, 0.0, 0.002, 0.001, -0.02])
    pairs = pd.DataFrame({"data_seed": 1, "seed": range(8), "score": 0.8 + gains, "score_baseline": 0.8})
    rows = RowVariance(1.2 * gains.var(ddof=1) / 8, rng.normal(size=70))
    alone = compare([PairedComparison(("", "", "a"), pairs, 0.01)])[0]
    both = compare([PairedComparison(("", "", "a"), pairs, 0.01, rows=rows)])[0]
    assert (both["seeds_ci_low"], both["seeds_ci_high"]) == (alone["difference_ci_low"], alone["difference_ci_high"])
    assert both["difference_ci_low"] <= both["seeds_ci_low"]
    assert both["seeds_ci_high"] <= both["difference_ci_high"]
    assert alone["p_adjusted"] <= both["p_adjusted"]
