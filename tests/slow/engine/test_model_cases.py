"""Models as people write them, each against `Model.fit` from the same seed: bug reports, published scripts, examples."""

import re
import warnings

import keras
import numpy as np
import pytest

from noiseflow import Injection, fit_seeds
from noiseflow.noise import hidden_activations
from tests.series import series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
L = keras.layers
N, STEPS = 48, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 6)).astype("float32")
Y = X[:, :1]
SEQUENCES = RNG.normal(size=(N, STEPS, 3)).astype("float32")
SEQUENCES[::2, 4:] = 0
WORDS = RNG.integers(1, 20, (N, STEPS))
WORDS[::2, 4:] = 0
TABLE = RNG.normal(50, 20, size=(N, 6)).astype("float32")


def compiled(model, optimizer="adam", loss="mse", **more):
    model.compile(optimizer, loss, **more)
    return model


def sequential(*layers, shape=(6,), dtype=None, **more):
    return compiled(keras.Sequential([keras.Input(shape, dtype=dtype), *layers]), **more)


def masking():
    return sequential(L.Masking(0.0), L.LSTM(6), L.Dense(1), shape=(STEPS, 3))


def mask_zero():
    return sequential(
        L.Embedding(20, 4, mask_zero=True), L.Bidirectional(L.LSTM(5)), L.Dense(1), shape=(STEPS,), dtype="int32"
    )


def embedding_under_adam():
    return sequential(L.Embedding(20, 4), L.Flatten(), L.Dense(1), shape=(STEPS,), dtype="int32")


def operations():
    i = keras.Input((6,))
    h = L.Dense(6, "relu")(i[:, :6])
    return compiled(keras.Model(i, L.Dense(1)(keras.ops.abs(h + i) * 0.5 - i / 3.0)))


def normalization():
    norm = L.Normalization()
    norm.adapt(TABLE)
    return sequential(norm, L.Dense(8, "relu"), L.Dense(1))


def activity_regularizer():
    return sequential(L.Dense(8, "relu", activity_regularizer=keras.regularizers.L1(0.1)), L.Dense(1))


class Scale(L.Layer):
    """Forgets its arguments: no get_config, no **kwargs."""

    def __init__(self, units, factor=1.0):
        super().__init__()
        self.inner, self.factor = L.Dense(units), factor

    def call(self, x):
        return self.factor * self.inner(x)


def no_get_config():
    return sequential(Scale(3, factor=2.5), L.Dense(1))


class DenseTranspose(L.Layer):
    """Holds another layer."""

    def __init__(self, dense, **kwargs):
        super().__init__(**kwargs)
        self.dense = dense

    def build(self, _):
        self.b = self.add_weight(shape=(self.dense.kernel.shape[0],), initializer="zeros")

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.dense.kernel)) + self.b


def tied_weights():
    dense, i = L.Dense(3, "relu"), keras.Input((6,))
    return compiled(keras.Model(i, DenseTranspose(dense)(dense(i))))


def lambda_layer():
    i = keras.Input((6,))
    return compiled(keras.Model(i, L.Dense(1)(L.Lambda(lambda t: t * keras.ops.sigmoid(t))(L.Dense(8)(i)))))


def unbuilt():
    return compiled(keras.Sequential([L.GaussianNoise(0.0), L.Dense(8, "relu"), L.Dense(1)]))


def nested():
    encoder = keras.Sequential([keras.Input((6,)), L.Dense(8, "relu"), L.Dense(4, "relu")])
    i = keras.Input((6,))
    return compiled(keras.Model(i, L.Dense(1)(L.Dense(4, "relu", name="top")(encoder(i)))))


class Growing(keras.optimizers.schedules.LearningRateSchedule):
    """No get_config."""

    def __call__(self, step):
        return 0.01 * (1.0 + 0.1 * keras.ops.cast(step, "float32"))


def own_schedule():
    return sequential(L.Dense(8, "relu"), L.Dense(1), optimizer=keras.optimizers.SGD(Growing()))


def excluded_from_decay():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return sequential(
        L.Dense(8, "relu", bias_initializer="ones"), L.Dense(1, bias_initializer="ones"), optimizer=optimizer
    )


def excluded_variables():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    model = sequential(L.Dense(8, "relu"), L.Dense(1), optimizer=optimizer)
    optimizer.exclude_from_weight_decay(var_list=[model.layers[0].kernel])
    return model


def branches():
    i = keras.Input((6,))
    a, b = L.Dense(6, "relu", name="left")(i), L.Dense(6, name="right")(i)
    return compiled(keras.Model(i, L.Dense(1)(L.Subtract()([a, b]))))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = L.Dense(8, "relu"), L.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))


def subclassed():
    return compiled(Subclassed())


def batchwise(y, p):
    """A loss and a metric that is no mean over rows."""
    return keras.ops.max(keras.ops.abs(y - p))


def metric_of_batches():
    return sequential(L.Dense(1), metrics=[batchwise])


CASES = {
    "masking": (masking, SEQUENCES),
    "mask_zero": (mask_zero, WORDS),
    "embedding under adam": (embedding_under_adam, WORDS),
    "operations": (operations, X),
    "normalization": (normalization, TABLE),
    "activity regularizer": (activity_regularizer, X),
    "no get_config": (no_get_config, X),
    "tied weights": (tied_weights, X),
    "lambda": (lambda_layer, X),
    "unbuilt": (unbuilt, X),
    "nested": (nested, X),
    "own schedule": (own_schedule, X),
    "excluded from decay": (excluded_from_decay, X),
    "excluded variables": (excluded_variables, X),
    "branches": (branches, X),
    "subclassed": (subclassed, X),
    "metric of batches": (metric_of_batches, X),
}
SETTINGS = {"epochs": 3, "batch_size": 16, "shuffle": False}


def by_keras(build, x, y, seed, **more):
    keras.utils.set_random_seed(seed)
    model = build()
    model.run_eagerly = True
    return model.fit(x, y, verbose=0, **SETTINGS, **more).history


def assert_as_keras(build, x, y=None, tolerance=1e-3, **more):
    y = Y if y is None else y
    done = fit_seeds(build, x, y, seeds=[0, 1], **SETTINGS, **more)
    for row, seed in enumerate(done.seeds):
        history = by_keras(
            build, x, y, seed, **{k: v for k, v in more.items() if k in ("validation_data", "class_weight")}
        )
        named = {
            re.sub(r"_\d+$", "", name): values for name, values in history.items()
        }  # Keras counts on from build to build
        for name in done.history:
            np.testing.assert_allclose(done.history[name][row], named[name], rtol=tolerance, atol=1e-6, err_msg=name)
    return done


EACH_TIME = [
    "mask_zero",
    "operations",
    "activity regularizer",
    "tied weights",
    "nested",
    "excluded from decay",
    "subclassed",
]
"""Of each kind one: masks, slices, losses of layers, shared weights, models in models, optimizers with lists, own classes."""


@pytest.mark.parametrize("name", series(CASES, EACH_TIME))
def test_model_trains_as_in_model_fit_and_all_seeds_at_once(name):
    build, x = CASES[name]
    y = x if name == "tied weights" else Y
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no fallback
        done = assert_as_keras(build, x, y, validation_data=(x[:20], y[:20]))
    assert done.engine == "vectorized"
    assert done.proof.differences
    np.testing.assert_allclose(done.predict(x)[1], done.to_keras(1).predict(x, verbose=0), rtol=1e-4, atol=1e-4)


SILENT = {
    "normalization": "input",
    "activity regularizer": "before_activation",
    "branches": "after:left",
    "nested": "before_activation",
    "subclassed": "after_activation",
}


@pytest.mark.parametrize("engine", series(["vectorized", "reference"], ["vectorized"]))
@pytest.mark.parametrize("name", series(SILENT, ["activity regularizer", "subclassed"]))
def test_noise_that_is_next_to_none_leaves_the_model_as_it_is(name, engine):
    build, x = CASES[name]
    noise = [Injection(place=SILENT[name], stddev=1e-12)]
    assert_as_keras(build, x, noise=noise, engine=engine)


def test_noise_reaches_the_hidden_layers_of_nested_models():
    assert len(hidden_activations(nested())) == 3
    done = fit_seeds(nested, X, Y, seeds=[0], noise=[Injection(place="before_activation", stddev=0.5)], **SETTINGS)
    assert done.signal_to_noise.shape == (1, 1)


def word_model(dtype):
    return lambda: sequential(L.Embedding(20, 4), L.GlobalAveragePooling1D(), L.Dense(1), shape=(STEPS,), dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_input_noise_on_words_is_refused_with_the_place_to_take_instead(dtype):
    with pytest.raises(ValueError, match="after:embedding"):
        fit_seeds(word_model(dtype), WORDS, Y, seeds=[0], noise=[Injection(place="input", stddev=0.3)])


def test_dict_inputs_are_never_swapped_and_predict_takes_them():
    x = {"fare": X[:, 0], "age": 3.0 * X[:, 1]}

    def build():
        a, f = keras.Input((1,), name="age"), keras.Input((1,), name="fare")
        hidden = L.Dense(4, "relu")(L.Concatenate()([a, f]))
        return compiled(keras.Model({"age": a, "fare": f}, L.Dense(1)(hidden)))

    done = assert_as_keras(build, x)
    assert done.predict(x).shape == (2, N, 1)
    np.testing.assert_allclose(done.predict(x)[0], done.to_keras(0).predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def two_outputs():
    i = keras.Input((6,))
    return compiled(keras.Model(i, [L.Dense(1, name="a")(i), L.Dense(1, name="b")(i)]), "sgd", ["mse", "mae"])


def test_sample_weights_of_each_output_by_list_and_by_name():
    w = np.linspace(0.1, 2, N)
    arguments = {"seeds": [0], **SETTINGS}
    listed = fit_seeds(two_outputs, X, [Y, Y], sample_weight=[w, w[::-1]], **arguments)
    named = fit_seeds(two_outputs, X, [Y, Y], sample_weight={"b": w[::-1], "a": w}, **arguments)
    keras.utils.set_random_seed(0)
    expected = two_outputs().fit(X, [Y, Y], sample_weight=[w, w[::-1]], verbose=0, **SETTINGS).history["loss"]
    for done in (listed, named):
        np.testing.assert_allclose(done.history["loss"][0], expected, rtol=1e-5)


def classifier():
    metrics = [keras.metrics.AUC(), keras.metrics.Precision()]
    return sequential(
        L.Dense(4, "relu"), L.Dense(1, "sigmoid"), optimizer="sgd", loss="binary_crossentropy", metrics=metrics
    )


LABELS = (Y > 0).astype("float32")


@pytest.mark.parametrize("engine", series(["vectorized", "reference"], ["vectorized"]))
@pytest.mark.parametrize("time", ["first", "second"])
def test_metrics_without_names_have_keras_names(engine, time):
    assert time
    done = fit_seeds(classifier, X, LABELS, seeds=[0, 1], batch_size=16, engine=engine, validation_data=(X, LABELS))
    assert sorted(done.history) == ["auc", "loss", "precision", "val_auc", "val_loss", "val_precision"]


def test_class_weight_is_keras_own():
    assert_as_keras(classifier, X, LABELS, class_weight={0: 1.0, 1: 5.0})
    with pytest.raises(ValueError, match="not be given both"):
        fit_seeds(classifier, X, LABELS, seeds=[0], class_weight={0: 2}, sample_weight=np.ones(N))


CALLBACKS = {
    "early stopping and a schedule": lambda: [
        keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
    ],
    "plateau": lambda: [keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.1)],
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_do_to_each_seed_what_they_do_in_model_fit(name):
    def build():
        return sequential(L.Dense(32, "relu"), L.Dense(1), optimizer=keras.optimizers.Adam(0.05), metrics=["mae"])

    y = Y + np.random.default_rng(3).normal(size=Y.shape)
    more = {"epochs": 12, "batch_size": 12, "shuffle": False, "validation_split": 0.25}
    done = fit_seeds(build, X, y, seeds=[0, 1], callbacks=CALLBACKS[name](), engine="vectorized", **more)
    for row, seed in enumerate(done.seeds):
        keras.utils.set_random_seed(seed)
        model = build()
        model.run_eagerly = True  # two graphs a model take longer
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras reads the learning rate in a way that numpy deprecates
            history = model.fit(X, y, verbose=0, callbacks=CALLBACKS[name](), **more).history
        n = len(history["loss"])
        assert done.epochs_trained[row] == n
        assert (n < 12) == ("early stopping" in name)
        for quantity in done.history:
            np.testing.assert_allclose(done.history[quantity][row, :n], history[quantity], rtol=1e-3)
        for ours, theirs in zip(done.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours[row], theirs, atol=1e-3)


def test_callback_that_looks_at_batches_falls_back_with_its_name():
    with pytest.warns(UserWarning, match="TerminateOnNaN"):
        assert (
            fit_seeds(operations, X, Y, seeds=[0], callbacks=[keras.callbacks.TerminateOnNaN()]).engine == "reference"
        )


def test_datasets_of_batches_train_as_their_rows():
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((X, Y))
    expected = by_keras(operations, X, Y, 0)["loss"]
    done = fit_seeds(operations, rows.batch(16), seeds=[0], epochs=3, validation_data=rows.batch(8))
    np.testing.assert_allclose(done.history["loss"][0], expected, rtol=1e-4)
    assert done.history["val_loss"].shape == (1, 3)
    shuffled = fit_seeds(operations, rows.shuffle(N).batch(16), seeds=[0], epochs=3)
    assert abs(shuffled.history["loss"][0] - done.history["loss"][0]).max() > 1e-6
    moving = rows.map(
        lambda x, y: (x + tf.numpy_function(lambda: RNG.normal(size=6).astype("float32"), [], tf.float32), y)
    )
    for bad, message in ((rows.batch(16).repeat(), "repeats for ever"), (moving.batch(16), "rows that change")):
        with pytest.raises(ValueError, match=message):
            fit_seeds(operations, bad, seeds=[0])


@pytest.mark.parametrize(
    ("build", "x", "message"),
    [
        (lambda: keras.Sequential([keras.Input((6,)), L.Dense(1)]), X, "compiled model; received one that is not"),
        (lambda: sequential(L.Dense(1), loss=None), X, "(?i)no loss"),
        (operations, X[:, :3], r"received samples of shape \(3,\)"),
        (lambda: "model", X, "must return a keras.Model; received str"),
    ],
)
def test_model_that_cannot_be_trained_is_refused_in_one_sentence(build, x, message):
    with pytest.raises(ValueError, match=message):
        fit_seeds(build, x, Y, seeds=[0])


class Sampling(L.Layer):
    """As in a variational autoencoder: random in training and in inference."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + 0.5 * keras.random.normal(keras.ops.shape(x), seed=self.generator)


def test_randomness_of_custom_layers_vectorises_and_repeats():
    def build():
        return sequential(L.Dense(4, "relu"), Sampling(), L.Dropout(0.2), L.Dense(1))

    first, again = (fit_seeds(build, X, Y, seeds=[0, 1], validation_data=(X, Y), **SETTINGS) for _ in "ab")
    assert first.engine == "vectorized"
    assert (first.history["val_loss"] == again.history["val_loss"]).all()
    assert (first.history["val_loss"][0] != first.history["val_loss"][1]).all()
    assert (first.predict(X) == first.predict(X)).all()


def test_dropout_inside_a_recurrent_layer_vectorises():
    def build():
        return sequential(L.SimpleRNN(4, dropout=0.3, recurrent_dropout=0.2), L.Dense(1), shape=(STEPS, 3))

    first, again = (fit_seeds(build, SEQUENCES, Y, seeds=[0, 1], **SETTINGS) for _ in "ab")
    assert first.engine == "vectorized"
    assert (first.history["loss"] == again.history["loss"]).all()
