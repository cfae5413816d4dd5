"""What all tests share. Prefect and TensorFlow read their environment when they are imported, so it is set here first."""

import os
import tempfile

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="noiseflow-prefect-")
os.environ.setdefault("NOISEFLOW_CACHE", tempfile.mkdtemp(prefix="noiseflow-programs-"))  # one of all xdist's workers
os.environ.setdefault("NOISEFLOW_TESTS_PREFECT", tempfile.mkdtemp(prefix="noiseflow-database-"))  # likewise
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.pop("PREFECT_API_URL", None)

import gc
import warnings
from importlib import import_module

import numpy as np
import pytest

from noiseflow.study import Dataset, Study
from noiseflow.study.loading import validate


def pytest_configure(config):
    """Imports what warns while it is imported, once and here; the tests' own code stays strict.

    Not where xdist's workers run the tests: the process that deals them out would keep them waiting.
    """
    if config.getoption("numprocesses", None):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("keras", "prefect", "tensorflow"):
            import_module(name)


LONGEST = [
    *("test_model_cases.py", "test_operations.py", "test_all_laws.py", "test_deployment.py", "test_coverage.py"),
    *("test_flow.py", "test_keras_examples.py", "test_kill.py", "test_run.py", "test_auth.py", "test_treatments.py"),
    *("test_nightly.py", "test_memory.py", "test_ray.py", "test_side_by_side.py", "test_twins.py", "test_hang.py"),
    *("test_store_simulation.py", "test_engines.py", "test_store_faults.py", "test_score_metrics.py"),
    *("test_rivals.py", "test_report_sections.py", "test_proof.py", "test_malformed_tables.py", "test_findings.py"),
    *("test_several_targets_trained.py", "test_plots_page.py", "test_workers.py", "test_planted_drift.py"),
]
"""Files that take more than half a minute, together with what `make test` has of them.

Those that train keep a core busy, those with a server mostly wait: they come in turns.
"""


def pytest_collection_modifyitems(items):
    """The longest files come first: xdist hands them out in this order, and at the end both of its workers are busy."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish():
    """Leaves what has been imported out of later collections of garbage, for it stays, and going through it takes a second.

    statsmodels collects garbage at every correction for several comparisons, and Python now and then while TensorFlow traces.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def circles():
    """The tutorial's split: a `Data`."""
    from noiseflow.datasets import generate

    return generate(Dataset(kind="circles"), 1)


def mlp(units, learning_rate):
    """What builds a network of the tutorial's form, compiled as its author would."""

    def build():
        import keras

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


@pytest.fixture(scope="module")
def coarse_pictures():
    """Pictures of a quarter of the pixels a side, which take a tenth of the time."""
    from noiseflow.plots import canvas

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "DENSITY", 50)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of its own for each test."""
    return np.random.default_rng(20261122)
