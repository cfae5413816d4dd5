"""Studies to be looked over before they are trained, and stand-ins for their data."""

from types import SimpleNamespace

import keras
import numpy as np

from noiseflow import datasets
from noiseflow.study.loading import validate

DATA = {
    "circles": ((2,), 2, 30),
    "wine": ((13,), 3, 120),
    "diabetes": ((10,), 0, 300),
    "digits": ((8, 8, 1), 10, 200),
    "waves": ((20, 1), 2, 60),
    "table": ((5,), 2, 20),
    "moons": ((2,), 2, 4),
}
"""Of each dataset: the shape of a row, the number of classes (0 for a regression), training rows."""


def stand_in_for_data(monkeypatch):
    """Rows of zeros of the shapes above; a dataset is faulty if its label says so."""

    def generate(dataset, data_seed):
        del data_seed
        shape, n_classes, n_rows = DATA[dataset.kind]
        return SimpleNamespace(
            X_train=np.zeros((n_rows, *shape)), y_train=np.zeros(n_rows), n_classes=n_classes, n_targets=1
        )

    def faults(dataset, data_seeds, where):
        return [f"{where}.path must be a file; received {data_seeds}."] if dataset.label == "faulty" else []

    monkeypatch.setattr(datasets, "generate", generate)
    monkeypatch.setattr(datasets, "faults", faults, raising=False)


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


def network(*layers, shape=(2,), loss="binary_crossentropy"):
    model = keras.Sequential([keras.Input(shape), *layers])
    if loss:
        model.compile(loss=loss)
    return model
