"""A score's own uncertainty against published figures, and NaN where none is sound."""

from math import isnan, nan

import numpy as np
import pytest

from noiseflow.statistics.uncertainty import auc_standard_error, score_uncertainty


def wilson(p, n):
    z = 1.959964
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


@pytest.mark.parametrize("score", [57 / 70, 0.7693])
def test_score_uncertainty_of_an_accuracy_is_wilsons(score):
    low, high = score_uncertainty("accuracy", score, 70)
    assert (low, high) == pytest.approx(wilson(score, 70))
    assert high - low == pytest.approx(0.19, abs=0.01)


def test_auc_standard_error_is_that_of_exponential_scores():
    """The law behind the formula: scores of means 1 and m have the area m / (1 + m)."""
    rng = np.random.default_rng(12)
    negative, positive = rng.exponential(1, (4000, 58, 1)), rng.exponential(8, (4000, 1, 51))
    areas = (positive > negative).mean(axis=(1, 2))
    assert areas.mean() == pytest.approx(8 / 9, abs=0.002)
    assert auc_standard_error(8 / 9, 51, 58) == pytest.approx(areas.std(), rel=0.05)


def test_score_uncertainty_of_an_auc_needs_the_rows_of_a_class():
    half = 1.959964 * auc_standard_error(0.893, 51, 58)
    assert score_uncertainty("auc", 0.893, 109, n_positive=51) == pytest.approx((0.893 - half, 0.893 + half))
    assert score_uncertainty("auc", 1.0, 20, n_positive=10) == (1.0, 1.0)
    assert all(isnan(bound) for bound in score_uncertainty("auc", 0.9, 20))
    assert all(isnan(bound) for bound in score_uncertainty("auc", 0.9, 20, n_positive=20))


@pytest.mark.parametrize(
    ("name", "score", "n_rows"),
    [
        ("r2", 0.5, 70),
        ("-log_loss", -0.3, 70),
        ("balanced_accuracy", 0.7, 70),
        ("accuracy", nan, 70),
        ("accuracy", 0.5, 0),
    ],
)
def test_score_uncertainty_is_nan_where_nothing_sound_is_known(name, score, n_rows):
    assert all(isnan(bound) for bound in score_uncertainty(name, score, n_rows))


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_score_uncertainty_of_a_perfect_accuracy_has_width(score):
    low, high = score_uncertainty("accuracy", score, 70)
    assert (low, high) == pytest.approx(wilson(score, 70), abs=1e-9)
    assert high - low > 0.05
