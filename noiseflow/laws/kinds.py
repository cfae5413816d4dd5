"""Every kind of noise, and every random layer of Keras that is one, has the mean and the variance that it promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from noiseflow.laws.draws import recording_model
from noiseflow.laws.law import Array, Figure, Law, Train, float64, mean_figure
from noiseflow.noise import KINDS
from noiseflow.noise.injection import Injection
from noiseflow.noise.kind import Kind

N_ROWS, N_STEPS, N_FEATURES = 32, 24, 3
STRENGTHS = {"stddev": 0.5, "rate": 0.3, "alpha": 5.0}
STEPS = 0.1  # the stddev of kinds that move a series in time: its ends, which are held, are far away then


def kinds(train: Train) -> list[Figure]:
    """Each kind's noise on rows that go up by a constant at each step, against the closed form of its moments."""
    rng = np.random.default_rng(6)
    level, slope = rng.normal(size=(2, N_ROWS, 1, N_FEATURES))
    x = level + slope * np.arange(N_STEPS)[:, None]
    within = {kind.name: kind for kind in KINDS if "after" in kind.places}
    layers = {str(kind.keras_layer): kind for kind in within.values() if kind.keras_layer}
    injections = [_injection(kind, f"after:{name}") for name, kind in within.items()]
    parts = _noised(train, x, injections, list(within), list(layers.items()))
    drawn = list(zip([*within.items(), *layers.items()], parts, strict=True))
    moved = [kind for kind in KINDS if kind.places == ("input",)]
    drawn += [((kind.name, kind), _noised(train, x, [_injection(kind, "input")], ["rows"])[0]) for kind in moved]
    return [figure for (name, kind), noised in drawn for figure in _figures(kind, name, x, noised)]


def _injection(kind: Kind, place: str) -> Injection:
    return Injection(**{"place": place, "kind": kind.name, kind.strength: _strength(kind)})


def _strength(kind: Kind) -> float:
    return STRENGTHS[kind.strength] if kind.elementwise else STEPS


def _noised(
    train: Train, x: Array, noise: list[Injection], names: list[str], layers: Sequence[tuple[str, Kind]] = ()
) -> list[Array]:
    """The rows after layers of these names, and after Keras' own: (n_seeds, n_rows, n_steps, n_features) each."""

    def build() -> keras.Model:
        inputs = keras.Input(x.shape[1:])
        branches = [keras.layers.Activation("linear", name=name)(inputs) for name in names]
        branches += [getattr(keras.layers, name)(_strength(kind), name=name)(inputs) for name, kind in layers]
        joined = keras.layers.Concatenate(axis=1)(branches) if len(branches) > 1 else branches[0]
        return recording_model(inputs, joined, N_ROWS)

    fit = train(build, x, np.eye(N_ROWS), epochs=1, batch_size=1, shuffle=False, seeds=range(4), noise=noise)
    taken = -float64(fit.weights[-1])[0]  # (n_seeds, n_branches * n_steps * n_features, n_rows)
    parts = taken.reshape(len(taken), len(names) + len(layers), *x.shape[1:], N_ROWS)
    return [np.moveaxis(parts[:, i], -1, 1) for i in range(parts.shape[1])]


def _figures(kind: Kind, name: str, x: Array, noised: Array) -> list[Figure]:
    """Mean and variance, each element's in units of its own standard deviation; a row's mean is one draw."""
    inner = slice(None) if kind.elementwise else slice(1, -1)
    mean, variance = (np.asarray(moment)[:, inner] for moment in kind.moments(x, _strength(kind)))
    spread = np.sqrt(np.broadcast_to(variance, mean.shape))
    standard = ((noised[:, :, inner] - mean) / spread).reshape(*noised.shape[:2], -1)
    words: dict[str, Any] = {"reference": f"noiseflow.noise: {kind.name}", "n_terms": standard.shape[-1]}
    return [
        mean_figure(
            standard.mean(-1),
            0.0,
            name=f"{name}: mean",
            statement=f"{name}: the mean that it promises",
            **words,
        ),
        mean_figure(
            (standard**2).mean(-1),
            1.0,
            name=f"{name}: variance",
            statement=f"{name}: the variance that it promises, in units of it",
            **words,
        ),
    ]


LAW = Law("kinds", kinds, finds_wrong_stddev=True)
