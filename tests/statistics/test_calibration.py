"""Calibration by hand, for two classes and more."""

import numpy as np
import pytest

from noiseflow.statistics.calibration import (
    brier_score,
    brier_score_of_classes,
    chance_calibration_error,
    chance_calibration_error_of_classes,
    expected_calibration_error,
    expected_calibration_error_of_classes,
)

rng = np.random.default_rng(9)
P = rng.random((4, 50))
Y = (rng.random(50) < 0.5).astype(int)
COLUMNS = np.stack([1 - P, P], axis=-1)


def test_brier_score_is_the_mean_squared_difference():
    assert brier_score(np.array([0.9, 0.2, 0.5]), np.array([1, 0, 1])) == pytest.approx((0.01 + 0.04 + 0.25) / 3)
    assert brier_score(P, Y) == pytest.approx(((P - Y) ** 2).mean(axis=1))


def test_brier_score_of_classes_sums_over_classes():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    by_hand = (0.3**2 + 0.2**2 + 0.1**2 + 0.1**2 + 0.7**2 + 0.6**2) / 2
    assert brier_score_of_classes(p, np.array([0, 1])) == pytest.approx(by_hand)
    assert brier_score_of_classes(np.eye(3), np.array([1, 2, 0])) == 2.0


def test_brier_score_of_two_columns_is_twice_that_of_one_number():
    assert brier_score_of_classes(COLUMNS, Y) == pytest.approx(2 * brier_score(P, Y))


def test_expected_calibration_error_weights_the_gap_of_each_bin():
    # confidences .97 and .96 (one right) fall in the last bin, .64 (right) in the third
    p, y = np.array([0.97, 0.04, 0.64]), np.array([1, 1, 1])
    assert expected_calibration_error(p, y) == pytest.approx((abs(0.97 - 1 + 0.96) + abs(0.64 - 1)) / 3)


def test_expected_calibration_error_of_two_columns_is_that_of_one_number():
    assert expected_calibration_error_of_classes(COLUMNS, Y) == pytest.approx(expected_calibration_error(P, Y))


def test_expected_calibration_error_of_classes_bins_from_chance_to_one():
    # three classes: bins of width 1/15 from 1/3; .36 and .38 share the first, .98 is in the last
    p = np.array([[0.36, 0.34, 0.30], [0.32, 0.38, 0.30], [0.01, 0.01, 0.98]])
    y = np.array([0, 0, 2])
    assert expected_calibration_error_of_classes(p, y) == pytest.approx((abs(0.36 - 1 + 0.38) + abs(0.98 - 1)) / 3)


def test_expected_calibration_error_of_certain_and_right_classes_is_zero():
    assert expected_calibration_error_of_classes(np.eye(3)[None], np.arange(3)).tolist() == [0.0]
    assert expected_calibration_error_of_classes(np.full((5, 4), 0.25), np.array([0, 0, 0, 0, 1])) == pytest.approx(
        0.55
    )


@pytest.mark.parametrize("n_rows", [1, 12, 70, 2000])
def test_chance_calibration_error_is_the_mean_of_perfect_models(n_rows):
    p = rng.beta(0.5, 0.5, n_rows)
    outcomes = rng.random((4000, n_rows)) < p
    simulated = [expected_calibration_error(p, y) for y in outcomes]
    error = 4 * np.std(simulated) / len(simulated) ** 0.5
    assert chance_calibration_error(p) == pytest.approx(np.mean(simulated), abs=error + 0.03 * np.mean(simulated))
    both = np.stack([1 - p, p], axis=-1)
    assert chance_calibration_error_of_classes(both) == pytest.approx(chance_calibration_error(p))


def test_chance_calibration_error_of_a_certain_model_is_zero():
    assert chance_calibration_error(np.array([[0.0, 1.0, 1.0]])).tolist() == [0.0]
