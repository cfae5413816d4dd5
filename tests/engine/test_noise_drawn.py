"""Each number of noise that a training draws, seen through metrics: which ones are equal, and which must not be."""

import numpy as np
import pytest

from noiseflow import Injection, fit_seeds

STDDEV = 0.3
ROWS_A_BATCH, BATCHES, FEATURES, EPOCHS = 2, 2, 2, 40


def seen(row, feature):
    def metric(y_true, y_pred):
        del y_true
        return y_pred[-row, feature]  # the first row, or the last

    metric.__name__ = f"noise_{row}_{feature}"
    return metric


def first_row(y_true, y_pred):
    del y_pred
    return y_true[0, 0]


def build():
    """Gives its inputs back, which are 0, and never learns: what comes out is the noise."""
    import keras

    layers = [keras.Input((FEATURES,)), keras.layers.Dense(FEATURES, use_bias=False, kernel_initializer="identity")]
    model = keras.Sequential(layers)
    metrics = [seen(row, feature) for row in range(ROWS_A_BATCH) for feature in range(FEATURES)]
    model.compile("sgd", "mse", metrics=[*metrics, first_row])
    model.optimizer.learning_rate = 0.0
    return model


@pytest.fixture(scope="module", params=["vectorized", pytest.param("reference", marks=pytest.mark.slow)])
def fit(request):
    """By the engine: its history."""
    n = ROWS_A_BATCH * BATCHES
    x = np.zeros((n, FEATURES), np.float32)
    y = np.repeat(4.0 ** np.arange(n, dtype=np.float32)[:, None], FEATURES, axis=1)  # sums of them tell which they are
    return fit_seeds(
        build,
        x,
        y,
        seeds=range(12 if request.param == "vectorized" else 2),
        epochs=EPOCHS,
        batch_size=ROWS_A_BATCH,
        validation_data=(x, y),
        noise=[Injection(place="input", stddev=STDDEV)],
        engine=request.param,
    ).history


@pytest.fixture(scope="module")
def noise(fit):
    """Means over the batches of an epoch: (n_seeds, n_epochs, n_rows, n_features)."""
    names = [[f"noise_{row}_{feature}" for feature in range(FEATURES)] for row in range(ROWS_A_BATCH)]
    return np.stack([np.stack([fit[name] for name in row], axis=-1) for row in names], axis=-2)


def correlation(one, other):
    return abs(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def bound(size):
    """What two independent samples correlate by less than, but for one pair in 1.7 million."""
    return 5 / np.sqrt(size)


@pytest.mark.slow
def test_stddev_is_that_of_a_mean_of_independent_steps(noise):
    expected = STDDEV / np.sqrt(BATCHES)  # of equal steps it would be STDDEV; of the variance in its place a third
    assert noise.std() == pytest.approx(expected, rel=bound(noise.size))
    assert abs(noise.mean()) < expected * bound(noise.size)


def test_rows_of_a_batch_have_noise_of_their_own(noise):
    assert correlation(noise[:, :, 0], noise[:, :, 1]) < bound(noise[:, :, 0].size)


def test_features_have_noise_of_their_own_in_the_second_half_of_the_draws_too(noise):
    drawn = noise.reshape(*noise.shape[:2], -1)
    for i in range(drawn.shape[-1]):
        for j in range(i):
            assert correlation(drawn[..., i], drawn[..., j]) < bound(drawn[..., i].size)


@pytest.mark.parametrize("lag", [1, 2, EPOCHS // 2])
def test_epochs_have_noise_of_their_own(noise, lag):
    assert correlation(noise[:, lag:], noise[:, :-lag]) < bound(noise[:, lag:].size)


def test_every_two_seeds_have_noise_of_their_own(noise):
    for i in range(len(noise)):
        for j in range(i):
            assert correlation(noise[i], noise[j]) < bound(noise[i].size)


def test_inference_has_no_noise(fit):
    for name in (name for name in fit if name.startswith("val_noise")):
        assert not fit[name].any(), name


def test_epochs_and_seeds_have_an_order_of_rows_of_their_own(fit, request):
    orders = fit["first_row"]  # of 4 rows in 2 batches: 6 sums
    if "reference" in request.node.name:  # Keras' own shuffle gives each epoch of a seeded fit the same order
        assert len(np.unique(orders)) > 1
        return
    assert all(len(np.unique(row.round(3))) >= 5 for row in orders)
    assert len({tuple(row.round(3)) for row in orders}) == len(orders)
