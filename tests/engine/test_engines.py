"""The contract that every engine keeps, and what the vectorised one promises beyond."""

import keras
import numpy as np
import pytest

from noiseflow import Injection, fit_seeds
from noiseflow.engine.fit import ENGINES
from noiseflow.engine.problem import recorded_epochs

pytestmark = pytest.mark.slow
PLACES = ["input", "before_activation", "after_activation"]
both_engines = pytest.mark.parametrize("engine", list(ENGINES))


def fit(build, data, engine="vectorized", **changes):
    arguments = {"seeds": range(2), "epochs": 12, "record_every": 5, "validation_data": (data.X_test, data.y_test)}
    return fit_seeds(build, data.X_train, data.y_train, engine=engine, **(arguments | changes))


@pytest.fixture(scope="module", params=list(ENGINES))
def plain(request, build_small, circles):
    """A fit without noise, of each engine."""
    told = []
    done = fit(build_small, circles, request.param, progress=lambda progress: told.append(progress.epochs_done))
    return done, told


def test_engine_gives_histories_weights_and_predictions_by_seed(plain, circles):
    done, _ = plain
    assert done.engine in ENGINES
    assert list(done.epochs) == [1, 5, 10, 12]
    assert sorted(done.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert all(values.shape == (2, 4) for values in done.history.values())
    assert [w.shape for w in done.weights] == [(2, 2, 8), (2, 8), (2, 8, 1), (2, 1)]
    assert done.predict(circles.X_test).shape == (2, 70, 1)
    assert list(done.to_frame().columns) == ["seed", "epoch", *done.history]
    assert len(done.to_frame()) == 8


def test_engine_history_is_what_the_trained_models_measure(plain, circles):
    """Checked with a plain Keras model and numpy, not with the code that made the history."""
    done, _ = plain
    for row, seed in enumerate(done.seeds):
        probability = done.to_keras(seed).predict(circles.X_test, verbose=0)
        assert done.history["val_accuracy"][row, -1] == pytest.approx(
            np.mean((probability[:, 0] > 0.5) == circles.y_test)
        )
        np.testing.assert_allclose(done.predict(circles.X_test)[row], probability, atol=1e-6)


def test_engine_starts_from_the_weights_of_a_seeded_build(plain, build_small, circles):
    done, _ = plain
    keras.utils.set_random_seed(1)
    model = build_small()
    loss, accuracy = model.evaluate(circles.X_test, circles.y_test, verbose=0)
    assert done.initial["val_loss"][1] == pytest.approx(loss, rel=1e-5)
    assert done.initial["val_accuracy"][1] == pytest.approx(accuracy)


@both_engines
def test_engine_repeats_itself(build_small, circles, engine):
    noise = [Injection(place="before_activation", stddev=0.5)]
    first, second = (fit(build_small, circles, engine, batch_size=10, noise=noise, epochs=5) for _ in range(2))
    assert all((first.history[name] == second.history[name]).all() for name in first.history)


@pytest.fixture(scope="module", params=list(ENGINES))
def still(request, build_small, circles):
    """A fit whose weights stay, for the learning rate is 0, with noise of stddev 0.5 at each of PLACES."""

    def build():
        model = build_small()
        model.optimizer.learning_rate = 0.0
        return model

    return fit(build, circles, request.param, noise=[Injection(place=place, stddev=0.5) for place in PLACES])


def test_engine_noise_acts_at_train_time_only(still):
    """Training sees the noise, inference does not."""
    assert (still.history["val_loss"] == still.initial["val_loss"][:, None]).all()
    assert (still.history["loss"][:, 0] != still.history["loss"][:, 1]).all()  # drawn anew at each step


def test_engine_signal_to_noise_is_of_the_signal_at_the_initial_weights(still, build_small, circles):
    x = circles.X_train.astype("float32")
    for row, seed in enumerate(still.seeds):
        keras.utils.set_random_seed(seed)
        kernel, bias, *_ = build_small().get_weights()
        signals = x, x @ kernel + bias, np.maximum(x @ kernel + bias, 0)
        np.testing.assert_allclose(still.signal_to_noise[row], [signal.std() / 0.5 for signal in signals], rtol=1e-5)


def test_engine_stddev_zero_equals_no_noise(plain, build_small, circles):
    clean, _ = plain
    noisy = fit(build_small, circles, clean.engine, noise=[Injection(place=place, stddev=0.0) for place in PLACES])
    assert all((clean.history[name] == noisy.history[name]).all() for name in clean.history)


def test_engine_tells_its_progress_to_the_end(plain):
    _, told = plain
    assert told == sorted(told)
    assert told[-1] == 12


def small_parity(build, data, **changes):
    arguments = {"epochs": 20, "record_every": 1, "seeds": range(2), **changes}
    return fit(build, data, "vectorized", **arguments), fit(build, data, "reference", **arguments)


@pytest.mark.evidence  # tests/slow/engine/test_exactness.py asks the same of a smaller network, more closely
@pytest.mark.parametrize("changes", [{"batch_size": 7, "shuffle": False}, {}])
def test_vectorized_without_noise_follows_model_fit(build_mlp, circles, changes):
    """Four minibatches with a rest of 2; and one full batch."""
    vectorized, reference = small_parity(build_mlp, circles, **changes)
    for name in reference.history:
        np.testing.assert_allclose(vectorized.history[name], reference.history[name], atol=1e-5)
    for ours, theirs in zip(vectorized.weights, reference.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def noisy(build, data, seeds):
    noise = [Injection(place="input", stddev=0.01), Injection(place="before_activation", stddev=0.1)]
    return fit(build, data, seeds=seeds, noise=noise, batch_size=15, epochs=20)


@pytest.fixture(scope="module")
def hundred(build_mlp, circles):
    return noisy(build_mlp, circles, range(100))


def assert_same_rows(few, many):
    seeds = list(few.seeds)
    assert all((few.history[name] == many.history[name][seeds]).all() for name in few.history)
    assert all((ours == theirs[seeds]).all() for ours, theirs in zip(few.weights, many.weights, strict=True))
    x = np.linspace(-1, 1, 1400).reshape(-1, 2)
    assert (few.predict(x) == many.predict(x)[seeds]).all()


@pytest.mark.parametrize("width", [1, 2, 3, 10, 33])
def test_vectorized_rows_of_the_tutorial_do_not_depend_on_their_batch(build_mlp, circles, hundred, width):
    assert_same_rows(noisy(build_mlp, circles, range(99, 99 - width, -1)), hundred)


def test_vectorized_shuffles_each_seed_in_its_own_order(circles):
    """With one weight, no bias and learning rate 1, two minibatches in another order end elsewhere, whatever the seed."""

    def build():
        model = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="w")]
        )
        model.compile(loss="mse", optimizer=keras.optimizers.SGD(1.0))
        return model

    done = fit_seeds(build, circles.X_train, circles.y_train, seeds=range(6), epochs=1, batch_size=5)
    ends = done.weights[0].reshape(6, -1)
    assert len(np.unique(ends, axis=0)) == 6
    ordered = fit_seeds(build, circles.X_train, circles.y_train, seeds=range(6), epochs=1, batch_size=5, shuffle=False)
    assert len(np.unique(ordered.weights[0].reshape(6, -1), axis=0)) == 1


def test_vectorized_predicts_more_rows_than_one_call_takes(build_small, circles, rng):
    done = fit(build_small, circles, epochs=1)
    x = rng.normal(size=(2500, 2))
    together = done.predict(x)
    np.testing.assert_allclose(together[:, 2300:], done.predict(x[2300:]), atol=1e-6)
    np.testing.assert_allclose(together[0], done.to_keras(0).predict(x, verbose=0), atol=1e-5)


def test_vectorized_trains_a_model_with_its_own_noise_layer_and_flatten(circles):
    """The first full batch is seen at the initial weights, with its noise; in inference mode without."""

    def build():
        layers = [keras.layers.Flatten(), keras.layers.Dense(8), keras.layers.GaussianNoise(0.4)]
        layers += [keras.layers.Activation("tanh"), keras.layers.Dense(1, activation="sigmoid")]
        model = keras.Sequential([keras.Input((2, 1)), *layers])
        model.compile(loss="binary_crossentropy", optimizer="sgd", metrics=["accuracy"])
        return model

    x, y = circles.X_train[:, :, None], circles.y_train
    first, again = (fit_seeds(build, x, y, seeds=[4, 5], epochs=3, validation_data=(x, y)) for _ in range(2))
    assert (first.history["loss"] == again.history["loss"]).all()
    assert (np.abs(first.history["loss"][:, 0] - first.initial["val_loss"]) > 1e-3).all()
    assert (first.history["val_loss"][:, 0] != first.initial["val_loss"]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": []}, "seeds must hold at least one"),
        ({"seeds": [1, 1]}, "none twice"),
        ({"seeds": [2**32]}, "seeds must lie in"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"record_every": 0}, "record_every must be at least 1"),
        ({"engine": "warp"}, "engine must be one of"),
    ],
)
def test_fit_seeds_refuses_arguments_out_of_range(build_small, circles, changes, message):
    with pytest.raises(ValueError, match=message):
        fit(build_small, circles, **changes)


@pytest.mark.parametrize(
    ("epochs", "every", "expected"),
    [(1, 10, [1]), (10, 1, list(range(1, 11))), (12, 5, [1, 5, 10, 12]), (20, 10, [1, 10, 20]), (3, 9, [1, 3])],
)
def test_recorded_epochs_hold_the_first_every_kth_and_the_last(epochs, every, expected):
    assert list(recorded_epochs(epochs, every)) == expected
