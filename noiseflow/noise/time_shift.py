"""Time shift: a series begins a little earlier or later."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, resampled, shape_of


class TimeShift(Kind):
    """Moves each series along time by a normal number of steps; between steps it is interpolated, at its ends held."""

    name = "time_shift"
    strength = "stddev"
    places = ("input",)
    n_axes = (3,)
    elementwise = False
    sentence = (
        "moves each series along time by a normal number of steps, of standard deviation `stddev`; between steps it is "
        "interpolated, at its ends held"
    )

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The series at t + stddev × ξ, ξ one standard normal number a row."""
        from keras import ops

        steps = ops.arange(x.shape[1], dtype=x.dtype)
        return resampled(x, steps + strength * numbers.normal(stream, (shape_of(x)[0], 1), x.dtype))

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        """The moments for series that go up by a constant at each step, away from their ends."""
        slope = x[:, 1:2] - x[:, :1]
        return x, 0 * x + (strength * slope) ** 2
