"""The finite tables that ship with scikit-learn."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from noiseflow.datasets.data import Array, Data, grid_of, standardized
from noiseflow.datasets.rows import Rows, split
from noiseflow.spec import Dataset


@lru_cache
def bundled_rows(kind: str) -> Rows:
    """All rows of digits ((8, 8, 1) images), wine, breast_cancer or diabetes."""
    if kind == "diabetes":
        X, y = load_diabetes(return_X_y=True, scaled=False)
        return Rows(X, y)
    loaded = {"digits": load_digits, "wine": load_wine, "breast_cancer": load_breast_cancer}[kind]()
    X = loaded.images[..., None] if kind == "digits" else loaded.data
    return Rows(X, loaded.target.astype(float), tuple(map(str, loaded.target_names)))


def bundled_data(dataset: Dataset, data_seed: int) -> Data:
    """One split of the table."""
    return data_of_rows(bundled_rows(dataset.kind), dataset, data_seed)


def data_of_rows(rows: Rows, dataset: Dataset, data_seed: int) -> Data:
    """One split of rows of numbers, standardised on the training rows if so asked."""
    train, test = ((rows.X[index], rows.y[index]) for index in split(rows, dataset, data_seed))
    return data_of_parts(train, test, dataset, len(rows.labels))


def data_of_parts(train: tuple[Array, Array], test: tuple[Array, Array], dataset: Dataset, n_classes: int) -> Data:
    """X and y of the training and the test rows, standardised if so asked."""
    fields: dict[str, Any] = {"X_train": train[0], "y_train": train[1], "X_test": test[0], "y_test": test[1]}
    if dataset.standardize:
        fields = standardized(n_classes, train, test)
    return Data(**fields, n_classes=n_classes, grid=grid_of(n_classes, fields["X_train"], fields["X_test"]))
