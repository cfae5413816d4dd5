"""Noise on rows and weights outside of any training: what a trained network meets at test time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from noiseflow.engine.problem import SPREAD_ROWS, Array
from noiseflow.engine.random import ABOVE_ZERO
from noiseflow.engine.sites import Site
from noiseflow.noise.injection import Injection


class Drawn:
    """Random numbers of numpy's, as a step's are given."""

    scales: Sequence[Any] = ()

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def begin_second_pass(self) -> None:
        """A second pass draws other numbers."""

    def normal(self, stream: str, shape: Any, dtype: Any) -> Any:
        """Standard normal numbers."""
        del stream
        return tf.constant(self.rng.standard_normal(shape), dtype)

    def uniform(self, stream: str, shape: Any, dtype: Any) -> Any:
        """Numbers uniform in (0, 1)."""
        del stream
        return tf.constant(np.maximum(self.rng.random(shape), ABOVE_ZERO), dtype)


def noised(
    x: Array, injections: Sequence[Injection], X_train: Array, rng: np.random.Generator, *, masked: bool = False
) -> Array:
    """Rows (n_rows, ...) with the noise of injections at the place input, at full strength.

    Args:
        X_train: the training rows; a relative stddev counts in their spread.
        masked: whether the last feature is above 0 in steps that are no padding; only those have a spread.
    """
    first = X_train[:SPREAD_ROWS]
    first = first[first[..., -1] > 0] if masked else first
    values = tf.constant(x, tf.float64)
    for injection in injections:
        site = Site.of(0, injection, "input", columns=injection.shares(x.shape[-1]))
        spread = float(site.of_columns(first).std()) if injection.relative else 1.0
        values = site.apply(values, tf.constant((injection.strength or 0.0) * spread, tf.float64), Drawn(rng))
    return np.asarray(values.numpy())


def noisy_weights(
    weights: Sequence[Array],
    trainable: Sequence[bool],
    stddev: float,
    rngs: Sequence[np.random.Generator],
    *,
    relative: bool,
) -> list[Array]:
    """Weights (n_seeds, ...) with normal numbers added to the trainable ones.

    Args:
        rngs: one for each seed.
        relative: whether stddev counts in units of each array's own spread, seed by seed.
    """
    found = []
    for array, takes in zip(weights, trainable, strict=True):
        spread = array.std(axis=tuple(range(1, array.ndim)), keepdims=True) if relative else 1.0
        noise = stddev * spread * np.stack([rng.standard_normal(array.shape[1:]) for rng in rngs])
        found.append((array + noise).astype(array.dtype) if takes else array)
    return found
