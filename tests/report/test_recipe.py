"""The Keras lines of a report put the noise where the study had it."""

import numpy as np
import pytest

from noiseflow.report.recipe import Task, keras_lines
from noiseflow.study import Architecture, Training, Variant

SHAPES = {"mlp": (4,), "cnn": (6, 6, 1), "lstm": (5, 2)}


def task(kind="mlp", n_classes=2):
    return Task(SHAPES[kind], n_classes, Training(epochs=20, batch_size=16, learning_rate=0.01))


def variant(*injections, controls=()):
    return Variant(name="v", injections=injections, controls=controls)


def layers_of(lines):
    """Class names of the layers that the lines build, with the strength of those that add noise."""
    names = {}
    exec(lines, names)  # noqa: S102 - our own lines
    layers = names["model"].layers
    strengths = [getattr(layer, "stddev", getattr(layer, "rate", None)) for layer in layers]
    told = [type(layer).__name__ for layer in layers]
    return [name if s is None else f"{name} {s}" for name, s in zip(told, strengths, strict=True)]


@pytest.mark.parametrize(
    ("kind", "settings", "injections", "expected"),
    [
        ("mlp", {"units": [5, 3]}, [{"place": "input", "stddev": 0.01}], "GaussianNoise 0.01, Dense, Dense, Dense"),
        (
            "mlp",
            {"units": [5]},
            [{"place": "before_activation", "stddev": 0.1}],
            "Dense, GaussianNoise 0.1, Activation, Dense",
        ),
        (
            "mlp",
            {"units": [5, 3]},
            [{"place": "after_activation", "kind": "dropout", "rate": 0.5}],
            "Dense, Dropout 0.5, Dense, Dropout 0.5, Dense",
        ),
        (
            "mlp",
            {"units": [5, 3]},
            [{"place": "after:hidden_2", "stddev": 0.2}],
            "Dense, Dense, GaussianNoise 0.2, Dense",
        ),
        (
            "cnn",
            {"filters": [2]},
            [{"place": "after:pool", "kind": "gaussian_dropout", "rate": 0.3}],
            "Conv2D, MaxPooling2D, GaussianDropout 0.3, Flatten, Dense",
        ),
        (
            "lstm",
            {"units": [3]},
            [{"place": "before_activation", "stddev": 0.5}],
            "LSTM, GaussianNoise 0.5, Activation, Dense",
        ),
    ],
)
def test_keras_lines_build_the_model_with_its_noise(kind, settings, injections, expected):
    lines = keras_lines(Architecture(kind=kind, **settings), variant(*injections), task(kind))
    assert ", ".join(layers_of(lines)) == expected


def test_keras_lines_of_an_l2_control_penalise_every_kernel():
    lines = keras_lines(Architecture(kind="mlp"), variant(controls=[{"kind": "l2", "factor": 0.01}]), task())
    names = {}
    exec(lines, names)  # noqa: S102 - our own lines
    model = names["model"]
    kernels = [weight for weight in model.trainable_weights if len(weight.shape) > 1]
    expected = 0.01 * sum(float(np.square(kernel.numpy()).sum()) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_keras_lines_of_early_stopping_name_its_patience():
    control = {"kind": "early_stopping", "patience": 7, "validation_fraction": 0.25}
    lines = keras_lines(Architecture(kind="mlp"), variant(controls=[control]), task())
    assert "patience=7, restore_best_weights=True" in lines
    assert "validation_split=0.25" in lines


def test_keras_lines_for_a_model_of_ones_own_say_where_the_layer_goes():
    own = Architecture(kind="file", path="model.keras")
    lines = keras_lines(own, variant({"place": "after:pool", "stddev": 0.1}), task())
    where = "# in your model, after the layer 'pool' (x is the tensor there):"
    assert lines == f"import keras\n\n{where}\nx = keras.layers.GaussianNoise(0.1)(x)"


@pytest.mark.parametrize(
    "injection",
    [
        {"place": "weights", "stddev": 0.1},
        {"place": "input", "stddev": 0.1, "relative": True},
        {"place": "input", "stddev": 0.1, "schedule": "linear"},
        {"place": "labels", "kind": "flip", "rate": 0.1},
    ],
)
def test_keras_lines_of_what_keras_has_no_layer_for_call_fit_seeds(injection):
    lines = keras_lines(Architecture(kind="mlp"), variant(injection), task())
    assert "noiseflow.fit_seeds(" in lines
    compile(lines, "lines", "exec")
    assert f"place={injection['place']!r}" in lines
    before = lines.partition("fit = ")[0]
    names = {}
    exec(before, names)  # noqa: S102 - our own lines
    assert names["build_model"]().loss == "binary_crossentropy"


@pytest.mark.parametrize(
    ("n_classes", "width", "loss"), [(0, 1, "mean_squared_error"), (3, 3, "sparse_categorical_crossentropy")]
)
def test_keras_lines_end_as_the_task_asks(n_classes, width, loss):
    names = {}
    exec(keras_lines(Architecture(kind="mlp"), variant(), task(n_classes=n_classes)), names)  # noqa: S102 - our own lines
    model = names["model"]
    assert (model.output_shape, model.loss) == ((None, width), loss)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_recipe_of_sequences_of_several_lengths_skips_the_steps_that_are_not_there(rng):
    names = {}
    masked = Task((5, 2), 2, Training(epochs=1, batch_size=16, learning_rate=0.01), masked=True)
    exec(keras_lines(Architecture(kind="lstm", units=(3,)), variant(), masked), names)  # noqa: S102 - our own lines
    X = np.concatenate([rng.normal(size=(4, 5, 1)), np.ones((4, 5, 1))], -1)
    X[:, :2] = 0
    other = X.copy()
    other[:, :2, 0] = 9
    np.testing.assert_array_equal(names["model"](X), names["model"](other))
