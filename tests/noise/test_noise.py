"""Places of noise in Keras models: found by a survey, added to without a copy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from noiseflow.noise import hidden_activations
from noiseflow.noise.instrument import Walk, instrumented, positions_of, walking
from noiseflow.noise.survey import place_fault, points_of, survey

L = keras.layers
PLACES = ["input", "before_activation", "after_activation", "after:hidden_1"]


def flowing(model, x):
    """What flows at each point of a model: by point."""
    found = {}

    def keep(point, value):
        found[point] = np.asarray(value)
        return value

    with instrumented(model), walking(Walk(positions_of(model), keep)):
        model(x, training=False)
    return found


def at(model, x, place):
    found = flowing(model, x)
    return [found[point] for point in points_of(place, survey(model))]


@pytest.mark.parametrize("place", PLACES)
def test_place_names_the_signal_that_it_says(build_mlp, circles, place):
    model, x = build_mlp(), circles.X_train.astype("float32")
    kernel, bias, *_ = model.get_weights()
    pre = x @ kernel + bias
    signals = {"input": x, "before_activation": pre, "after_activation": np.maximum(pre, 0)}
    (found,) = at(model, x, place)
    np.testing.assert_allclose(found, signals.get(place, signals["after_activation"]), atol=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_noise_changes_what_follows_its_place_and_nothing_stays_behind(build_small, circles, place):
    model, x = build_small(), circles.X_test.astype("float32")
    bare = np.asarray(model(x))
    wanted = points_of(place, survey(model))
    with instrumented(model), walking(Walk(positions_of(model), lambda point, v: v + 1.0 if point in wanted else v)):
        assert (np.asarray(model(x)) != bare).any()
    assert (np.asarray(model(x)) == bare).all()
    assert "call" not in vars(model)
    assert model.layers[0].activation is keras.activations.relu


def test_separate_activation_layers_are_activations(rng):
    inputs = keras.Input((3,))
    x = L.ReLU(name="relu")(L.Dense(4, name="dense")(inputs))
    model = keras.Model(inputs, L.Dense(1, name="out")(x))
    x = rng.normal(size=(5, 3)).astype("float32")
    pre = model.get_layer("dense")(x).numpy()
    np.testing.assert_allclose(at(model, x, "before_activation"), [pre], atol=1e-6)
    np.testing.assert_allclose(at(model, x, "after_activation"), [np.maximum(pre, 0)], atol=1e-6)
    assert hidden_activations(model) == ["relu"]


def hidden_stack():
    layers = [L.Dense(4, activation="relu", name=f"h{i}") for i in range(3)]
    return keras.Sequential([keras.Input((2,)), *layers, L.Dense(1, activation="sigmoid", name="out")])


def nested():
    encoder = keras.Sequential(
        [keras.Input((2,)), L.Dense(4, "relu", name="e1"), L.Dense(4, "tanh", name="e2")], name="enc"
    )
    inputs = keras.Input((2,))
    return keras.Model(inputs, L.Dense(1, "sigmoid", name="out")(L.Dense(3, "relu", name="top")(encoder(inputs))))


def ends_nested():
    head = keras.Sequential(
        [keras.Input((4,)), L.Dense(3, "relu", name="h"), L.Dense(1, "sigmoid", name="out")], name="head"
    )
    inputs = keras.Input((2,))
    return keras.Model(inputs, head(L.Dense(4, "relu", name="first")(inputs)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.a, self.b = L.Dense(4, "relu", name="a"), L.Dense(1, "sigmoid", name="b")

    def call(self, x):
        return self.b(self.a(x))


def subclassed():
    model = Subclassed()
    model(np.zeros((2, 2), "float32"))
    return model


def recurrent():
    return keras.Sequential([keras.Input((4, 2)), L.LSTM(3), L.Activation("relu", name="act"), L.Dense(1, "sigmoid")])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (hidden_stack, ["h0", "h1", "h2"]),
        (nested, ["enc/e1", "enc/e2", "top"]),
        (ends_nested, ["first", "head/h"]),
        (recurrent, ["act"]),
    ],
)
def test_hidden_activations_are_all_but_those_of_the_output(build, expected):
    assert hidden_activations(build()) == expected


def test_hidden_activations_of_a_subclassed_model():
    found = survey(subclassed(), tf.TensorSpec([2, 2]))
    names = {position.path_number: position.name for position in found.positions}
    assert [names[label] for label in found.hidden] == ["a"]


def test_layer_that_is_called_twice_has_a_point_for_each_call(rng):
    shared = L.Dense(2, "relu", name="shared")
    inputs = keras.Input((2,))
    model = keras.Model(inputs, L.Dense(1)(L.Add()([shared(inputs), shared(2.0 * inputs)])))
    points = points_of("after:shared", survey(model))
    assert [point.occurrence for point in points] == [0, 1]
    assert len(flowing(model, rng.normal(size=(3, 2)).astype("float32"))) >= 2


def test_activity_regularizer_sees_the_activations_without_noise(rng):
    x = rng.normal(size=(6, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), L.Dense(4, "relu", activity_regularizer="l1"), L.Dense(1)])
    model(x)
    clean = float(sum(model.losses))
    wanted = points_of("after_activation", survey(model))
    with instrumented(model), walking(Walk(positions_of(model), lambda p, v: v + 5.0 if p in wanted else v)):
        model(x)
    assert float(sum(model.losses)) == pytest.approx(clean)


def test_mask_survives_noise(rng):
    x = rng.normal(size=(2, 4, 2)).astype("float32")
    x[:, 2:] = 0
    model = keras.Sequential([keras.Input((4, 2)), L.Masking(), L.LSTM(3), L.Dense(1)])
    wanted = points_of("after:masking", survey(model)) or points_of(f"after:{model.layers[0].name}", survey(model))
    with instrumented(model), walking(Walk(positions_of(model), lambda p, v: v * 1.0 if p in wanted else v)):
        noisy = model(x)
    np.testing.assert_allclose(noisy, model(x), atol=1e-6)


def words(dtype, *first):
    return keras.Sequential(
        [keras.Input((6,), dtype=dtype), *first, L.Embedding(9, 3, name="embedding"), L.Flatten(), L.Dense(1)]
    )


@pytest.mark.parametrize(
    "build", [lambda: words("float32"), lambda: words("int32"), lambda: words("float32", L.Reshape((3, 2)))]
)
def test_input_noise_on_words_is_refused_with_the_mend(build):
    assert "after:embedding" in place_fault("input", survey(build()))


def test_input_noise_on_numbers_is_not_refused():
    assert place_fault("input", survey(hidden_stack())) is None


def test_unknown_layer_lists_those_that_are_there():
    assert (
        "no layer 'dense_9'; its layers are enc, top, out, and within them enc/e1, enc/e2. Choose one"
        in place_fault("after:dense_9", survey(nested()))
    )
    assert place_fault("after:enc/e1", survey(nested())) is None
    assert place_fault("after:e2", survey(nested())) is None


def test_model_without_hidden_activation_says_so():
    model = keras.Sequential([keras.Input((2,)), L.Dense(1, name="out")])
    assert "needs a hidden layer with an activation" in place_fault("before_activation", survey(model))
