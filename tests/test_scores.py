"""Scores of all seeds at once equal those of scikit-learn and Keras, seed by seed."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from noiseflow.scores import SCORES, loss, score

N_SEEDS, N_ROWS = 5, 60


@pytest.fixture
def binary(rng):
    """Probabilities with many ties, and labels for each seed."""
    outputs = np.round(rng.uniform(0.05, 0.95, (N_SEEDS, N_ROWS, 1)), 1)
    return outputs, (rng.random((N_SEEDS, N_ROWS)) < 0.3).astype(float)


@pytest.fixture
def several(rng):
    outputs = rng.dirichlet([1, 1, 1], (N_SEEDS, N_ROWS)) * 0.9 + 0.1 / 3
    return outputs, rng.permuted(np.tile(np.arange(N_ROWS) % 3, (N_SEEDS, 1)), axis=1).astype(float)


def each(function, outputs, y):
    return [function(true, mark) for true, mark in zip(y, outputs, strict=True)]


def test_accuracy_and_balanced_accuracy_of_two_classes_equal_scikit_learn(binary):
    outputs, y = binary
    predicted = (outputs[..., 0] > 0.5).astype(float)
    np.testing.assert_allclose(score("accuracy", outputs, y), each(metrics.accuracy_score, predicted, y))
    np.testing.assert_allclose(
        score("balanced_accuracy", outputs, y), each(metrics.balanced_accuracy_score, predicted, y)
    )


def test_accuracy_and_balanced_accuracy_of_several_classes_equal_scikit_learn(several):
    outputs, y = several
    y[0, y[0] == 2] = 0  # a class that one seed's rows lack is left out of its mean
    predicted = outputs.argmax(2)
    np.testing.assert_allclose(score("accuracy", outputs, y), each(metrics.accuracy_score, predicted, y))
    expected = [metrics.balanced_accuracy_score(y[i], predicted[i]) for i in range(1, N_SEEDS)]
    recalls = [np.mean(predicted[0][y[0] == c] == c) for c in (0, 1)]
    np.testing.assert_allclose(score("balanced_accuracy", outputs, y), [np.mean(recalls), *expected])


def test_auc_of_two_classes_with_ties_equals_scikit_learn(binary):
    outputs, y = binary
    expected = each(metrics.roc_auc_score, outputs[..., 0], y)
    np.testing.assert_allclose(score("auc", outputs, y), expected)
    np.testing.assert_allclose(score("auc", np.concatenate([1 - outputs, outputs], axis=2), y), expected)


def test_auc_of_several_classes_is_the_macro_mean_of_one_against_the_rest(several):
    outputs, y = several
    expected = [
        metrics.roc_auc_score(true, mark / mark.sum(1, keepdims=True), multi_class="ovr", average="macro")
        for true, mark in zip(y, outputs, strict=True)
    ]
    np.testing.assert_allclose(score("auc", outputs, y), expected)


def test_auc_by_hand():
    outputs = np.array([[[0.1], [0.4], [0.4], [0.8]]])
    assert score("auc", outputs, np.array([0, 0, 1, 1.0])) == pytest.approx(3.5 / 4)  # of 4 pairs one is tied


def test_log_loss_equals_scikit_learn(binary, several):
    for outputs, y in (binary, several):
        marks = outputs[..., 0] if outputs.shape[2] == 1 else outputs
        expected = [metrics.log_loss(a, b) for a, b in zip(y, marks, strict=True)]
        np.testing.assert_allclose(score("-log_loss", outputs, y), -np.array(expected))
        np.testing.assert_allclose(loss(outputs, y, 3), expected)


def test_loss_is_that_of_keras_where_probabilities_are_clipped():
    y = np.array([1.0, 0.0, 1.0, 0.0])
    outputs = np.array([[[0.0], [1.0], [1.0], [0.25]]])
    expected = float(keras.ops.mean(keras.losses.binary_crossentropy(y[:, None], outputs[0])))
    np.testing.assert_allclose(loss(outputs, y, 2), [expected])
    many = np.array([[[0.0, 1.0, 0.0], [0.5, 0.25, 0.5], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]])
    expected = float(keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, many[0])))
    np.testing.assert_allclose(loss(many, y, 3), [expected], rtol=1e-6)


def test_scores_of_a_regression_equal_scikit_learn(rng):
    y = rng.normal(size=N_ROWS)
    outputs = y[:, None] + rng.normal(size=(N_SEEDS, N_ROWS, 1))
    expected = [metrics.r2_score(y, mark) for mark in outputs[..., 0]]
    np.testing.assert_allclose(score("r2", outputs, y), expected)
    np.testing.assert_allclose(score("r2", outputs, y, target_scale=7.0), expected)
    squared = [metrics.mean_squared_error(y, mark) for mark in outputs[..., 0]]
    np.testing.assert_allclose(loss(outputs, y, 0), squared)
    np.testing.assert_allclose(score("-rmse", outputs, y, target_scale=7.0), -7 * np.sqrt(squared))
    scales = np.arange(1.0, 1 + N_SEEDS)  # where each seed has its own training rows
    np.testing.assert_allclose(score("-rmse", outputs, y, target_scale=scales), -scales * np.sqrt(squared))


@pytest.mark.parametrize("score_name", SCORES)
def test_a_seed_with_outputs_that_are_not_finite_has_no_score(score_name, rng):
    outputs = rng.uniform(size=(4, N_ROWS, 1))
    outputs[1, 0], outputs[2, 5] = np.nan, np.inf
    values = score(score_name, outputs, np.arange(N_ROWS) % 2.0)
    np.testing.assert_array_equal(np.isfinite(values), [True, False, False, True])


def test_scores_without_meaning_are_nan():
    outputs = np.full((2, 4, 1), 0.3)
    assert np.isnan(score("auc", outputs, np.ones(4))).all()
    assert np.isnan(score("r2", outputs, np.full(4, 0.1))).all()
    np.testing.assert_array_equal(score("auc", outputs, np.array([0, 1, 0, 1.0])), [0.5, 0.5])
    np.testing.assert_array_equal(score("balanced_accuracy", outputs, np.zeros(4)), [1, 1])


def test_outputs_in_float32_are_scored_in_float64(binary):
    outputs, y = binary
    assert score("accuracy", outputs.astype(np.float32), y).dtype == np.float64
