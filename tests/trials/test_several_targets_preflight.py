"""What is found wrong with networks and variants for rows of several targets, before anything is trained."""

import warnings

import keras
import numpy as np
import pytest
from preflight_studies import noisy, only, study

from noiseflow.architectures.builder import Builder
from noiseflow.architectures.outputs import probabilities
from noiseflow.scores import OutputForm
from noiseflow.study import Architecture, Training
from noiseflow.trials import preflight

X = np.random.default_rng(0).normal(size=(60, 3))


@pytest.fixture(params=["regression", "classification"])
def rows(request, tmp_path):
    y = X[:, :2] if request.param == "regression" else (X[:, :2] > 0).astype(int)
    np.savez(tmp_path / "a.npz", X=X, y=y)
    return {"kind": "arrays", "path": str(tmp_path / "a.npz"), "task": request.param}


def test_a_network_that_ships_has_a_unit_for_each_target(rows):
    n_classes = 2 if rows["task"] == "classification" else 0
    name = "accuracy" if n_classes else "r2"
    network = Architecture(kind="mlp", units=[4])
    model = Builder(network, Training(epochs=1), (3,), n_classes, name, n_targets=2)()
    assert model.output_shape == (None, 2)
    assert model.layers[-1].activation.__name__ == ("sigmoid" if n_classes else "linear")
    assert model.loss == ("binary_crossentropy" if n_classes else "mean_squared_error")


def test_logits_of_labels_become_a_probability_each():
    logits = np.array([[0.0, 2.0]])
    found = probabilities(logits, OutputForm(2, from_logits=True, n_targets=2))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)))


def test_sound_study_has_no_faults(rows):
    variants = [noisy("a", place="input"), {"name": "m", "controls": [{"kind": "mixup", "alpha": 0.2}]}]
    assert preflight.faults(study([rows], variants=variants, design="resample")) == []


def test_what_is_for_classes_of_one_target_is_refused(rows):
    flip = {"name": "flip", "injections": [{"place": "labels", "kind": "flip", "rate": 0.1}]}
    smooth = {"name": "smooth", "controls": [{"kind": "label_smoothing", "smoothing": 0.1}]}
    found = preflight.faults(study([rows], variants=[flip, smooth], design="resample"))
    assert len(found) == 2, found
    assert any("label_smoothing must be for classes of one target" in fault for fault in found)
    of_labels = rows["task"] == "classification"
    said = "place labels must be for one target, or for numbers; received 2 labels" if of_labels else "received 'flip'"
    assert any(said in fault for fault in found)


def test_own_network_must_have_an_output_for_each_target(rows, tmp_path):
    for width in (1, 2):
        activation = "sigmoid" if rows["task"] == "classification" else "linear"
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(width, activation=activation)])
        model.compile(loss="binary_crossentropy" if rows["task"] == "classification" else "mse")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy, on how Keras turns weights into arrays
            model.save(tmp_path / "m.keras")
        found = preflight.faults(
            study([rows], [{"kind": "file", "path": str(tmp_path / "m.keras")}], design="resample")
        )
        assert found == [] if width == 2 else "one output of 2 units for 2 targets" in only(found)
