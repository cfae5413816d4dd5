"""Mixup: rows are blended two by two, and so are their labels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from noiseflow.base.values import setting
from noiseflow.controls.kind import ControlKind

QUANTILES = 513


class Mixup(ControlKind):
    """Trains on λ x + (1 - λ) x' and minimises λ L(y) + (1 - λ) L(y'), L being the loss, with λ from Beta(alpha, alpha).

    λ is drawn once a step. x' are the rows of the batch moved on by a random number of places, so that each row meets any
    other with the same chance.

    References:
        Zhang et al. (2018), mixup: beyond empirical risk minimization, equation 2 and figure 1.
    """

    name = "mixup"
    fields = {
        "alpha": setting(float, "Both parameters of the Beta distribution that mixup draws from", 0.2, gt=0, le=100)
    }
    strength = "alpha"
    strength_label = "alpha"
    steps = True
    mixes = True
    needs_fit_seeds = True
    probe_strength = 0.2
    sentence = "blends the rows of a batch two by two, and their losses, by a share from Beta(alpha, alpha)"

    def argument(self, strength: float) -> Any:
        """Quantiles of the distribution, evenly spaced."""
        return _quantiles(strength)

    @property
    def neutral(self) -> Any:
        return np.ones(QUANTILES)

    def share(self, argument: Any, uniform: Any) -> Any:
        """λ for a number uniform in (0, 1)."""
        import tensorflow as tf

        at = uniform * (QUANTILES - 1)
        below = tf.minimum(tf.cast(at, tf.int32), QUANTILES - 2)
        rest = at - tf.cast(below, at.dtype)
        return tf.gather(argument, below) * (1 - rest) + tf.gather(argument, below + 1) * rest


@lru_cache(maxsize=64)
def _quantiles(alpha: float) -> Any:
    from scipy import stats

    return stats.beta.ppf(np.linspace(0, 1, QUANTILES), alpha, alpha)
