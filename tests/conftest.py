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
    import keras  # noqa: F401
    import prefect  # noqa: F401
    import tensorflow  # noqa: F401, ICN001

from noiseflow.datasets import Data, generate
from noiseflow.models import Builder
from noiseflow.spec import Architecture, Dataset, Study, Training
from noiseflow.studies import validate


@pytest.fixture(scope="session")
def circles() -> Data:
    """The tutorial's split."""
    return generate(Dataset(kind="circles"), 1)


@pytest.fixture(scope="session")
def build_mlp():
    """The tutorial's network."""
    return Builder(Architecture(kind="mlp"), Training(), 2)


@pytest.fixture(scope="session")
def build_small():
    """A network of the tutorial's form that trains in no time."""
    return Builder(Architecture(kind="mlp", units=(8,)), Training(learning_rate=0.01), 2)


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
