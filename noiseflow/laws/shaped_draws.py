"""Numbers that belong together: correlated along time, or one for a channel or a row."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from noiseflow.laws.draws import STDDEV, recording_model
from noiseflow.laws.law import Array, Figure, Law, Train, equality_figure, float64, mean_figure
from noiseflow.noise.injection import Injection

N_ROWS, N_TIMES, N_FEATURES = 64, 24, 3
AR1, LENGTH_SCALE = 0.9, 2.0
SHAPES: dict[str, dict[str, Any]] = {
    "ar1": {"correlation": {"ar1": AR1}},
    "length_scale": {"correlation": {"length_scale": LENGTH_SCALE}},
    "channel": {"draws": "channel"},
    "row": {"draws": "row"},
}
REFERENCE = "Box, Jenkins and Reinsel (2008), Time series analysis, section 3.2.3"


def shaped_draws(train: Train) -> list[Figure]:
    """Neighbours in time are correlated as asked for, a channel's or a row's draws are one, and each has variance s²."""

    def build() -> keras.Model:
        inputs = keras.Input((N_TIMES, N_FEATURES))
        branches = [keras.layers.Activation("linear", name=name)(inputs) for name in SHAPES]
        return recording_model(inputs, keras.layers.Concatenate(axis=1)(branches), N_ROWS)

    noise = [Injection(place=f"after:{name}", stddev=STDDEV, **shape) for name, shape in SHAPES.items()]
    x = np.zeros((N_ROWS, N_TIMES, N_FEATURES))
    fit = train(build, x, np.eye(N_ROWS), epochs=1, batch_size=1, shuffle=False, seeds=range(4), noise=noise)
    taken = -float64(fit.weights[-1])[0] / STDDEV
    parts = np.moveaxis(taken.reshape(len(taken), len(SHAPES), N_TIMES, N_FEATURES, N_ROWS), -1, 1)
    draws = dict(zip(SHAPES, np.moveaxis(parts, 2, 0), strict=True))  # (n_seeds, n_rows, n_times, n_features) each
    neighbours = {"ar1": AR1, "length_scale": float(np.exp(-0.5 / LENGTH_SCALE**2))}
    return [
        *(_correlated(name, draws[name], expected) for name, expected in neighbours.items()),
        *(_variance(name, values) for name, values in draws.items()),
        _alike("channel", draws["channel"], draws["channel"][:, :, :1]),
        _alike("row", draws["row"], draws["row"][:, :, :1, :1]),
    ]


def _correlated(name: str, draws: Array, expected: float) -> Figure:
    inner = draws[:, :, N_TIMES // 4 : -N_TIMES // 4]  # a smoothed series is as asked for away from its ends
    return mean_figure(
        (inner[:, :, 1:] * inner[:, :, :-1]).mean((2, 3)),
        expected,
        n_terms=inner[0, 0].size,
        name=f"{name}: neighbours in time",
        statement=f"the correlation of neighbouring steps is {expected:.3g}",
        reference=REFERENCE,
    )


def _variance(name: str, draws: Array) -> Figure:
    return mean_figure(
        (draws**2).mean((2, 3)),
        1.0,
        n_terms=draws[0, 0].size,
        name=f"{name}: variance",
        statement="whatever the correlation, each number has variance s²",
        reference=REFERENCE,
    )


def _alike(name: str, draws: Array, one: Array) -> Figure:
    return equality_figure(
        [(draws, np.broadcast_to(one, draws.shape))],
        name=f"one draw a {name}: differ",
        statement=f"with draws: {name} all its elements get one number",
        reference="keras.layers.SpatialDropout1D, for channels",
    )


LAW = Law("shaped draws", shaped_draws, finds_wrong_stddev=True)
