"""What `fit_seeds` takes beyond the contract of the engines, and what it does when an engine cannot."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import noiseflow
from noiseflow import Injection, fit_seeds
from noiseflow.training import vectorized
from noiseflow.training.program import Program

L = keras.layers


def linear(optimizer="sgd", layers=(), **compilation):
    def build():
        model = keras.Sequential([keras.Input((2,)), *(make() for make in layers), L.Dense(1, name="out")])
        model.compile(loss="mse", optimizer=optimizer, **compilation)
        return model

    return build


@pytest.fixture(scope="module")
def build():
    """One function, so that its program is compiled once for all tests of this module."""
    return linear()


@pytest.fixture
def data(rng):
    return rng.normal(size=(12, 2)), rng.normal(size=(12, 1))


def refit(build, data, **changes):
    return fit_seeds(
        build, *data, **({"seeds": range(3), "epochs": 4, "shuffle": False, "engine": "vectorized"} | changes)
    )


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


class Folded(keras.layers.Layer):
    """A layer that TensorFlow cannot vectorise."""

    def call(self, inputs):
        outputs = tf.numpy_function(lambda x: x, [inputs], inputs.dtype)
        outputs.set_shape(inputs.shape)
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def own_step():
    inputs = keras.Input((2,))
    model = OwnStep(inputs, L.Dense(1)(inputs))
    model.compile(loss="mse", optimizer="sgd")
    return model


UNVECTORIZABLE = {
    "a layer in Python": (
        linear(layers=[lambda: Folded(name="folded")]),
        r"layer 'folded' \(Folded\) does not vectorise",
    ),
    "random preprocessing": (lambda: images(L.RandomFlip(name="flip")), r"layer 'flip' \(RandomFlip\)"),
    "a train_step": (own_step, "OwnStep has its own train_step"),
    "dropout in a loop": (lambda: sequence(L.LSTM(2, dropout=0.1, name="loop")), r"layer 'loop'"),
    "run_eagerly": (linear(run_eagerly=True), "run_eagerly=True"),
    "gradient accumulation": (
        linear(keras.optimizers.SGD(gradient_accumulation_steps=2)),
        "gradient_accumulation_steps",
    ),
}


def sequence(layer):
    model = keras.Sequential([keras.Input((2,)), L.Reshape((2, 1)), layer, L.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    return model


def images(layer):
    model = keras.Sequential([keras.Input((2,)), L.Reshape((2, 1, 1)), layer, L.Flatten(), L.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    return model


@pytest.mark.parametrize("name", UNVECTORIZABLE)
def test_auto_falls_back_with_one_warning_and_vectorized_raises(name, data):
    build, reason = UNVECTORIZABLE[name]
    with pytest.raises(noiseflow.NotVectorizableError, match=reason):
        refit(build, data)
    if name == "a layer in Python":  # once: Model.fit takes its time
        with pytest.warns(UserWarning, match=f"falls back to 'reference'.*{reason}") as caught:
            done = refit(build, data, engine="auto", epochs=1, seeds=[1])
        assert len(caught) == 1
        assert done.engine == "reference"
        assert done.predict(data[0]).shape == (1, 12, 1)


def test_auto_is_vectorized_where_it_can(build, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refit(build, data, engine="auto").engine == "vectorized"


def test_device_gpu_without_one_says_what_to_do(build, data):
    with pytest.raises(RuntimeError, match="device 'gpu' was asked for, but TensorFlow sees none"):
        refit(build, data, device="gpu")


def test_out_of_memory_halves_the_program(build, data, monkeypatch, caplog):
    """A program of more than two replicas runs out of memory once it has trained a while."""
    whole = refit(build, data, seeds=range(9), validation_data=data)
    advance = Program.advance

    def short_of_memory(program, state, run, first, last):
        if program.form.width > 2 and first:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        return advance(program, state, run, first, last)

    monkeypatch.setattr(Program, "advance", short_of_memory)
    halved = refit(build, data, seeds=range(9), validation_data=data)
    assert "out of memory with 8 seeds in one program; going on with 4" in caplog.text
    assert "going on with 2" in caplog.text
    for name in whole.history:
        np.testing.assert_allclose(whole.history[name], halved.history[name], rtol=1e-5)
    monkeypatch.setattr(Program, "advance", lambda *arguments: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError, match="does not hold the training of one seed"):
        refit(build, data)


def test_an_interruption_ends_all_shards(build, data):
    def interrupt(progress):
        if progress.epochs_done > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refit(build, data, seeds=range(30), epochs=10**6, progress=interrupt)


def test_progress_tells_epochs_and_seeds_a_second(build, data):
    told = []
    refit(build, data, epochs=4000, seeds=range(16), progress=told.append)
    assert told[-1].epochs_done == 4000
    assert told[-1].seeds_a_second > 0
    assert [p.epochs_done for p in told] == sorted(p.epochs_done for p in told)


def save(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' writer uses what numpy deprecates, and warns of code in the file
        model.save(path)


def test_model_from_a_file_is_built_anew_for_each_seed(tmp_path, data, build):
    save(build(), tmp_path / "model.keras")
    from_file = refit(tmp_path / "model.keras", data)
    assert all((a == b).all() for a, b in zip(from_file.weights, refit(build, data).weights, strict=True))
    (tmp_path / "not.keras").write_bytes(b"no model")
    for path in (tmp_path / "none.keras", tmp_path / "not.keras"):
        with pytest.raises(ValueError, match=r"a model must be a \.keras file"):
            refit(path, data)


def test_model_file_with_code_in_it_is_refused(tmp_path, data):
    model = keras.Sequential([keras.Input((2,)), L.Lambda(lambda x: x * 2), L.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    save(model, tmp_path / "code.keras")
    with pytest.raises(ValueError, match=r"(?i)unsafe|safe_mode"):
        refit(tmp_path / "code.keras", data)


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


def test_width_follows_the_memory(build, data):
    from noiseflow.training.capacity import width_of

    captured = {}

    def keep(problem):
        captured["problem"] = problem
        return train(problem)

    train = vectorized.train
    vectorized_train, vectorized.train = vectorized.train, keep
    try:
        refit(build, data, engine="auto")
    finally:
        vectorized.train = vectorized_train
    model, problem = build(), captured["problem"]
    assert width_of(model, problem, "/CPU:0", memory=10**12) == 8
    assert width_of(model, problem, "/CPU:0", memory=1_000) < 8
    assert width_of(model, problem, "/GPU:0", memory=10**12) == 64


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
