"""That every layer, loss, metric and optimizer that the vectorised engine is for runs on it, and as `Model.fit` does."""

import re
import warnings
from functools import cache

import keras
import numpy as np
import pytest

from noiseflow import fit_seeds
from tests.engine.test_twins import ACTIVATIONS
from tests.series import series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
L = keras.layers
ROWS = 12

IMAGE, SEQUENCE, SHORT, VECTOR = (6, 6, 2), (6, 3), (4, 3), (5,)
OF_ONE_SHAPE = [*(name for name in ACTIVATIONS if name != "glu"), "sparsemax"]
DETERMINISTIC = {  # layers that follow each other, by name; those of one shape train as branches of one model
    "vectors": (
        VECTOR,
        {
            "Dense": [L.Dense(4, activation="gelu")],
            "BatchNormalization": [L.Dense(4), L.BatchNormalization(), L.Activation("relu")],
            "LayerNormalization": [L.Dense(4), L.LayerNormalization()],
            "PReLU": [L.Dense(4), L.PReLU()],
            "regularizers": [L.Dense(4, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2")],
            "constraint": [L.Dense(4, kernel_constraint=keras.constraints.MaxNorm(0.5))],
            "frozen": [L.Dense(4, trainable=False), L.Dense(3)],
        },
    ),
    "images": (
        IMAGE,
        {
            "Conv2D": [L.Conv2D(4, 3, activation="relu")],
            "Conv2D same strides": [L.Conv2D(4, 3, strides=2, padding="same")],
            "DepthwiseConv2D": [L.DepthwiseConv2D(3)],
            "MaxPooling2D": [L.Conv2D(2, 1), L.MaxPooling2D(2)],
            "AveragePooling2D": [L.Conv2D(2, 1), L.AveragePooling2D(2)],
            "GlobalMaxPooling2D": [L.Conv2D(2, 1), L.GlobalMaxPooling2D()],
            "GlobalAveragePooling2D": [L.Conv2D(2, 1), L.GlobalAveragePooling2D()],
        },
    ),
    "sequences": (
        SEQUENCE,
        {
            "Conv1D": [L.Conv1D(4, 3, activation="relu")],
            "MaxPooling1D": [L.Dense(2), L.MaxPooling1D(2)],
            "AveragePooling1D": [L.Dense(2), L.AveragePooling1D(2)],
            "GlobalAveragePooling1D": [L.Dense(2), L.GlobalAveragePooling1D()],
            "Reshape": [L.Reshape((3, 6))],
        },
    ),
    "recurrent": (
        SHORT,
        {"GRU": [L.GRU(4)], "SimpleRNN": [L.SimpleRNN(4)]},
    ),  # LSTM: test_exactness.py, and more in the examples
    "activations": (VECTOR, {name: [L.Dense(4), L.Activation(name)] for name in OF_ONE_SHAPE}),
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
    return model_of_branches({"tested": layers}, shape, optimizer)


def model_of_branches(branches, shape, optimizer="sgd"):
    """Each branch sees the inputs, and the head all that they give."""
    prefixes = {name: re.sub(r"\W", "_", name).lower() for name in branches}
    configs = {
        prefixes[name]: [
            (type(layer), layer.get_config() | {"name": f"{prefixes[name]}_{i}"}) for i, layer in enumerate(layers)
        ]
        for name, layers in branches.items()
    }

    def build():
        inputs, ends = keras.Input(shape), []
        for made in configs.values():
            x = inputs
            for kind, config in made:
                x = kind.from_config(config)(x)
            ends.append(L.Flatten()(x))
        x = L.Concatenate()(ends) if len(ends) > 1 else ends[0]
        model = keras.Model(inputs, L.Dense(1, name="head")(x))
        model.compile(loss="mse", optimizer=optimizer() if callable(optimizer) else optimizer, metrics=["mae"])
        return model

    return build


def both(build, x, y, **changes):
    """Fits of the two engines, two steps an epoch: a last smaller one would be compiled too."""
    arguments = {"seeds": [3, 4], "epochs": 3, "batch_size": 6, "shuffle": False, "validation_data": (x, y), **changes}
    return [fit_seeds(build, x, y, engine=engine, **arguments) for engine in ("vectorized", "reference")]


def assert_equal(ours, theirs, tolerance=2e-5):
    assert ours.engine == "vectorized"
    for name, expected in theirs.history.items():
        np.testing.assert_allclose(ours.history[name], expected, rtol=tolerance, atol=tolerance, err_msg=name)
    for mine, expected in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=20 * tolerance, atol=20 * tolerance)


@pytest.mark.parametrize("name", series(DETERMINISTIC, ["vectors", "images", "sequences"]))  # the others: test_twins.py
def test_layers_train_as_in_model_fit(name):
    shape, branches = DETERMINISTIC[name]
    x, y = rows(shape)
    ours, theirs = both(model_of_branches(branches, shape), x, y, batch_size=5 if name == "vectors" else 6)
    assert_equal(ours, theirs)
    np.testing.assert_allclose(ours.predict(x)[1], ours.to_keras(4).predict(x, verbose=0), atol=1e-5)


def two_epochs(layers, shape):
    return fit_seeds(model_of(layers, shape), *rows(shape), seeds=[3, 4], epochs=2, engine="vectorized")


@cache
def clean(shape):
    return two_epochs([], shape)


@pytest.mark.parametrize("name", series(RANDOM, ["SpatialDropout1D"]))
def test_random_layer_trains_with_numbers_of_its_own(name):
    """The loss of the first step is that of another draw, and equal for equal seeds only."""
    shape, layers = RANDOM[name]
    first, again = (two_epochs(layers, shape) for _ in "ab")
    assert (first.history["loss"] == again.history["loss"]).all()
    assert (first.history["loss"] != clean(shape).history["loss"]).all()


OFTEN = ["schedule", "AdamW", "global_clipnorm", "Muon"]
"""Of each kind one: a schedule, slots and decay, all weights together, matrices. `proof.py` tries any at each fit."""


@pytest.mark.parametrize("name", series(OPTIMIZERS, OFTEN))
def test_optimizer_trains_as_in_model_fit(name):
    """Seeds whose weights differ in scale show whether one seed's update depends on another's."""

    def build():
        model = model_of([L.Dense(4)], VECTOR, OPTIMIZERS[name])()
        kernel, *others = model.get_weights()
        model.set_weights([kernel * 30 * abs(kernel).max(), *others])
        return model

    assert_equal(*both(build, *rows(VECTOR)), tolerance=1e-4)


@pytest.mark.parametrize(
    ("name", "weighted"),
    series(
        [*((name, True) for name in LOSSES), ("categorical", False)],
        [("binary", True), ("mse", True), ("categorical", False)],
    ),
)
def test_loss_and_metrics_are_those_of_model_fit(name, weighted):
    """Weights reach the loss and the weighted metrics, and leave the others alone."""
    units, activation, loss, metrics, kind = LOSSES[name]

    def build():
        model = keras.Sequential([keras.Input(VECTOR), L.Dense(units, activation=activation)])
        made = [
            [m if isinstance(m, str) else m(name=f"{given}_made") for m in metrics] for given in ("plain", "weighted")
        ]
        model.compile(loss=loss, optimizer="sgd", metrics=made[0], weighted_metrics=made[1] if weighted else None)
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


@pytest.mark.parametrize("optimizer", series(["sgd", "adam", "rmsprop", "adagrad"], ["adam"]))
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
    assert_equal(*both(build, {"one": x[:, :3], "two": x[:, 3:]}, [y, y**2]))


def test_no_fit_of_these_warns():
    """`auto` is the vectorised engine for what stands in the tables above."""
    shape, branches = DETERMINISTIC["vectors"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_seeds(model_of_branches(branches, shape), *rows(shape), seeds=[1]).engine == "vectorized"
