"""What all tests share. Prefect and TensorFlow read their environment when they are imported, so it is set here first."""

import os
import tempfile

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="noiseflow-prefect-")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.pop("PREFECT_API_URL", None)

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    # Third-party modules that warn while they are imported are imported once here; the tests' own code stays strict.
    warnings.simplefilter("ignore")
    import keras
    import prefect  # noqa: F401
    import tensorflow  # noqa: F401, ICN001

from noiseflow.datasets import Data, generate
from noiseflow.spec import Dataset, Study
from noiseflow.studies import validate


@pytest.fixture(scope="session")
def circles() -> Data:
    """The tutorial's split."""
    return generate(Dataset(kind="circles"), 1)


def mlp(units, learning_rate):
    """What builds a network of the tutorial's form, compiled as its author would."""

    def build():
        layers = keras.layers
        hidden = layers.Dense(units, activation="relu", name="hidden_1")
        model = keras.Sequential([keras.Input((2,)), hidden, layers.Dense(1, activation="sigmoid", name="output")])
        model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(learning_rate), metrics=["accuracy"])
        return model

    return build


@pytest.fixture(scope="session")
def build_mlp():
    """The tutorial's network."""
    return mlp(500, 0.001)


@pytest.fixture(scope="session")
def build_small():
    """A network of the tutorial's form that trains in no time."""
    return mlp(8, 0.01)


SMALL = validate(
    {
        "name": "small",
        "n_seeds": 4,
        "datasets": [{"kind": "circles", "n_samples": 40, "n_train": 20}],
        "architectures": [{"kind": "mlp", "units": [8]}],
        "training": {"epochs": 6, "record_every": 2},
        "variants": [
            {"name": "baseline"},
            {"name": "noisy", "injections": [{"place": "before_activation", "stddev": 0.5}]},
        ],
    }
)
"""Two cells of four trials that train in no time."""


@pytest.fixture
def small_study() -> Study:
    """SMALL."""
    return SMALL


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of its own for each test."""
    return np.random.default_rng(20261122)
