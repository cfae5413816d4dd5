"""What is found wrong with users' own models before anything is trained, and the engines that are chosen for them."""

import re
import sys
import warnings
from types import SimpleNamespace

import keras
import pytest
from preflight_studies import network, noisy, only, stand_in_for_data, study

from noiseflow.architectures import entry_point
from noiseflow.base.faults import InvalidInputError
from noiseflow.trials import preflight

L = keras.layers


@pytest.fixture(autouse=True)
def _data(monkeypatch):
    stand_in_for_data(monkeypatch)


@pytest.fixture
def install(monkeypatch):
    """Makes functions entry points of their own names."""

    def named(*functions):
        known = {function.__name__: function for function in functions}
        monkeypatch.setattr(
            entry_point, "find_entry_point", lambda group, name: SimpleNamespace(load=lambda: known[name])
        )
        return [{"kind": "entry_point", "entry_point": name, "label": name} for name in known]

    return named


def save(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' writer uses what numpy deprecates, and warns of code in the file
        model.save(path)
    return {"kind": "file", "path": str(path)}


def test_model_files_that_are_no_models_uncompiled_or_hold_code_are_faults(tmp_path):
    (tmp_path / "not.keras").write_bytes(b"no model")
    files = [
        save(network(L.Lambda(lambda x: x * 2), L.Dense(1, activation="sigmoid")), tmp_path / "code.keras"),
        save(network(L.Dense(1), loss=None), tmp_path / "raw.keras"),
        {"kind": "file", "path": str(tmp_path / "not.keras")},
    ]
    named = [file | {"label": f"file {i}"} for i, file in enumerate(files)]
    found = preflight.faults(study(architectures=named))
    assert [fault.split(" ")[0] for fault in found] == [f"architectures[{i}]" for i in range(3)]
    assert "safe" in found[0]
    assert "is not compiled" in found[1]
    assert r"must be a .keras file" in found[2]


def test_activation_that_is_not_there_is_a_fault(install):
    def linear(shape, **_):
        return network(L.Dense(3), L.Dense(1, activation="sigmoid"), shape=shape)

    found = preflight.faults(study(architectures=install(linear), variants=[noisy("a", place="after_activation")]))
    assert "needs a hidden layer with an activation" in only(found)


LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)
SPARSE = "sparse_categorical_crossentropy"
UNFIT = {
    "a loss of the other task": (
        "circles", lambda s, n: network(L.Dense(1, activation="sigmoid"), shape=s, loss="mse"),
        "must be compiled with a loss for 2 classes",
    ),
    "a classifier's loss on a regression": (
        "diabetes", lambda s, n: network(L.Dense(1), shape=s), "must be compiled with a loss for a regression",
    ),
    "one-hot targets": (
        "wine", lambda s, n: network(L.Dense(n, activation="softmax"), shape=s, loss="categorical_crossentropy"),
        "Compile it with sparse_categorical_crossentropy",
    ),
    "too few units": (
        "wine", lambda s, n: network(L.Dense(2, activation="softmax"), shape=s, loss=SPARSE),
        r"one output of 3 units for 3 classes \(dataset 'wine'\); received \(2,\)",
    ),
    "several units on a regression": (
        "diabetes", lambda s, n: network(L.Dense(2), shape=s, loss="mse"), "one output of 1 units for a regression",
    ),
    "a sequence as output": (
        "waves", lambda s, n: network(L.Dense(1, activation="sigmoid"), shape=s), r"received \(20, 1\)",
    ),
    "another input": (
        "wine", lambda s, n: network(L.Dense(3, activation="softmax"), shape=(4,), loss=SPARSE),
        r"take rows of the data's shape, \(13,\) \(dataset 'wine'\); received a model with the input \(4,\)",
    ),
    "no sigmoid": (
        "circles", lambda s, n: network(L.Dense(1), shape=s), "end with activation sigmoid, .* received linear",
    ),
    "sigmoid twice": (
        "circles", lambda s, n: network(L.Dense(1, activation="sigmoid"), shape=s, loss=LOGITS),
        "end with activation linear, .*from_logits=True expects; received sigmoid",
    ),
    "a softmax of one": (
        "circles", lambda s, n: network(L.Dense(1, activation="softmax"), shape=s), "received softmax",
    ),
    "no loss": ("circles", lambda s, n: without_loss(s), "must be compiled with one loss; received 0"),
    "no compilation": ("circles", lambda s, n: network(L.Dense(1), shape=s, loss=None), "must be compiled"),
    "no model": ("circles", lambda s, n: "model", "must be a keras.Model; received str"),
    "another precision": (
        "circles", lambda s, n: network(L.Dense(1, activation="sigmoid", dtype="float64"), shape=s),
        "weights of training.dtype, float32; received float64",
    ),
    "an error": ("circles", lambda s, n: 1 / 0, "from entry point 'written' .*ZeroDivisionError: division by zero"),
}  # fmt: skip


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def without_loss(shape):
    model = network(L.Dense(1), shape=shape, loss=None)
    model.compile(optimizer="sgd")
    return model


def own_step(shape):
    inputs = keras.Input(shape)
    model = OwnStep(inputs, L.Dense(1, activation="sigmoid")(inputs))
    model.compile(loss="binary_crossentropy")
    return model


@pytest.mark.parametrize("name", UNFIT)
def test_users_model_that_does_not_fit_is_a_fault(install, name):
    kind, make, says = UNFIT[name]

    def written(shape, n_classes):
        return make(shape, n_classes)

    fault = only(preflight.faults(study([kind], install(written))))
    assert fault.startswith("architectures[0] ")
    assert re.search(says, fault), fault


def test_model_with_its_own_train_step_takes_noise_within_it_only(install):
    def own(shape, **_):
        return own_step(shape)

    assert not preflight.faults(study(architectures=install(own), variants=[noisy("a", place="input")]))
    fault = only(preflight.faults(study(architectures=install(own), variants=[noisy("a", place="weights")])))
    assert "noise on weights; received OwnStep with its own train_step" in fault


def test_users_models_that_fit_are_no_faults(install):
    def logits(shape, **_):
        return network(L.Flatten(), L.Dense(1), shape=shape, loss=LOGITS)

    def two_units(shape, **_):
        return network(L.Flatten(), L.Dense(2), L.Softmax(), shape=shape, loss=SPARSE)

    def own_loss(shape, **_):
        return network(L.Flatten(), L.Dense(1), shape=shape, loss=lambda y, p: keras.ops.mean((y - p) ** 2))

    assert preflight.faults(study(["circles", "waves"], install(logits, two_units, own_loss))) == []


def test_entry_points_that_are_not_installed_or_not_importable_are_faults(monkeypatch):
    absent = [{"kind": "entry_point", "entry_point": "no-such-network"}]
    fault = only(preflight.faults(study(architectures=absent)))
    assert fault.startswith("architectures[0] must be an installed entry point of the group noiseflow.models")

    def load():
        raise ImportError("No module named 'gone'")

    monkeypatch.setattr(entry_point, "find_entry_point", lambda group, name: SimpleNamespace(load=load))
    assert "received 'no-such-network': ImportError: No module named 'gone'" in only(
        preflight.faults(study(architectures=absent))
    )


@pytest.fixture
def probe(monkeypatch):
    """A stand-in that refuses models with a layer named python, and keeps what it was asked."""
    asked = []

    def why_not_vectorizable(build_model, x, _, batch_size):
        asked.append((build_model, x.shape, batch_size))
        named = [layer.name for layer in build_model().layers]
        return "layer 'python' runs in Python" if "python" in named else None

    monkeypatch.setitem(
        sys.modules, "noiseflow.engine.probe", SimpleNamespace(why_not_vectorizable=why_not_vectorizable)
    )
    return asked


def slow(shape, **_):
    return network(L.Identity(name="python"), L.Dense(1, activation="sigmoid"), shape=shape)


def fast(shape, **_):
    return network(L.Dense(1, activation="sigmoid"), shape=shape)


def test_engines_are_chosen_by_trying_the_users_models_once(install, probe):
    asked = study(["circles"], ["mlp", *install(slow, fast)], [noisy("a", place="input")])
    chosen = preflight.choose_engines(asked, "auto")
    dataset, variant = asked.datasets[0], asked.variants[0]
    engines = {network.name: chosen.engine_of(dataset, network, variant) for network in asked.architectures}
    assert engines == {"mlp": "vectorized", "slow": "reference", "fast": "vectorized"}
    assert [shape for _, shape, _ in probe] == [(30, 2), (30, 2)]
    assert only(chosen.reasons) == (
        "architectures[1] ('slow' on dataset 'circles') cannot train all seeds at once: layer 'python' runs in Python. "
        "It is trained by Model.fit, seed after seed."
    )


def test_engines_wanted_are_taken_or_refused(install, probe):
    asked = study(architectures=["mlp", *install(slow)])
    assert preflight.choose_engines(asked, "reference").engine_of(*asked.parts()[0][:3]) == "reference"
    assert not probe
    with pytest.raises(InvalidInputError, match=r"layer 'python' runs in Python\. Take engine auto or reference"):
        preflight.choose_engines(asked, "vectorized")
    shipped = study()
    assert preflight.choose_engines(shipped, "vectorized").engine_of(*shipped.parts()[0][:3]) == "vectorized"


def test_model_file_is_looked_at_where_no_dataset_can_be_read(tmp_path):
    layers = L.Dense(3, "relu", name="wide"), L.Dense(1, activation="sigmoid", name="last")
    parts = {
        "datasets": [{"kind": "digits", "label": "faulty"}],
        "architectures": [save(network(*layers), tmp_path / "sound.keras")],
        "variants": [noisy("a", place="after:foo"), noisy("b", place="after:wide")],
    }
    found = preflight.faults(study(**parts))
    assert [fault.split(" ")[0] for fault in found] == ["datasets[0].path", "variants[1].injections[0].place"]
    assert "the model has no layer 'foo'; its layers are wide, last" in found[1]


def test_entry_point_is_not_called_for_data_that_cannot_be_read(install):
    def picky(**_):
        raise AssertionError

    faulty = [{"kind": "digits", "label": "faulty"}]
    assert only(preflight.faults(study(faulty, install(picky)))).startswith("datasets[0].path")
