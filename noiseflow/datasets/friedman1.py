"""Friedman 1: a regression on ten features; five of them matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseflow.base.values import setting
from noiseflow.datasets.generated import FRESH, NOISE, Generated, Rows
from noiseflow.datasets.kind import STANDARDIZE

if TYPE_CHECKING:
    from noiseflow.study import Dataset


class Friedman1(Generated):
    """10 sin(π x1 x2) + 20 (x3 - 1/2)² + 10 x4 + 5 x5 and noise, over uniform features; the others do nothing.

    References:
        Friedman (1991), Multivariate adaptive regression splines, equation 61.
    """

    name = "friedman1"
    sentence = "scikit-learn's generator: a smooth function of five of the features, and noise"
    task = "regression"
    settings = {
        "n_samples": 150, "n_train": 50, "noise": 1.0, "n_features": 10, "standardize": True, **FRESH,
    }  # fmt: skip
    fields = {
        **Generated.fields,
        **NOISE,
        "n_features": setting(int, "Features of friedman1; five of them matter", 10, ge=5, le=10_000),
        **STANDARDIZE,
    }

    def rows(self, dataset: Dataset, n: int, state: Any) -> Rows:
        from sklearn.datasets import make_friedman1

        return make_friedman1(n, dataset.n_features, noise=dataset.noise, random_state=state)  # type: ignore[no-any-return]

    def n_values(self, dataset: Dataset) -> int:
        return int(dataset.n_features)
