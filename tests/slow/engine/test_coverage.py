"""That every layer, loss, metric and optimizer that the vectorised engine is for runs on it, and as `Model.fit` does."""

import warnings

import keras
import numpy as np
import pytest

from noiseflow import fit_seeds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
L = keras.layers
ROWS = 12

IMAGE, SEQUENCE, VECTOR = (6, 6, 2), (6, 3), (5,)
DETERMINISTIC = {
    "Dense": (VECTOR, [L.Dense(4, activation="gelu")]),
    "Conv1D": (SEQUENCE, [L.Conv1D(4, 3, activation="relu")]),
    "Conv2D": (IMAGE, [L.Conv2D(4, 3, activation="relu")]),
    "Conv2D same strides": (IMAGE, [L.Conv2D(4, 3, strides=2, padding="same")]),
    "DepthwiseConv2D": (IMAGE, [L.DepthwiseConv2D(3)]),
    "MaxPooling1D": (SEQUENCE, [L.MaxPooling1D(2)]),
    "MaxPooling2D": (IMAGE, [L.MaxPooling2D(2)]),
    "AveragePooling1D": (SEQUENCE, [L.AveragePooling1D(2)]),
    "AveragePooling2D": (IMAGE, [L.AveragePooling2D(2)]),
    "GlobalMaxPooling2D": (IMAGE, [L.GlobalMaxPooling2D()]),
    "GlobalAveragePooling1D": (SEQUENCE, [L.GlobalAveragePooling1D()]),
    "GlobalAveragePooling2D": (IMAGE, [L.GlobalAveragePooling2D()]),
    "Reshape": (SEQUENCE, [L.Reshape((3, 6))]),
    "LSTM": (SEQUENCE, [L.LSTM(4)]),
    "GRU": (SEQUENCE, [L.GRU(4)]),
    "SimpleRNN": (SEQUENCE, [L.SimpleRNN(4)]),
    "Bidirectional": (SEQUENCE, [L.Bidirectional(L.LSTM(3, return_sequences=True))]),
    "BatchNormalization": (VECTOR, [L.Dense(4), L.BatchNormalization(), L.Activation("relu")]),
    "LayerNormalization": (VECTOR, [L.Dense(4), L.LayerNormalization()]),
    "PReLU": (VECTOR, [L.Dense(4), L.PReLU()]),
    "regularizers": (VECTOR, [L.Dense(4, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2")]),
    "constraint": (VECTOR, [L.Dense(4, kernel_constraint=keras.constraints.MaxNorm(0.5))]),
    "frozen": (VECTOR, [L.Dense(4, trainable=False), L.Dense(3)]),
}
RANDOM = {
    "GaussianNoise": (VECTOR, [L.GaussianNoise(0.3)]),
    "GaussianDropout": (VECTOR, [L.GaussianDropout(0.3)]),
    "Dropout": (VECTOR, [L.Dropout(0.3)]),
    "SpatialDropout1D": (SEQUENCE, [L.SpatialDropout1D(0.3)]),
    "SpatialDropout2D": (IMAGE, [L.SpatialDropout2D(0.3)]),
    "AlphaDropout": (VECTOR, [L.AlphaDropout(0.3)]),
}
OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10, warmup_steps=3)),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.01, centered=True, momentum=0.5),
    "Adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "Adamax": lambda: keras.optimizers.Adamax(0.01),
    "Nadam": lambda: keras.optimizers.Nadam(0.01),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "Adadelta": lambda: keras.optimizers.Adadelta(0.5),
    "Ftrl": lambda: keras.optimizers.Ftrl(0.1),
    "Lion": lambda: keras.optimizers.Lion(0.01),
    "clipnorm": lambda: keras.optimizers.Adam(0.01, clipnorm=0.05),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.5, global_clipnorm=0.05),
    "clipvalue": lambda: keras.optimizers.SGD(0.5, clipvalue=0.01),
    "Lamb": lambda: keras.optimizers.Lamb(0.01),
    "Adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "Muon": lambda: keras.optimizers.Muon(0.01),
}
LOSSES = {  # units of the output, its activation, loss, metrics, y
    "binary": (1, "sigmoid", "binary_crossentropy", ["accuracy", keras.metrics.AUC], "binary"),
    "binary logits": (1, None, keras.losses.BinaryCrossentropy(from_logits=True), ["mae"], "binary"),
    "categorical": (3, "softmax", "categorical_crossentropy", ["accuracy"], "one hot"),
    "sparse": (3, "softmax", "sparse_categorical_crossentropy", ["accuracy"], "classes"),
    "mse": (1, None, "mse", ["mae", keras.metrics.R2Score], "reals"),
    "mae": (1, None, "mae", ["mse"], "reals"),
    "huber": (1, None, "huber", [keras.metrics.RootMeanSquaredError], "reals"),
}


def rows(shape, kind="reals"):
    rng = np.random.default_rng(5)
    classes = rng.integers(0, 2 if kind == "binary" else 3, ROWS)
    y = {"reals": rng.normal(size=(ROWS, 1)), "one hot": np.eye(3)[classes % 3], "binary": classes[:, None] * 1.0}
    return rng.normal(size=(ROWS, *shape)), y.get(kind, classes)


def model_of(layers, shape, optimizer="sgd"):
    """A function that builds the model, each layer anew; with a head that takes whatever they give."""
    configs = [(type(layer), layer.get_config() | {"name": f"tested_{i}"}) for i, layer in enumerate(layers)]

    def build():
        body = [kind.from_config(config) for kind, config in configs]
        head = [L.Flatten(), L.Dense(1, name="head")]
        model = keras.Sequential([keras.Input(shape), *body, *head])
        model.compile(loss="mse", optimizer=optimizer() if callable(optimizer) else optimizer, metrics=["mae"])
        return model

    return build


def both(build, x, y, **changes):
    """Fits of the two engines, three steps an epoch with a last smaller one."""
    arguments = {"seeds": [3, 4], "epochs": 3, "batch_size": 5, "shuffle": False, "validation_data": (x, y), **changes}
    return [fit_seeds(build, x, y, engine=engine, **arguments) for engine in ("vectorized", "reference")]


def assert_equal(ours, theirs, tolerance=2e-5):
    assert ours.engine == "vectorized"
    for name, expected in theirs.history.items():
        np.testing.assert_allclose(ours.history[name], expected, rtol=tolerance, atol=tolerance, err_msg=name)
    for mine, expected in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=20 * tolerance, atol=20 * tolerance)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_layer_trains_as_in_model_fit(name):
    shape, layers = DETERMINISTIC[name]
    x, y = rows(shape)
    ours, theirs = both(model_of(layers, shape), x, y)
    assert_equal(ours, theirs)
    np.testing.assert_allclose(ours.predict(x)[1], ours.to_keras(4).predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("name", RANDOM)
def test_random_layer_trains_with_numbers_of_its_own(name):
    """The loss of the first step is that of another draw, and equal for equal seeds only."""
    shape, layers = RANDOM[name]
    x, y = rows(shape)
    first, again = (fit_seeds(model_of(layers, shape), x, y, seeds=[3, 4], epochs=2, engine="vectorized") for _ in "ab")
    clean = fit_seeds(model_of([], shape), x, y, seeds=[3, 4], epochs=2, engine="vectorized")
    assert (first.history["loss"] == again.history["loss"]).all()
    assert (first.history["loss"] != clean.history["loss"]).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_trains_as_in_model_fit(name):
    """Seeds whose weights differ in scale show whether one seed's update depends on another's."""

    def build():
        model = model_of([L.Dense(4)], VECTOR, OPTIMIZERS[name])()
        kernel, *others = model.get_weights()
        model.set_weights([kernel * 30 * abs(kernel).max(), *others])
        return model

    assert_equal(*both(build, *rows(VECTOR)), tolerance=1e-4)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_metrics_are_those_of_model_fit(name, weighted):
    units, activation, loss, metrics, kind = LOSSES[name]

    def build():
        model = keras.Sequential([keras.Input(VECTOR), L.Dense(units, activation=activation)])
        made = [metric if isinstance(metric, str) else metric(name="made") for metric in metrics]
        named = {"weighted_metrics" if weighted else "metrics": made}
        model.compile(loss=loss, optimizer="sgd", **named)
        return model

    weights = {"sample_weight": np.linspace(0.1, 3, ROWS)} if weighted else {}
    assert_equal(*both(build, *rows(VECTOR, kind), **weights))


TABLE = np.random.default_rng(2).normal(size=(9, 4))
WORDS = np.random.default_rng(1).integers(0, 9, (ROWS, 6))


def embedding(optimizer):
    def build():
        inputs = keras.Input((6,), dtype="int32")
        model = keras.Model(inputs, L.Dense(1, kernel_initializer="ones")(L.Flatten()(L.Embedding(9, 4)(inputs))))
        model.layers[1].set_weights([TABLE])
        model.compile(loss="mse", optimizer=optimizer)
        return model

    return build


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adagrad"])
def test_embedding_trains_as_in_model_fit(optimizer):
    """Words come more than once in a batch: Keras squares the gradients of one word one by one."""
    assert_equal(*both(embedding(optimizer), WORDS, rows(VECTOR)[1]))


def test_graph_with_branches_trains_as_in_model_fit():
    def build():
        inputs = keras.Input(VECTOR)
        a, b = L.Dense(4, activation="relu")(inputs), L.Dense(4)(inputs)
        x = L.Concatenate()([L.Add()([a, b]), a])
        model = keras.Model(inputs, L.Dense(1)(x))
        model.compile(loss="mse", optimizer="adam")
        return model

    assert_equal(*both(build, *rows(VECTOR)))


def test_model_of_two_inputs_and_two_outputs_trains_as_in_model_fit():
    def build():
        one, two = keras.Input((3,), name="one"), keras.Input((2,), name="two")
        x = L.Concatenate()([one, two])
        model = keras.Model({"one": one, "two": two}, [L.Dense(1, name="a")(x), L.Dense(1, name="b")(x)])
        model.compile(loss=["mse", "mae"], optimizer="sgd")
        return model

    x, y = rows(VECTOR)
    # batches of one size: Keras weights the batches of each output's own loss alike, whatever their size; here rows count
    assert_equal(*both(build, {"one": x[:, :3], "two": x[:, 3:]}, [y, y**2], batch_size=6))


@pytest.mark.parametrize(
    "activation",
    [
        "relu",
        "tanh",
        "elu",
        "selu",
        "softplus",
        "swish",
        "gelu",
        "mish",
        "hard_sigmoid",
        "leaky_relu",
        "relu6",
        "softsign",
        "exponential",
        "log_softmax",
        "softmax",
        "celu",
        "hard_tanh",
        "hard_shrink",
        "soft_shrink",
        "squareplus",
        "tanh_shrink",
        "sparse_plus",
        "sparse_sigmoid",
        "log_sigmoid",
        "sparsemax",
        "linear",
    ],
)
def test_activation_trains_as_in_model_fit(activation):
    assert_equal(*both(model_of([L.Dense(4), L.Activation(activation)], VECTOR), *rows(VECTOR)))


def test_no_fit_of_these_warns():
    """`auto` is the vectorised engine for what stands in the tables above."""
    shape, layers = DETERMINISTIC["BatchNormalization"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_seeds(model_of(layers, shape), *rows(shape), seeds=[1]).engine == "vectorized"
