"""Rows of a user's own function: named when it fails, checked when it returns."""

import numpy as np
import pytest

from noiseflow.datasets import Data, entry_point, faults, generate
from noiseflow.study import Dataset


@pytest.fixture
def install(monkeypatch):
    """Makes a function an entry point called `mine`."""

    def install(function, task="classification", **settings):
        class Found:
            @staticmethod
            def load():
                return function

        monkeypatch.setattr(entry_point, "find_entry_point", lambda group, name: Found)
        return Dataset(kind="entry_point", entry_point="mine", task=task, settings=settings)

    return install


def make(data_seed, n=12):
    rng = np.random.default_rng(data_seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 2)) + y[:, None]
    return X[: n // 2], y[: n // 2], X[n // 2 :], y[n // 2 :]


def test_entry_point_gets_the_data_seed_and_its_settings(install):
    dataset = install(make, n=20)
    data = generate(dataset, 3)
    np.testing.assert_array_equal(data.X_test, make(3, 20)[2])
    assert data.n_classes == 2
    assert data.y_train.dtype == np.float64
    assert data.grid.shape == (2500, 2)
    assert faults(dataset, [1, 2], "datasets[0]") == []


def test_entry_point_may_return_data(install):
    data = Data(np.zeros((4, 1)), np.arange(4.0), np.zeros((2, 1)), np.arange(2.0), 0, target_scale=5.0)
    dataset = install(lambda data_seed: data, task="regression")
    assert generate(dataset, 1) is data
    assert faults(dataset, [1], "datasets[0]") == []


def fail(_data_seed):
    raise KeyError("no such\nfile")


BAD = [
    (fail, "entry_point 'mine' must return rows; received KeyError: 'no such\\nfile'. Fix the function"),
    (lambda: None, "received TypeError"),
    (lambda data_seed: None, "X_train, y_train, X_test, y_test or a Data; received NoneType"),
    (lambda data_seed: make(1)[:3], "X_train, y_train, X_test, y_test or a Data; received tuple"),
    (
        lambda data_seed: (make(1)[0][:, :1], *make(1)[1:]),
        "rows of one shape; received (6, 1) to train and (6, 2) to test",
    ),
    (lambda data_seed: (make(1)[0][:5], *make(1)[1:]), "as many rows in X as in y; received 5 and 6"),
    (lambda data_seed: (make(1)[0], make(1)[1] + 0.5, *make(1)[2:]), "class indices from 0 in y"),
    (lambda data_seed: (make(1)[0], make(1)[1] * np.nan, *make(1)[2:]), "a y of finite numbers with one axis"),
    (lambda data_seed: (make(1)[0], make(1)[1] * 0, *make(1)[2:]), "at least two classes to train; received '0' only"),
    (lambda data_seed: ([[1], [2, 3]], [0, 1], [[1]], [1]), "rows of several lengths"),
    (lambda data_seed: make(data_seed, 12 + 2 * data_seed), "rows of the same number, shape and classes whatever"),
    (lambda data_seed: Data(*make(1), n_classes=0), "n_classes that fits a classification; received 0"),
]


@pytest.mark.parametrize(("function", "text"), BAD)
def test_entry_points_that_fail_are_named(install, function, text):
    (fault,) = faults(install(function), [1, 2], "datasets[1]")
    assert fault.startswith("datasets[1].entry_point ")
    assert text in fault


def test_an_unknown_entry_point_is_named():
    dataset = Dataset(kind="entry_point", entry_point="nobody", task="regression")
    (fault,) = faults(dataset, [1], "datasets[0]")
    assert fault.startswith("datasets[0].entry_point must be an installed entry point of the group noiseflow.datasets")
    assert "'nobody'" in fault
