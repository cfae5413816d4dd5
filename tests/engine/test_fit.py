"""What `fit_seeds` takes beyond the contract of the engines: weights, rows and strengths of each seed, and what it gives."""

import keras
import numpy as np
import pytest
from linear_fits import build_linear, refit, rows

from noiseflow import Injection, fit_seeds
from noiseflow.engine.program import Program

L = keras.layers


@pytest.fixture
def build():
    return build_linear


@pytest.fixture
def data(rng):
    return rows(rng)


def test_sample_weight_of_zero_leaves_a_row_out(build, data):
    """Two epochs on weighted rows equal those on the kept rows, whose mean is over half as many."""
    x, y = data
    weight = np.repeat([2.0, 0.0], 6)
    weighted = refit(build, data, sample_weight=weight)
    kept = refit(build, (x[:6], y[:6]))
    np.testing.assert_allclose(weighted.weights[0], kept.weights[0], rtol=1e-5)


def test_per_seed_data_gives_each_seed_its_own_rows(build, data):
    x, y = data
    xs, ys = np.stack([x, -x, 2 * x]), np.stack([y, y, y])
    validation = (np.stack([x, x, -x]), ys)
    done = refit(build, (xs, ys), per_seed_data=True, validation_data=validation)
    for row in range(3):
        alone = refit(build, (xs[row], ys[row]), seeds=[row], validation_data=(validation[0][row], y))
        np.testing.assert_allclose(done.history["val_loss"][row], alone.history["val_loss"][0], rtol=1e-5)
    assert len(np.unique(done.history["loss"][:, -1])) == 3


def test_strengths_give_each_seed_its_own_stddev(build, data):
    noise = [Injection(place="input", stddev=1.0)]
    grid = refit(build, data, noise=noise, strengths=[[0.0], [0.1], [0.9]], seeds=[5, 6, 7])
    for row, (seed, stddev) in enumerate([(6, 0.1), (7, 0.9)], start=1):
        alone = refit(build, data, noise=[Injection(place="input", stddev=stddev)], seeds=[seed])
        assert (grid.history["loss"][row] == alone.history["loss"][0]).all()


def test_programs_are_compiled_once_for_fits_that_differ_in_values(build, data, monkeypatch):
    refit(build, data)
    traced = []
    monkeypatch.setattr(Program, "trace", lambda *arguments: traced.append(arguments))
    x, y = data
    other = refit(build, (x + 1, y), seeds=range(10, 29), epochs=7, record_every=3)
    assert not traced
    assert other.history["loss"].shape == (19, 4)


@pytest.mark.slow
def test_compiled_programs_are_not_shared_between_models_that_differ(data):
    """One function that builds another model at each call, as a function that reads a global setting may."""
    activations = iter(["relu", "tanh"] * 20)

    def build():
        model = keras.Sequential([keras.Input((2,)), L.Dense(3, activation=current[0]), L.Dense(1)])
        model.compile(loss="mse", optimizer="sgd")
        return model

    current = [next(activations)]
    first = refit(build, data)
    current[0] = next(activations)
    second = refit(build, data)
    assert (first.history["loss"][:, -1] != second.history["loss"][:, -1]).all()


def test_progress_tells_epochs_and_seeds_a_second(build, data):
    told = []
    refit(build, data, epochs=4000, seeds=range(16), progress=told.append)
    assert told[-1].epochs_done == 4000
    assert told[-1].seeds_a_second > 0
    assert [p.epochs_done for p in told] == sorted(p.epochs_done for p in told)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_weight": [1.0]}, r"must begin with the axes \(12,\); received \(1,\)"),
        ({"per_seed_data": True}, r"must begin with the axes \(3, 2\)"),
        (
            {"noise": [Injection(place="input", stddev=0.1)], "strengths": [[-1.0]] * 3},
            "strengths must not be negative",
        ),
    ],
)
def test_fit_seeds_refuses_data_that_do_not_fit(build, data, changes, message):
    with pytest.raises(ValueError, match=message):
        refit(build, data, **changes)


def test_shuffled_rows_of_an_epoch_are_the_whole_training_set():
    """Each row adds its own power of two to the one weight: their sum tells which rows were seen, and how often."""

    def build():
        model = keras.Sequential([keras.Input((1,)), L.Dense(1, use_bias=False, kernel_initializer="zeros")])
        model.compile(loss=lambda y, p: -p * y, optimizer=keras.optimizers.SGD(1.0))
        return model

    x, y = np.ones((10, 1)), 2.0 ** np.arange(10)[:, None]
    done = fit_seeds(build, x, 5 * y, seeds=range(4), epochs=1, batch_size=5, engine="vectorized")
    np.testing.assert_allclose(done.weights[0].ravel(), 2.0**10 - 1)


def test_signal_to_noise_is_of_each_seeds_own_rows(build, data):
    x, y = data
    xs = np.stack([x, 2 * x, 3 * x])
    noise = [Injection(place="input", stddev=0.5)]
    done = refit(build, (xs, np.stack([y] * 3)), per_seed_data=True, noise=noise, epochs=1)
    np.testing.assert_allclose(done.signal_to_noise[:, 0], 2 * x.std() * np.arange(1, 4), rtol=1e-5)


def test_predict_takes_rows_of_each_seed(build, data, rng):
    """A linear model, whose outputs numpy gives in float64; more rows than one call takes."""
    done = refit(build, data)
    x = rng.normal(size=(3, 1500, 2))
    kernel, bias = (w.astype(float) for w in done.weights)
    np.testing.assert_allclose(done.predict(x, per_seed=True), x @ kernel + bias[:, None], atol=1e-5)
    for row in range(3):
        assert (done.predict(x, per_seed=True)[row] == done.predict(x[row])[row]).all()
    with pytest.raises(ValueError, match="must have a first axis of 3 seeds; received"):
        done.predict(x[:2], per_seed=True)
