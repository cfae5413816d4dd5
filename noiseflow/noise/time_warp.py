"""Time warp: a series goes now faster, now slower."""

from __future__ import annotations

from typing import Any

import numpy as np

from noiseflow.noise.kind import Kind, Numbers, resampled, shape_of

KNOTS = 5
"""Points, evenly over the series, at which its speed is drawn; between them it is interpolated."""


class TimeWarp(Kind):
    """Reads each series at a speed that wanders about 1 with standard deviation `stddev`; its two ends stay where they are.

    References:
        Um et al. (2017), Data augmentation of wearable sensor data for Parkinson's disease monitoring, time-warping.
        Iwana and Uchida (2021), An empirical survey of data augmentation for time series classification, section 3.3.
    """

    name = "time_warp"
    strength = "stddev"
    places = ("input",)
    n_axes = (3,)
    elementwise = False
    sentence = (
        f"reads each series at a speed that wanders about 1 with standard deviation `stddev`, drawn at {KNOTS} points and "
        "interpolated between them; its ends stay where they are"
    )

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The series at t + stddev × D ξ, ξ standard normal numbers, one a row and knot."""
        from keras import ops

        n_steps = x.shape[1]
        normal = numbers.normal(stream, (shape_of(x)[0], KNOTS), x.dtype)
        moved = ops.matmul(normal, ops.convert_to_tensor(displacements(n_steps).T, x.dtype))
        return resampled(x, ops.arange(n_steps, dtype=x.dtype) + strength * moved)

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        """The moments for series that go up by a constant at each step."""
        slope = x[:, 1:2] - x[:, :1]
        variance = (displacements(x.shape[1]) ** 2).sum(axis=1)
        return x, strength**2 * variance[:, None] * slope**2


def displacements(n_steps: int) -> Any:
    """How far each step is read from its own place for a speed of 1 more at each knot: (n_steps, KNOTS); 0 at both ends."""
    middles = np.arange(n_steps - 1) + 0.5
    at = np.linspace(0, n_steps - 1, KNOTS)
    speed = np.stack([np.interp(middles, at, unit) for unit in np.eye(KNOTS)], axis=1)
    moved = np.cumsum(speed - speed.mean(axis=0), axis=0)
    return np.concatenate([np.zeros((1, KNOTS)), moved[:-1], np.zeros((1, KNOTS))])
