"""Each random layer's twin against the Keras layer that it stands in for."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from noiseflow.engine.noise_layers import EFFECTS, random_twin
from noiseflow.engine.random import Stream, draw_all, drawing_from

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


def called(twin, x, seed, step=1, *, training=True):
    noting = Stream([])
    with drawing_from(noting):
        twin(x, training=training)
    numbers = draw_all(noting.asked, tf.constant([seed], tf.uint32), tf.constant(step))
    drawn = dict(zip(noting.asked, [n[0] for n in numbers], strict=True))
    with drawing_from(Stream([], drawn)):
        return np.asarray(twin(x, training=training))


def test_every_random_layer_is_tested():
    assert {type(layer) for layer, _ in LAYERS} == set(EFFECTS)


@every_layer
def test_twin_gives_the_layers_distribution(layer, shape):
    """Two-sample KS test over the elements of distinct draws, for an input that is not constant in its sign."""
    x = np.ones(shape, "float32")
    ours, keras_own = called(random_twin(layer, 2), x, 7), np.asarray(layer(x, training=True))
    one = (slice(None), *[0] * (len(shape) - 2), slice(None))  # a spatial layer draws once for a whole map
    assert scipy.stats.ks_2samp(ours[one].ravel(), keras_own[one].ravel(), method="asymp").pvalue > 1e-4
    assert abs(ours[one].mean() - keras_own[one].mean()) < 5 * ours[one].std() * np.sqrt(2 / ours[one].size)
    repeated = (ours == ours[(slice(None), *[slice(1)] * (len(shape) - 2), slice(None))]).all()
    assert repeated == (keras_own == keras_own[(slice(None), *[slice(1)] * (len(shape) - 2), slice(None))]).all()


@every_layer
def test_twin_draws_by_seed_and_step_and_is_the_identity_at_test_time(layer, shape):
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    twin = random_twin(layer, 2)
    assert (called(twin, x, 7) == called(twin, x, 7)).all()
    assert (called(twin, x, 7) != called(twin, x, 8)).any()
    assert (called(twin, x, 7) != called(twin, x, 7, step=2)).any()
    assert (called(twin, x, 7, training=False) == x).all()


def test_twin_of_strength_zero_is_the_identity():
    for kind in EFFECTS:
        assert isinstance(random_twin(kind(0.0), 1), keras.layers.Identity)
