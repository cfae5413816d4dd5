"""The networks that ship, and those of the user's: layers, outputs, initial weights, the score."""

import warnings

import keras
import numpy as np
import pytest

import noiseflow
from noiseflow.architectures import ARCHITECTURES, architecture_kind, entry_point
from noiseflow.architectures.builder import Builder
from noiseflow.engine.keras_state import build_seeded
from noiseflow.scores import SCORES as ALL_SCORES
from noiseflow.scores import OutputForm
from noiseflow.study import Architecture, Training

L = keras.layers
SHAPES = {"mlp": (4,), "cnn": (6, 5, 1), "lstm": (5, 2)}
SMALL = {"mlp": {"units": (3, 2)}, "cnn": {"filters": (2, 3)}, "lstm": {"units": (3, 2)}}
ALL = pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.name)
LAYERS = {
    "mlp": ["hidden_1", "hidden_2", "output"],
    "cnn": ["conv_1", "conv_2", "pool", "flatten", "output"],
    "lstm": ["lstm", "lstm_1", "activation", "output"],
}
SCORES = {
    n_classes: [s.column for s in ALL_SCORES if (s.task == "classification") == bool(n_classes)]
    for n_classes in (0, 2, 3)
}


@ALL
def test_architecture_has_all_its_parts(kind):
    """The contract of a kind: its settings and fields; layers that are built, counted and written as code alike."""
    assert kind.name.isidentifier()
    assert kind.sentence
    assert set(kind.settings) == set(kind.fields)
    for annotation, field in kind.fields.values():
        assert type(None) in annotation.__args__
        assert field.default is None
        assert field.description
        assert field.examples
    if kind.is_users_own:
        assert ... in kind.settings.values()
        return
    shape = tuple(range(5, 5 + len(kind.axes))) or (4,)
    architecture = Architecture(kind=kind.name, **SMALL[kind.name])
    model = builder(kind.name)()
    assert [layer.name for layer in kind.layers(architecture, SHAPES[kind.name])] == LAYERS[kind.name][:-1]
    for layer, built in zip(kind.layers(architecture, SHAPES[kind.name]), model.layers, strict=False):
        written = eval(layer.code(), {"keras": keras})  # noqa: S307 - code of ours
        assert written.get_config() | {"name": built.name} == built.get_config()
        assert all(hasattr(written, f"{kernel}_regularizer") for kernel in layer.kernels)
    kernels = [w for w in model.weights[:-2] if len(w.shape) > 1]
    assert kind.n_weights(architecture, kind.n_inputs(SHAPES[kind.name])) == sum(np.prod(w.shape) for w in kernels)
    multiply_adds, numbers = kind.cost(architecture, shape, 1)
    assert multiply_adds > numbers > 0
    assert kind.multiply_adds_a_second > 0
    assert kind.noise_after
    assert kind.source(architecture) is None


def test_fields_of_architectures_are_the_same_wherever_they_are():
    found = {}
    for kind in ARCHITECTURES:
        for name, field in kind.fields.items():
            assert found.setdefault(name, field) is field, f"{name} of {kind.name} differs from the others'"
    assert len({kind.name for kind in ARCHITECTURES}) == len(ARCHITECTURES)


def builder(kind="mlp", n_classes=2, score=None, **settings):
    architecture = Architecture(kind=kind, **(SMALL.get(kind, {}) | settings))
    return Builder(architecture, Training(), SHAPES.get(kind, (4,)), n_classes, score or SCORES[n_classes][0])


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    ("n_classes", "width", "activation", "loss"),
    [
        (2, 1, "sigmoid", "binary_crossentropy"),
        (3, 3, "softmax", "sparse_categorical_crossentropy"),
        (0, 1, "linear", "mean_squared_error"),
    ],
)
def test_builder_gives_layers_output_and_loss_that_fit(kind, n_classes, width, activation, loss):
    model = builder(kind, n_classes)()
    assert [layer.name for layer in model.layers] == LAYERS[kind]
    assert model.output_shape == (None, width)
    assert model.layers[-1].activation.__name__ == activation
    assert model.loss == loss
    assert type(model.optimizer).__name__ == "Adam"


def test_mlp_flattens_rows_of_more_than_one_axis():
    model = Builder(Architecture(kind="mlp", units=(3,)), Training(), (5, 2), 2, "accuracy")()
    assert [layer.name for layer in model.layers] == ["flatten", "hidden_1", "output"]
    assert model.layers[1].kernel.shape == (10, 3)


def test_cnn_is_the_tutorials_recipe():
    model = builder("cnn", kernel_size=5)()
    first, _, pool, *_ = model.layers
    assert (first.kernel_size, first.padding, first.activation.__name__) == ((5, 5), "same", "relu")
    assert pool.output.shape == (None, 3, 2, 3)


def test_lstm_keeps_its_tanh_and_has_an_activation_after_the_last():
    model = builder("lstm", activation="elu")()
    assert [layer.activation.__name__ for layer in model.layers[:3]] == ["tanh", "tanh", "elu"]
    assert model.layers[0].output.shape == (None, 5, 3)


def test_mlp_draws_what_the_plain_keras_model_draws():
    """The weights that anyone gets who writes the tutorial's network and seeds Keras."""
    keras.utils.set_random_seed(7)
    plain = keras.Sequential([keras.Input((2,)), L.Dense(500, activation="relu"), L.Dense(1, activation="sigmoid")])
    built = build_seeded(Builder(Architecture(kind="mlp"), Training(), (2,), 2, "accuracy"), 7)
    for ours, theirs in zip(built.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_builders_of_equal_settings_are_equal_and_hash_alike():
    assert builder() == builder()
    assert hash(builder()) == hash(builder())
    assert len({builder(), builder(n_classes=3), builder(score="auc"), builder("lstm")}) == 4


def own_model(shape, n_classes, units=3, loss=None, **compilation):
    del n_classes
    model = keras.Sequential([keras.Input(shape), L.Dense(units, activation="relu"), L.Dense(1)])
    loss = loss or keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(0.5), **compilation)
    return model


class Stand:
    """An entry point that is installed, as far as noiseflow can see."""

    def __init__(self, function):
        self.function = function

    def load(self):
        return self.function


@pytest.fixture
def install(monkeypatch):
    def named(function):
        monkeypatch.setattr(entry_point, "find_entry_point", lambda group, name: Stand(function))
        return {"kind": "entry_point", "entry_point": "own"}

    return named


def test_entry_point_gets_shape_classes_and_settings_and_keeps_its_compilation(install):
    model = builder(**install(own_model), settings={"units": 7})()
    assert model.layers[0].kernel.shape == (4, 7)
    assert float(model.optimizer.learning_rate) == 0.5
    assert model.loss.from_logits
    assert builder(**install(own_model)).form() == OutputForm(1, from_logits=True)
    assert builder(n_classes=3).form() == OutputForm(3)


def test_users_model_keeps_its_metrics_and_gets_the_score(install, rng):
    """The score of logits is right, and named score though the user's own metric has that name too."""

    def written(shape, n_classes):
        return own_model(shape, n_classes, metrics=["mae", keras.metrics.MeanSquaredError(name="score")])

    x, y = rng.normal(size=(20, 4)), rng.integers(0, 2, 20)
    model = builder(**install(written))()
    measured = model.evaluate(x, y, verbose=0, return_dict=True)
    assert set(measured) == {"loss", "score", "mae", "score_1"}
    assert measured["score"] == pytest.approx(np.mean((model.predict(x, verbose=0)[:, 0] > 0) == y))


def test_entry_point_without_an_input_layer_is_built_for_the_shape(install):
    def written(shape, n_classes):
        del shape, n_classes
        model = keras.Sequential([L.Dense(1, activation="sigmoid")])
        model.compile(loss="binary_crossentropy")
        return model

    assert builder(**install(written))().input_shape == (None, 4)


def save(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' writer uses what numpy deprecates
        model.save(path)


@pytest.mark.slow
def test_model_file_starts_each_seed_as_its_author_would(tmp_path, rng):
    """Reading the file draws numbers; they must not come out of the seed's stream."""
    save(own_model((4,), 2), tmp_path / "own.keras")
    build = builder("file", path=str(tmp_path / "own.keras"))
    keras.utils.set_random_seed(5)
    authors = own_model((4,), 2).get_weights()
    for ours, theirs in zip(build_seeded(build, 5).get_weights(), authors, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    x, y = rng.normal(size=(16, 4)), rng.integers(0, 2, 16)
    noise = [noiseflow.Injection(place="after_activation", stddev=0.1)]
    for engine in ("vectorized", "reference"):
        fit = noiseflow.fit_seeds(build, x, y, seeds=[1], epochs=1, noise=noise, engine=engine)
        assert fit.history["score"].shape == (1, 1)
    assert build == builder("file", path=str(tmp_path / "own.keras"))
    assert hash(build) == hash(builder("file", path=str(tmp_path / "own.keras")))


def test_builder_raises_at_once_for_a_file_or_entry_point_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"must be a \.keras file"):
        builder("file", path=str(tmp_path / "none.keras"))
    with pytest.raises(LookupError, match=r"entry point of the group noiseflow\.models"):
        builder("entry_point", entry_point="no-such-network")


def test_mlp_draws_its_hidden_weights_with_the_stddev_that_is_asked_for():
    asked = Architecture(kind="mlp", units=(300, 300), initial_stddev=0.1)
    model = Builder(asked, Training(epochs=1), (20,), 2, "accuracy")()
    spreads = [float(np.std(layer.kernel)) for layer in model.layers[:2]]
    assert spreads == pytest.approx([0.1, 0.1], rel=0.05)
    assert "'stddev': 0.1" in architecture_kind("mlp").layers(asked)[0].code()
