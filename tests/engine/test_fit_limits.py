"""What `fit_seeds` does where an engine cannot, where memory runs out, and with models from files."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from linear_fits import build_linear, linear, refit, rows

import noiseflow
from noiseflow.engine import vectorized
from noiseflow.engine.program import Program

L = keras.layers


@pytest.fixture
def build():
    return build_linear


@pytest.fixture
def data(rng):
    return rows(rng)


class Folded(keras.layers.Layer):
    """A layer that TensorFlow cannot vectorise."""

    def call(self, inputs):
        outputs = tf.numpy_function(lambda x: x, [inputs], inputs.dtype)
        outputs.set_shape(inputs.shape)
        return outputs

    def compute_output_shape(self, input_shape):
        return input_shape


class Gamma(keras.layers.Layer):
    """Draws numbers that have no form for replicas."""

    def call(self, inputs):
        return inputs * keras.random.gamma((1,), 1.0)


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


class OwnFit(keras.Model):
    def fit(self, x, *arguments, **named):
        return super().fit(x / 2, *arguments, **named)


class OwnEvaluate(keras.Model):
    """Measures half of the inputs."""

    def evaluate(self, x=None, y=None, **named):
        return super().evaluate(x / 2, y, **named)


def model_of(kind):
    def build():
        inputs = keras.Input((2,))
        model = kind(inputs, L.Dense(1)(inputs))
        model.compile(loss="mse", optimizer="sgd")
        return model

    return build


UNVECTORIZABLE = {
    "a layer in Python": (
        linear(layers=[lambda: Folded(name="folded")]),
        r"layer 'folded' \(Folded\) does not vectorise",
    ),
    "a distribution of its own": (linear(layers=[lambda: Gamma(name="gamma")]), r"keras.random.gamma"),
    "a train_step": (model_of(OwnStep), "OwnStep has its own train_step"),
    "a fit": (model_of(OwnFit), "OwnFit has its own fit"),
    "an evaluate": (model_of(OwnEvaluate), "OwnEvaluate has its own evaluate"),
    "run_eagerly": (linear(run_eagerly=True), "run_eagerly=True"),
    "gradient accumulation": (
        linear(keras.optimizers.SGD(gradient_accumulation_steps=2)),
        "gradient_accumulation_steps",
    ),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 8}, r"For so many: seeds=range\(8\)"),
        ({"build_model": None}, "must be a function that returns a compiled model"),
        ({"noise": {"place": "input", "stddev": 0.1}}, "noise must be a list of noiseflow.Injection"),
        ({"noise": noiseflow.Injection(place="input", stddev=0.1)}, "noise must be a list of noiseflow.Injection"),
        ({"controls": ["l2"]}, "controls must be a list of noiseflow.Control"),
    ],
)
def test_what_people_give_in_place_of_a_list_or_a_function_is_refused_with_what_to_write(build, data, changes, message):
    arguments = {"build_model": build, "seeds": [0]} | changes
    arguments["build_model"] = arguments["build_model"] or build()
    with pytest.raises(TypeError, match=message):
        noiseflow.fit_seeds(arguments.pop("build_model"), *data, **arguments)


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


def test_reference_measures_as_a_model_with_its_own_evaluate_does(data):
    x, y = data
    own = refit(model_of(OwnEvaluate), data, engine="reference", epochs=2, seeds=[1], validation_data=(x, y))
    plain = refit(model_of(keras.Model), data, engine="reference", epochs=2, seeds=[1], validation_data=(x / 2, y))
    np.testing.assert_allclose(own.history["val_loss"], plain.history["val_loss"], rtol=1e-6)


def test_auto_is_vectorized_where_it_can(build, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refit(build, data, engine="auto").engine == "vectorized"


def test_device_gpu_without_one_says_what_to_do(build, data):
    with pytest.raises(RuntimeError, match=r"TensorFlow sees none .* pip install -e '\.\[gpu\]'"):
        refit(build, data, device="gpu")


@pytest.mark.slow
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


def test_width_follows_the_memory(build, data):
    from noiseflow.engine.capacity import width_of

    captured = {}

    def keep(problem, **more):
        captured["problem"] = problem
        return train(problem, **more)

    train = vectorized.train
    vectorized_train, vectorized.train = vectorized.train, keep
    try:
        refit(build, data, engine="auto")
    finally:
        vectorized.train = vectorized_train
    model, problem = build(), captured["problem"]
    assert width_of(model, 100, problem, "/CPU:0", memory=10**12) == 8
    assert width_of(model, 100, problem, "/CPU:0", memory=1_000) < 8
    assert width_of(model, 100, problem, "/GPU:0", memory=10**12) == 64
