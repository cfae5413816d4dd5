"""The rows of one data seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Rows of one data seed, in float64; the trainer converts them to the precision that it computes in.

    Attributes:
        X_train, X_test: (n_rows, ...), where ... is features, an image's height, width and channels, or a sequence's steps
            and features.
        y_train, y_test: (n_rows,), class indices from 0 or the values of a regression, or (n_rows, n_targets), values or
            labels of 0 and 1.
        n_classes: 0 for a regression, 2 of labels.
        grid: (n_points, 2), points at which the decision boundary is drawn, None unless there are two features, and classes.
        X_eval, y_eval: fresh rows, which are scored and never stored, None without them.
        target_scale: what 1 of y is in units of the target, where a regression's target was standardised; of several
            targets (n_targets,).
    """

    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array
    n_classes: int
    grid: Array | None = None
    X_eval: Array | None = None
    y_eval: Array | None = None
    target_scale: float | Array = 1.0

    @property
    def n_targets(self) -> int:
        """How many targets a row has."""
        return 1 if self.y_train.ndim == 1 else self.y_train.shape[1]

    @property
    def parts(self) -> dict[str, tuple[Array, Array]]:
        """The splits by name, each X and y."""
        return {"train": (self.X_train, self.y_train), "test": (self.X_test, self.y_test)}


def boundary_grid(X: Array, points: int = 50) -> Array:
    """A square lattice a little wider than the data: (points², 2)."""
    reach = 1.1 * float(np.abs(X).max())
    axis = np.linspace(-reach, reach, points)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def grid_of(n_classes: int, *parts: Array) -> Array | None:
    """The lattice for rows of two features, of a classification; None for others."""
    two = n_classes > 0 and all(X.ndim == 2 and X.shape[1] == 2 for X in parts)
    return boundary_grid(np.concatenate(parts)) if two else None


def imputed(X_train: Array, *others: Array, masked: bool = False) -> list[Array]:
    """The parts with each NaN as the training rows' median of its entry of the last axis, over all other axes.

    Args:
        masked: whether rows are sequences with a last feature that marks the real steps; only these count.
    """
    from sklearn.impute import SimpleImputer

    known = X_train[X_train[..., -1] > 0] if masked else X_train.reshape(-1, X_train.shape[-1])
    medians = SimpleImputer(strategy="median", keep_empty_features=True).fit(known).statistics_
    return [np.where(np.isnan(X), medians, X) for X in (X_train, *others)]


def standardize_features(X_train: Array, *others: Array) -> list[Array]:
    """The parts with mean 0 and stddev 1 on the training rows for each entry of the last axis, over all other axes.

    Constant ones are 0 there. A pixel's or a step's own mean would undo what a convolution or a recurrence shares between
    places, so an image has one for each channel and a sequence one for each feature.
    """
    from sklearn.preprocessing import StandardScaler

    width = X_train.shape[-1]
    scaler = StandardScaler().fit(X_train.reshape(-1, width))
    return [np.asarray(scaler.transform(X.reshape(-1, width)).reshape(X.shape)) for X in (X_train, *others)]


def standardize_steps(X_train: Array, *others: Array) -> list[Array]:
    """Sequences of several lengths with mean 0 and stddev 1 over the steps that are there in the training rows.

    The last feature, 1 where a step is there, stays as it is, and so do the zeros of all other steps.
    """
    there = [X[..., -1] > 0 for X in (X_train, *others)]
    steps = standardize_features(*(X[at][:, :-1] for X, at in zip((X_train, *others), there, strict=True)))
    found = [np.array(X) for X in (X_train, *others)]
    for X, at, values in zip(found, there, steps, strict=True):
        X[at, :-1] = values
    return found


def standardize_target(y_train: Array, *others: Array) -> tuple[list[Array], float | Array]:
    """The targets with mean 0 and stddev 1 on the training rows, and that stddev in units of the target."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(y_train.reshape(len(y_train), -1))
    scaled = [np.asarray(scaler.transform(y.reshape(len(y), -1)).reshape(y.shape)) for y in (y_train, *others)]
    return scaled, float(scaler.scale_[0]) if y_train.ndim == 1 else np.asarray(scaler.scale_)


def standardized(
    n_classes: int, train: tuple[Array, Array], *others: tuple[Array, Array], masked: bool = False
) -> dict[str, Any]:
    """X and y of the test rows, and of fresh rows if there are, in units learnt on the training rows; fields of `Data`.

    Args:
        masked: whether rows are sequences with a last feature that marks the real steps.
    """
    parts = [train, *others]
    features = (standardize_steps if masked else standardize_features)(*(X for X, _ in parts))
    targets: list[Array] = [y for _, y in parts]
    scale: float | Array = 1.0
    if not n_classes:
        targets, scale = standardize_target(*targets)
    names = ("train", "test", "eval")
    fields: dict[str, Any] = {f"X_{name}": X for name, X in zip(names, features, strict=False)}
    return fields | {f"y_{name}": y for name, y in zip(names, targets, strict=False)} | {"target_scale": scale}
