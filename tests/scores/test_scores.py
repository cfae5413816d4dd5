"""Scores of all seeds at once equal those of scikit-learn and Keras, seed by seed."""

from math import isfinite, isnan, nan

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn import metrics

from noiseflow import scores
from noiseflow.scores import SCORES, OutputForm, clipped, loss, score_of_column, scores_of
from noiseflow.scores.auc import auc_standard_error

N_SEEDS, N_ROWS = 5, 60
ALL = pytest.mark.parametrize("entry", SCORES, ids=lambda score: score.name)


def score(column, outputs, y, target_scale=1.0):
    return score_of_column(column).measure(outputs, y, target_scale)


FORMS = {"classification": [(2, 1), (2, 2), (3, 3)], "regression": [(0, 1)]}


@ALL
def test_score_has_all_its_parts(entry):
    """The contract of a score: how it is written, how it is shown, and a Keras metric that measures the same."""
    assert entry.name.isidentifier()
    assert entry.task in FORMS
    assert entry.sentence
    assert entry.label
    assert entry.unit
    assert isfinite(entry.most)
    assert entry.is_loss == entry.column.startswith("-")
    assert score_of_column(entry.column) is entry
    assert entry in scores_of(entry.task)


@ALL
def test_score_of_a_constant_guess_is_a_number(entry):
    """Without one no training would fail for being no better than a constant."""
    for n_classes, width in FORMS[entry.task]:
        y = np.arange(12.0) % (n_classes or 5)
        guess = np.full(width, 1 / max(2, width) if n_classes else y.mean())
        assert isfinite(entry.measure(np.broadcast_to(guess, (1, len(y), width)), y)[0])


@ALL
@pytest.mark.parametrize("from_logits", [False, True])
def test_keras_metric_measures_the_score(entry, from_logits, rng):
    """Whatever the form of the outputs, and after a metric was made anew from its config."""
    for n_classes, width in FORMS[entry.task]:
        y, outputs, given = rows(rng, n_classes, width, from_logits)
        wanted = entry.measure(given[None], y)[0]
        assert wanted <= entry.most
        metric = entry.metric(n_classes, OutputForm(width, from_logits and bool(n_classes)))
        assert metric.name == "score"
        again = type(metric).from_config(metric.get_config())
        for made in (metric, again):
            found = entry.of_keras(measured(made, y, outputs if n_classes else given), 1.0)
            assert found == pytest.approx(wanted, abs=1e-5 if entry.keras_is_exact else 0.01)


def rows(rng, n_classes, width, from_logits):
    """Targets of an unequal balance, outputs that know something of them, and what these mean: (n_rows, width)."""
    if not n_classes:
        y = rng.normal(size=200)
        values = (y + rng.normal(size=200))[:, None]
        return y, values, values
    y = rng.choice(n_classes, size=200, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    means = (2 * y - 1)[:, None] if width == 1 else np.eye(n_classes)[y]
    logits = means + rng.normal(size=(200, width)) * 1.5
    p = expit(logits) if width == 1 else softmax(logits, axis=1)
    return y, logits if from_logits else p, p


def measured(metric, y, outputs, batch=80):
    for start in range(0, len(y), batch):
        metric.update_state(
            y[start : start + batch].astype("float32"), outputs[start : start + batch].astype("float32")
        )
    return float(metric.result())


def test_names_of_scores_are_different():
    assert len({entry.name for entry in SCORES}) == len(SCORES)
    names = [name for entry in SCORES for name in entry.keras_names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_one_score_suits_skewed_classes(n_classes):
    assert sum(entry.suits_skewed(n_classes) for entry in SCORES) == 1


def test_score_that_is_not_ours_keeps_its_name():
    assert score_of_column("-loss").label == "-loss"
    assert score_of_column("-loss").unit == ""


def test_balanced_accuracy_metric_leaves_out_classes_without_rows():
    """Of class 0 both rows are found, of class 1 one of two, class 2 has none: (1 + 1/2) / 2."""
    metric = scores.score_named("balanced_accuracy").metric(3, OutputForm(3))
    outputs = np.eye(3)[[0, 0, 1, 2]]
    assert measured(metric, np.array([0, 0, 1, 1]), outputs) == pytest.approx(0.75)
    metric.reset_state()
    assert float(metric.result()) == 0


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
    np.testing.assert_allclose(loss(clipped(outputs), y, 2), [expected])
    many = np.array([[[0.0, 1.0, 0.0], [0.5, 0.25, 0.5], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]])
    expected = float(keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, many[0])))
    np.testing.assert_allclose(loss(clipped(many), y, 3), [expected], rtol=1e-6)


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


@ALL
def test_a_seed_with_outputs_that_are_not_finite_has_no_score(entry, rng):
    outputs = rng.uniform(size=(4, N_ROWS, 1))
    outputs[1, 0], outputs[2, 5] = np.nan, np.inf
    values = entry.measure(outputs, np.arange(N_ROWS) % 2.0)
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


def wilson(p, n):
    z = 1.959964
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


@pytest.mark.parametrize("value", [57 / 70, 0.7693])
def test_interval_of_an_accuracy_is_wilsons(value):
    low, high = score_of_column("accuracy").interval(value, 70)
    assert (low, high) == pytest.approx(wilson(value, 70))
    assert high - low == pytest.approx(0.19, abs=0.01)


def test_auc_standard_error_is_that_of_exponential_scores():
    """The law behind the formula: scores of means 1 and m have the area m / (1 + m)."""
    rng = np.random.default_rng(12)
    negative, positive = rng.exponential(1, (4000, 58, 1)), rng.exponential(8, (4000, 1, 51))
    areas = (positive > negative).mean(axis=(1, 2))
    assert areas.mean() == pytest.approx(8 / 9, abs=0.002)
    assert auc_standard_error(8 / 9, 51, 58) == pytest.approx(areas.std(), rel=0.05)


def test_interval_of_an_auc_needs_the_rows_of_a_class():
    half = 1.959964 * auc_standard_error(0.893, 51, 58)
    assert score_of_column("auc").interval(0.893, 109, n_positive=51) == pytest.approx((0.893 - half, 0.893 + half))
    assert score_of_column("auc").interval(1.0, 20, n_positive=10) == (1.0, 1.0)
    assert all(isnan(bound) for bound in score_of_column("auc").interval(0.9, 20))
    assert all(isnan(bound) for bound in score_of_column("auc").interval(0.9, 20, n_positive=20))


@pytest.mark.parametrize(
    ("name", "value", "n_rows"),
    [
        ("r2", 0.5, 70),
        ("-log_loss", -0.3, 70),
        ("balanced_accuracy", 0.7, 70),
        ("accuracy", nan, 70),
        ("accuracy", 0.5, 0),
    ],
)
def test_interval_is_nan_where_nothing_sound_is_known(name, value, n_rows):
    assert all(isnan(bound) for bound in score_of_column(name).interval(value, n_rows))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_interval_of_a_perfect_accuracy_has_width(value):
    low, high = score_of_column("accuracy").interval(value, 70)
    assert (low, high) == pytest.approx(wilson(value, 70), abs=1e-9)
    assert high - low > 0.05


@ALL
@pytest.mark.parametrize("from_logits", [False, True])
def test_score_of_several_targets_is_the_mean_of_theirs_for_keras_too(entry, from_logits, rng):
    """scikit-learn's `multioutput="uniform_average"` of a regression; of labels Keras' `binary_accuracy` and its like."""
    if not entry.takes_several:
        return
    n_classes = 2 if entry.task == "classification" else 0
    parts = [rows(rng, n_classes, 1, from_logits) for _ in range(3)]
    y, outputs, given = np.stack([part[0] for part in parts], 1), *(np.hstack([p[i] for p in parts]) for i in (1, 2))
    (wanted,) = entry.measure(given[None], y[None])
    assert wanted == pytest.approx(np.mean([entry.measure(part[2][None], part[0])[0] for part in parts]))
    if entry.name == "r2":
        assert wanted == pytest.approx(metrics.r2_score(y, given))
    if entry.name == "accuracy":
        assert wanted == pytest.approx(keras.metrics.binary_accuracy(y, given).numpy().mean())
    metric = entry.metric(n_classes, OutputForm(3, from_logits and bool(n_classes), n_targets=3))
    found = entry.of_keras(measured(metric, y, outputs if n_classes else given), 1.0)
    assert found == pytest.approx(wanted, abs=1e-5 if entry.keras_is_exact else 0.01)
    lost = loss(given[None], y[None], n_classes)[0]
    assert lost == pytest.approx(np.mean([loss(part[2][None], part[0], n_classes)[0] for part in parts]))
