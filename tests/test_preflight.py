"""What is found wrong with a study before anything is trained; its data are stand-ins."""

import re
import sys
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from noiseflow import datasets, models
from noiseflow.faults import InvalidInputError
from noiseflow.studies import validate
from noiseflow.training import preflight

L = keras.layers
DATA = {  # dataset: (shape of a row, number of classes, training rows)
    "circles": ((2,), 2, 30),
    "wine": ((13,), 3, 120),
    "diabetes": ((10,), 0, 300),
    "digits": ((8, 8, 1), 10, 200),
    "waves": ((20, 1), 2, 60),
    "table": ((5,), 2, 20),
    "moons": ((2,), 2, 4),
}
TABLE = {"kind": "table", "path": "my.csv", "target": "y", "task": "classification"}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    """Rows of zeros of the shapes above; a dataset is faulty if its label says so."""

    def generate(dataset, data_seed):
        del data_seed
        shape, n_classes, n_rows = DATA[dataset.kind]
        return SimpleNamespace(X_train=np.zeros((n_rows, *shape)), y_train=np.zeros(n_rows), n_classes=n_classes)

    def faults(dataset, data_seeds, where):
        return [f"{where}.path must be a file; received {data_seeds}."] if dataset.label == "faulty" else []

    monkeypatch.setattr(datasets, "generate", generate)
    monkeypatch.setattr(datasets, "faults", faults, raising=False)


@pytest.fixture
def install(monkeypatch):
    """Makes functions entry points of their own names."""

    def named(*functions):
        known = {function.__name__: function for function in functions}
        monkeypatch.setattr(models, "find_entry_point", lambda group, name: SimpleNamespace(load=lambda: known[name]))
        return [{"kind": "entry_point", "entry_point": name, "label": name} for name in known]

    return named


def study(datasets=("circles",), architectures=("mlp",), variants=(), **others):
    parts = {
        "datasets": [{"kind": kind} if isinstance(kind, str) else kind for kind in datasets],
        "architectures": [{"kind": kind} if isinstance(kind, str) else kind for kind in architectures],
        "variants": [{"name": "baseline"}, *variants],
    }
    return validate({"name": "asked", "n_seeds": 3, **parts, **others})


def noisy(name, **injection):
    strength = {} if {"stddev", "rate"} & set(injection) else {"stddev": 0.1}
    return {"name": name, "injections": [strength | injection]}


def only(found):
    assert len(found) == 1, found
    return found[0]


def test_sound_study_has_no_faults():
    sound = study(
        ["circles", "wine", "diabetes", "digits", "waves"],
        [
            {"kind": "mlp", "units": [4]},
            {"kind": "cnn", "filters": [2], "datasets": ["digits"]},
            {"kind": "lstm", "units": [2], "datasets": ["waves"]},
        ],
        [
            noisy("before", place="before_activation"),
            {**noisy("pool", place="after:pool"), "architectures": ["cnn"]},
            {"name": "stop", "controls": [{"kind": "early_stopping", "patience": 5}]},
        ],
    )
    assert preflight.faults(sound) == []


def test_place_that_the_model_lacks_is_named_with_its_layers_once():
    """Two datasets, two strengths: one fault."""
    found = preflight.faults(
        study(
            ["circles", "moons"],
            [{"kind": "mlp", "units": [4]}],
            [{"name": "a", "injections": [{"place": "after:foo"}], "strengths": [0.1, 0.2]}],
            design="resample",
        )
    )
    assert only(found) == (
        "variants[1].injections[0].place must be a place of the model; received 'after:foo' (architecture 'mlp'): "
        "its layers are hidden_1, output. Choose one of them."
    )


def test_place_is_a_fault_once_for_each_network_whatever_its_layers_on_other_data():
    found = preflight.faults(study(["circles", "digits"], variants=[noisy("a", place="after:foo")]))
    assert "its layers are hidden_1, output" in only(found)


def test_place_is_looked_for_in_the_architectures_that_the_variant_is_for():
    parts = {"datasets": ["digits"], "architectures": ["mlp", {"kind": "cnn", "filters": [2]}]}
    everywhere, there = (
        noisy("pool", place="after:pool"),
        {**noisy("pool", place="after:pool"), "architectures": ["cnn"]},
    )
    assert "(architecture 'mlp')" in only(preflight.faults(study(**parts, variants=[everywhere])))
    assert preflight.faults(study(**parts, variants=[there])) == []


def test_activation_that_is_not_there_is_a_fault(install):
    def linear(shape, **_):
        model = keras.Sequential([keras.Input(shape), L.Dense(3), L.Dense(1, activation="sigmoid")])
        model.compile(loss="binary_crossentropy")
        return model

    found = preflight.faults(study(architectures=install(linear), variants=[noisy("a", place="after_activation")]))
    assert "none of its hidden layers, dense" in only(found)


@pytest.mark.parametrize(("kind", "axes"), [("cnn", "(height, width, channels)"), ("lstm", "(steps, features)")])
def test_recipe_on_rows_of_another_form_is_a_fault(kind, axes):
    fault = only(preflight.faults(study(["wine"], [kind])))
    assert fault.startswith("architectures[0] must be for data of its form")
    assert axes in fault
    assert "received (13,) (dataset 'wine')" in fault


def test_cnn_whose_pool_leaves_nothing_is_a_fault(monkeypatch):
    monkeypatch.setitem(DATA, "digits", ((1, 8, 1), 10, 200))
    fault = only(preflight.faults(study(["digits"], [{"kind": "cnn", "filters": [2]}])))
    assert fault.startswith("architectures[0] must be a network that can be built for its data")


def test_label_noise_of_the_other_task_is_a_fault():
    both = [noisy("flip", place="labels", kind="flip", rate=0.1), noisy("add", place="labels")]
    found = preflight.faults(study(["wine", "diabetes"], variants=both))
    assert len(found) == 2
    assert "variants[1].injections[0].kind must go with what is learnt, gaussian with regression" in found[0]
    assert "(dataset 'diabetes')" in found[0]
    assert "variants[2].injections[0].kind must go with what is learnt, flip with classification" in found[1]


def test_early_stopping_without_a_row_to_validate_on_is_a_fault():
    stop = {"name": "stop", "controls": [{"kind": "early_stopping", "patience": 3}]}
    fault = only(preflight.faults(study(["moons"], variants=[stop])))
    assert fault.startswith("variants[1].controls[0].validation_fraction must leave at least 1 row")
    assert "received 0.2 of 4 rows (dataset 'moons')" in fault
    quarter = {"name": "stop", "controls": [{"kind": "early_stopping", "patience": 3, "validation_fraction": 0.25}]}
    assert preflight.faults(study(["moons"], variants=[quarter])) == []


def test_table_of_fewer_rows_than_a_batch_is_a_fault_and_circles_are_not():
    fault = only(preflight.faults(study(["circles", TABLE])))
    assert fault.startswith("datasets[1] must have at least as many training rows as batch_size, 32; received 20")
    assert preflight.faults(study([TABLE], training={"batch_size": 20})) == []


def test_faults_of_data_and_of_networks_and_places_come_together(tmp_path):
    found = preflight.faults(
        study(
            [{"kind": "wine", "label": "faulty"}, "circles"],
            ["mlp", {"kind": "file", "path": str(tmp_path / "none.keras"), "datasets": ["faulty"]}],
            [noisy("a", place="after:foo")],
        )
    )
    assert [fault.split(" ")[0] for fault in found] == [
        "datasets[0].path", "architectures[1]", "variants[1].injections[0].place",
    ]  # fmt: skip
    assert "must be a file that model.save(...) wrote" in found[1]


def test_dataset_that_raises_is_a_fault(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(datasets, "generate", broken)
    assert "received ZeroDivisionError: no rows" in only(preflight.faults(study()))


def save(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' writer uses what numpy deprecates, and warns of code in the file
        model.save(path)
    return {"kind": "file", "path": str(path)}


def network(*layers, shape=(2,), loss="binary_crossentropy"):
    model = keras.Sequential([keras.Input(shape), *layers])
    if loss:
        model.compile(loss=loss)
    return model


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
        r"take rows of the data's shape, \(13,\) \(dataset 'wine'\); received a model whose input is \(4,\)",
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
    "no model": ("circles", lambda s, n: "model", "functional keras.Model.*received str"),
    "a train_step": ("circles", lambda s, n: own_step(s), "received OwnStep with its own train_step"),
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

    monkeypatch.setattr(models, "find_entry_point", lambda group, name: SimpleNamespace(load=load))
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
        sys.modules, "noiseflow.training.probe", SimpleNamespace(why_not_vectorizable=why_not_vectorizable)
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
