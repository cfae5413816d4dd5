import keras
import numpy as np
import pytest
import tensorflow as tf

from noiseflow.noise import hidden_activations, inject
from noiseflow.spec import Injection
from noiseflow.engine.noise_layers import RandomLayer, injected_noise
from noiseflow.engine.random import Stream, draw_all, drawing_from

PLACES = ["input", "before_activation", "after_activation", "after:hidden_1"]


def real(injections):
    return lambda i, site: keras.layers.GaussianNoise(injections[i].stddev, seed=i + 1, name=site)


def vectorised(_):
    return lambda i, site: RandomLayer(site, injected_noise("gaussian", i), name=site)


def called(model, x, seed=3):
    """What the model gives in training mode to the replica of a seed, at one step."""
    noting = Stream([tf.constant(0.5)])
    with drawing_from(noting):
        model(x, training=True)
    drawn = [numbers[0] for numbers in draw_all(noting.asked, tf.constant([seed], tf.uint32), tf.constant(1))]
    with drawing_from(Stream(noting.scales, dict(zip(noting.asked, drawn, strict=True)))):
        return model(x, training=True)


def noisy(model, place, layer_for=real, stddev=0.5):
    injections = [Injection(place=place, stddev=stddev)]
    return inject(model, injections, layer_for(injections))


@pytest.mark.parametrize("place", PLACES)
def test_inject_keeps_weights_and_inference_bit_for_bit(build_mlp, circles, place):
    model = build_mlp()
    injected = noisy(model, place).model
    x = circles.X_test.astype("float32")
    assert all((a == b).all() for a, b in zip(model.get_weights(), injected.get_weights(), strict=True))
    assert (injected(x).numpy() == model(x).numpy()).all()


@pytest.mark.parametrize("layer_for", [real, vectorised])
@pytest.mark.parametrize("place", PLACES)
def test_inject_adds_noise_of_the_right_moments_at_the_place(build_small, circles, place, layer_for):
    """What leaves the noise layer, less what enters it, is N(0, stddev²): neither dropped nor doubled nor elsewhere."""
    injected = noisy(build_small(), place, layer_for)
    (_, tap), *others = injected.taps
    assert not others
    noise_layer = next(
        layer for layer in injected.model.layers if type(layer).__name__ in ("GaussianNoise", "RandomLayer")
    )
    both = keras.Model(injected.model.input, [tap, noise_layer.output])
    x = np.repeat(circles.X_train, 500, axis=0).astype("float32")
    before, after = (np.asarray(part, float) for part in called(both, x))
    noise = (after - before).ravel()
    n = noise.size
    assert abs(noise.mean()) < 5 * 0.5 / np.sqrt(n)
    assert abs(noise.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * n)


@pytest.mark.parametrize(
    ("place", "tapped"),
    [
        ("input", "inputs"),
        ("before_activation", "pre-activation"),
        ("after_activation", "activation"),
        ("after:hidden_1", "activation"),
    ],
)
def test_inject_taps_the_signal_that_the_place_names(build_mlp, circles, place, tapped):
    model = build_mlp()
    kernel, bias, *_ = model.get_weights()
    x = circles.X_train.astype("float32")
    signals = {"inputs": x, "pre-activation": x @ kernel + bias, "activation": np.maximum(x @ kernel + bias, 0)}
    injected = noisy(model, place)
    found = keras.Model(injected.model.input, injected.taps[0][1])(x, training=False)
    np.testing.assert_allclose(found, signals[tapped], atol=1e-6)


def test_inject_at_separate_activation_layers_acts_before_or_after_them():
    inputs = keras.Input((3,))
    x = keras.layers.Dense(4, name="dense")(inputs)
    x = keras.layers.ReLU(name="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="out")(x))
    model.compile(loss="mse", optimizer="sgd")
    for place, layer in (("before_activation", "dense"), ("after_activation", "relu")):
        ((_, tap),) = noisy(model, place).taps
        assert tap._keras_history.operation.name == layer


def test_inject_reaches_every_hidden_activation_and_not_the_output():
    model = keras.Sequential(
        [keras.Input((2,))]
        + [keras.layers.Dense(4, activation="relu", name=f"h{i}") for i in range(3)]
        + [keras.layers.Dense(1, activation="sigmoid", name="out")]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam")
    assert hidden_activations(model) == ["h0", "h1", "h2"]
    assert len(noisy(model, "before_activation").taps) == 3


def test_inject_two_injections_at_one_place_draw_apart(build_small):
    injections = [Injection(place="input", stddev=0.1), Injection(place="input", stddev=0.2)]
    injected = inject(build_small(), injections, vectorised(injections)).model
    streams = {layer.stream for layer in injected.layers if isinstance(layer, RandomLayer)}
    assert len(streams) == 2


def test_inject_replaces_the_models_own_layers_by_what_stands_in_for_them():
    model = keras.Sequential([keras.Input((2,)), keras.layers.GaussianNoise(0.3), keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    replaced = {}

    def replace(layer, position):
        if isinstance(layer, keras.layers.GaussianNoise):
            replaced[position] = layer.stddev
            return keras.layers.Identity(name=layer.name)
        return layer

    layers = inject(model, [], vectorised([]), replace).model.layers
    assert [type(layer).__name__ for layer in layers] == ["InputLayer", "Identity", "Dense"]
    assert replaced == {1: 0.3}


def test_inject_unknown_layer_lists_those_that_are_there(build_small):
    with pytest.raises(ValueError, match=r"no layer 'dense_9'; it has \['hidden_1', 'output'\]"):
        noisy(build_small(), "after:dense_9")


def test_inject_without_hidden_activation_says_so():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="out")])
    model.compile(loss="mse", optimizer="sgd")
    with pytest.raises(ValueError, match="needs a hidden layer with an activation"):
        noisy(model, "before_activation")
