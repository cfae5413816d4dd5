"""Averages of networks, and how much their seeds disagree: by hand."""

import numpy as np
import pytest

from noiseflow.statistics.ensembles import bias_and_variance, disagreement, ensemble_scores, grouped_means, sizes_of


def test_ensemble_is_the_mean_of_networks_that_are_in_one_only():
    outputs = np.array([0.0, 1.0, 2.0, 4.0, 9.0])[:, None, None] * np.ones((1, 3, 1))
    scores = ensemble_scores(outputs, lambda mean: mean[:, 0, 0], 2)
    np.testing.assert_allclose(scores, [0.5, 3.0])
    assert ensemble_scores(outputs, lambda mean: mean, 6).size == 0
    np.testing.assert_allclose(grouped_means(np.array([0.0, 1.0, 2.0, 4.0, 9.0]), 2), [0.5, 3.0])


def test_disagreement_is_the_share_of_pairs_that_differ():
    """Three networks on two rows: all alike on the first; on the second two of three pairs differ."""
    assert disagreement(np.array([[1, 0], [1, 1], [1, 1]])) == pytest.approx((0 + 2 / 3) / 2)
    assert np.isnan(disagreement(np.array([[1, 0]])))


def test_bias_and_variance_add_to_the_squared_error(rng):
    outputs, truth = rng.normal(size=(2000, 4, 1)), rng.normal(size=(4, 1))
    bias, variance = bias_and_variance(outputs, truth)
    assert bias + variance * 1999 / 2000 == pytest.approx(((outputs - truth) ** 2).mean())


def test_sizes_have_two_ensembles_of_every_variant():
    assert sizes_of([30, 12]) == [1, 2, 5]
    assert sizes_of([]) == []
