"""Keras' random functions and layers, led to the streams of a replica, against what they are in Keras."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from noiseflow.engine.keras_random import FUNCTIONS, UNKNOWN, led_to_streams
from noiseflow.engine.problem import NotVectorizableError
from noiseflow.engine.random import RandomnessOff, Stream, draw_all, drawing_from

LAYERS = [
    (keras.layers.GaussianNoise(0.4, seed=5), (500, 40)),
    (keras.layers.GaussianDropout(0.3, seed=5), (500, 40)),
    (keras.layers.Dropout(0.3, seed=5), (500, 40)),
    (keras.layers.Dropout(0.3, noise_shape=(None, 1, 8), seed=5), (500, 5, 8)),
    (keras.layers.SpatialDropout1D(0.3, seed=5), (500, 5, 8)),
    (keras.layers.SpatialDropout2D(0.3, seed=5), (500, 3, 3, 8)),
    (keras.layers.SpatialDropout3D(0.3, seed=5), (500, 2, 2, 2, 8)),
    (keras.layers.AlphaDropout(0.3, seed=5), (500, 40)),
]
every_layer = pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda v: getattr(v, "name", None))
N = 40_000
DRAWS = {
    "normal": lambda seed: keras.random.normal((N,), mean=1.0, stddev=2.0, seed=seed),
    "uniform": lambda seed: keras.random.uniform((N,), minval=-1.0, maxval=3.0, seed=seed),
    "truncated_normal": lambda seed: keras.random.truncated_normal((N,), mean=1.0, stddev=2.0, seed=seed),
    "randint": lambda seed: keras.random.randint((N,), 2, 9, seed=seed),
    "categorical": lambda seed: keras.random.categorical(np.log([[0.2, 0.5, 0.3]]).astype("float32"), N, seed=seed),
    "dropout": lambda seed: keras.random.dropout(np.ones(N, "float32"), 0.3, seed=seed),
    "shuffle": lambda seed: keras.random.shuffle(np.arange(N) % 100, seed=seed)[:2000],
}


def called(call, seed, step=1):
    with led_to_streams():
        noting = Stream([])
        with drawing_from(noting):
            call()
        numbers = draw_all(noting.asked, tf.constant([seed], tf.uint32), tf.constant(step))
        drawn = dict(zip(noting.asked, [n[0] for n in numbers], strict=True))
        with drawing_from(Stream([], drawn)):
            return np.asarray(call())


def test_every_random_function_of_keras_is_led_or_refused():
    """A new one in Keras shows here."""
    own = {n for n in dir(keras.random) if not n.startswith("_") and callable(getattr(keras.random, n))}
    assert own - {"SeedGenerator"} == {*FUNCTIONS, *UNKNOWN}
    assert set(DRAWS) == set(FUNCTIONS)


@pytest.mark.parametrize("name", DRAWS)
def test_random_function_has_keras_distribution(name):
    """Whole numbers by a chi-square test of their counts, others by a two-sample KS test."""
    generator = keras.random.SeedGenerator(3)
    ours, own = called(lambda: DRAWS[name](generator), 7).ravel(), np.asarray(DRAWS[name](generator)).ravel()
    if ours.dtype.kind == "i":
        values = np.unique(own)
        table = [[(part == value).sum() for value in values] for part in (ours, own)]
        assert set(np.unique(ours)) <= set(values)
        assert scipy.stats.chi2_contingency(table).pvalue > 1e-5
    else:
        assert scipy.stats.ks_2samp(ours, own, method="asymp").pvalue > 1e-5


@every_layer
def test_random_layer_has_keras_distribution(layer, shape):
    """Two-sample KS test over the elements of distinct draws."""
    x = np.ones(shape, "float32")
    ours, keras_own = called(lambda: layer(x, training=True), 7), np.asarray(layer(x, training=True))
    one = (slice(None), *[0] * (len(shape) - 2), slice(None))  # a spatial layer draws once for a whole map
    assert scipy.stats.ks_2samp(ours[one].ravel(), keras_own[one].ravel(), method="asymp").pvalue > 1e-4
    assert abs(ours[one].mean() - keras_own[one].mean()) < 5 * ours[one].std() * np.sqrt(2 / ours[one].size)
    repeated = (ours == ours[(slice(None), *[slice(1)] * (len(shape) - 2), slice(None))]).all()
    assert repeated == (keras_own == keras_own[(slice(None), *[slice(1)] * (len(shape) - 2), slice(None))]).all()


@every_layer
def test_random_layer_draws_by_seed_and_step_and_is_the_identity_at_test_time(layer, shape):
    x = np.random.default_rng(1).normal(size=shape).astype("float32")

    def train():
        return layer(x, training=True)

    assert (called(train, 7) == called(train, 7)).all()
    assert (called(train, 7) != called(train, 8)).any()
    assert (called(train, 7) != called(train, 7, step=2)).any()
    assert (called(lambda: layer(x, training=False), 7) == x).all()


def test_random_layers_are_silent_where_numbers_are_quiet():
    x = np.ones((4, 5), "float32")
    with led_to_streams(), drawing_from(RandomnessOff()):
        assert (np.asarray(keras.layers.GaussianNoise(0.5)(x, training=True)) == 1).all()
        np.testing.assert_allclose(keras.layers.Dropout(0.2)(x, training=True), 1 / 0.8, rtol=1e-6)


def test_seed_that_is_a_number_gives_the_same_numbers_at_each_call_as_in_keras():
    expected = np.asarray(keras.random.normal((3,), seed=11))
    assert (called(lambda: keras.random.normal((3,), seed=11), 7) == expected).all()


def test_unknown_distribution_is_refused_only_where_replicas_draw():
    with led_to_streams():
        assert keras.random.gamma((2,), 1.0).shape == (2,)
        with drawing_from(RandomnessOff()), pytest.raises(NotVectorizableError, match="gamma"):
            keras.random.gamma((2,), 1.0)


def test_functions_are_keras_own_again_at_the_end():
    from keras.src import backend

    before = backend.random.normal
    with led_to_streams():
        assert backend.random.normal is not before
    assert backend.random.normal is before
