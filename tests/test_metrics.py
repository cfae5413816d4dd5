"""The metric `score` against scikit-learn in float64, whatever the form of a model's outputs."""

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn import metrics as sk

from noiseflow.engine.metrics import OutputForm, compiled_loss, output_form, probabilities, score_metric

L = keras.layers
CLASSES = {"accuracy": 1e-6, "balanced_accuracy": 1e-6, "auc": 0.01, "-log_loss": 1e-5}
"""Scores of classes, and how near Keras' float32 comes; its auc has 200 thresholds."""


def expected(score, y, p):
    """scikit-learn's score; p: (n, 1) of class 1, or (n, k)."""
    both = np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p
    decided = both.argmax(axis=1)
    if score == "auc":
        return np.mean([sk.roc_auc_score(y == k, both[:, k]) for k in range(both.shape[1])])
    if score == "-log_loss":
        return sk.log_loss(y, both)
    return {"accuracy": sk.accuracy_score, "balanced_accuracy": sk.balanced_accuracy_score}[score](y, decided)


def measured(metric, y, outputs, batch=80):
    for start in range(0, len(y), batch):
        metric.update_state(
            y[start : start + batch].astype("float32"), outputs[start : start + batch].astype("float32")
        )
    return float(metric.result())


@pytest.fixture
def rows(rng):
    """Targets of an unequal balance, and logits that know something of them: (y, logits) for a number of classes."""

    def make(n_classes, width):
        y = rng.choice(n_classes, size=200, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
        means = (2 * y - 1)[:, None] if width == 1 else np.eye(n_classes)[y]
        return y, means + rng.normal(size=(200, width)) * 1.5

    return make


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize(("n_classes", "width"), [(2, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("score", CLASSES)
def test_score_metric_of_classes_is_scikit_learns(rows, score, n_classes, width, from_logits):
    y, logits = rows(n_classes, width)
    p = expit(logits) if width == 1 else softmax(logits, axis=1)
    metric = score_metric(score, n_classes, OutputForm(width, from_logits))
    assert metric.name == "score"
    assert measured(metric, y, logits if from_logits else p) == pytest.approx(expected(score, y, p), abs=CLASSES[score])


@pytest.mark.parametrize("score", ["r2", "-rmse"])
def test_score_metric_of_a_regression_is_scikit_learns(rng, score):
    y = rng.normal(size=200)
    outputs = (y + rng.normal(size=200))[:, None]
    known = sk.r2_score(y, outputs) if score == "r2" else sk.root_mean_squared_error(y, outputs)
    assert measured(score_metric(score, 0), y, outputs) == pytest.approx(known, abs=1e-5)


def test_balanced_accuracy_leaves_out_classes_without_rows():
    """Of class 0 both rows are found, of class 1 one of two, class 2 has none: (1 + 1/2) / 2."""
    metric = score_metric("balanced_accuracy", 3)
    outputs = np.eye(3)[[0, 0, 1, 2]]
    assert measured(metric, np.array([0, 0, 1, 1]), outputs) == pytest.approx(0.75)
    metric.reset_state()
    assert float(metric.result()) == 0


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("score", CLASSES)
def test_score_metric_is_the_same_after_its_config(rows, score, from_logits):
    for n_classes, width in [(2, 1), (3, 3)]:
        metric = score_metric(score, n_classes, OutputForm(width, from_logits))
        again = type(metric).from_config(metric.get_config())
        y, logits = rows(n_classes, width)
        outputs = logits if from_logits else expit(logits) if width == 1 else softmax(logits, axis=1)
        assert measured(again, y, outputs) == measured(metric, y, outputs)
        assert again.name == "score"


def test_probabilities_are_of_the_outputs_form():
    np.testing.assert_allclose(probabilities([[0.0], [np.log(3)]], OutputForm(1, from_logits=True)), [[0.5], [0.75]])
    three = probabilities([[0.0, 0.0, np.log(2)]], OutputForm(3, from_logits=True))
    np.testing.assert_allclose(three, [[0.25, 0.25, 0.5]])
    np.testing.assert_array_equal(probabilities([[0.3]], OutputForm(1)), [[0.3]])


def compiled(loss, units=1, activation=None):
    model = keras.Sequential([keras.Input((2,)), L.Dense(units, activation=activation)])
    model.compile(loss=loss)
    return model


@pytest.mark.parametrize(
    ("loss", "activation", "name", "form"),
    [
        ("binary_crossentropy", "sigmoid", "binary_crossentropy", OutputForm(1)),
        ("bce", "sigmoid", "binary_crossentropy", OutputForm(1)),
        (keras.losses.BinaryCrossentropy(), "sigmoid", "binary_crossentropy", OutputForm(1)),
        (keras.losses.BinaryCrossentropy(from_logits=True), None, "binary_crossentropy", OutputForm(1, True)),
        (
            keras.losses.BinaryFocalCrossentropy(from_logits=True),
            None,
            "binary_focal_crossentropy",
            OutputForm(1, True),
        ),
        ([keras.losses.BinaryCrossentropy(from_logits=True)], None, "binary_crossentropy", OutputForm(1, True)),
        ("mse", None, "mean_squared_error", OutputForm(1)),
        (keras.losses.Huber(), None, "huber", OutputForm(1)),
        (lambda y, p: (y - p) ** 2, None, None, OutputForm(1, True)),
        (lambda y, p: (y - p) ** 2, "sigmoid", None, OutputForm(1)),
    ],
)
def test_output_form_is_read_from_loss_and_last_activation(loss, activation, name, form):
    model = compiled(loss, activation=activation)
    assert compiled_loss(model).name == name
    assert output_form(model) == form


def test_compiled_loss_refuses_none():
    with pytest.raises(ValueError, match="one loss; received 0"):
        compiled_loss(compiled(None))
