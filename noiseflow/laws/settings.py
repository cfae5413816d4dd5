"""What an injection's settings make of its strength: schedules, `relative`, `mean` and `columns`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from noiseflow.laws.draws import STDDEV, recording_model
from noiseflow.laws.law import Array, Figure, Law, Train, equality_figure, float64, mean_figure
from noiseflow.noise.injection import Injection

N_ROWS, N_COLUMNS, EPOCHS = 32, 8, 5
MEAN, SHARE = 0.5, 2.0
SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {},
    "linear": {"schedule": "linear"},
    "cosine": {"schedule": "cosine", "final": 0.2},
    "step": {"schedule": "step", "step_at": 0.75, "final": 0.5},
    "relative": {"relative": True},
    "mean": {"mean": MEAN},
}
BARE = "bare"
OVER = np.arange(EPOCHS) / (EPOCHS - 1)
SHARES = {
    "linear": 1 - OVER,
    "cosine": 0.2 + 0.8 * (1 + np.cos(np.pi * OVER)) / 2,
    "step": np.where(OVER < 0.75, 1.0, 0.5),
}
REFERENCE = "Loshchilov and Hutter (2017), SGDR, equation 5, for the cosine"


def settings(train: Train) -> list[Figure]:
    """The variance of an element's noise is the sum over the epochs of what its settings say, each epoch drawn anew.

    One column of the input has its own noise; the other columns have the noise of the branch that they enter.
    """
    x = np.random.default_rng(7).normal(1.0, 3.0, (N_ROWS, N_COLUMNS))

    def build() -> keras.Model:
        inputs = keras.Input((N_COLUMNS,))
        branches = [keras.layers.Activation("linear", name=name)(inputs) for name in (*SETTINGS, BARE)]
        return recording_model(inputs, keras.layers.Concatenate()(branches), N_ROWS)

    noise = [Injection(place=f"after:{name}", stddev=STDDEV, **more) for name, more in SETTINGS.items()]
    noise += [Injection(place="input", stddev=STDDEV, columns={"0": SHARE})]
    fit = train(build, x, np.eye(N_ROWS), epochs=EPOCHS, batch_size=1, shuffle=False, seeds=range(4), noise=noise)
    taken = -float64(fit.weights[-1])[0].reshape(len(fit.seeds), -1, N_COLUMNS, N_ROWS)
    noised = taken - EPOCHS * x.T  # (n_seeds, n_branches, n_columns, n_rows)
    drawn = {name: noised[:, i, 1:] for i, name in enumerate(SETTINGS)}
    variances = {name: STDDEV**2 * float((SHARES.get(name, np.ones(EPOCHS)) ** 2).sum()) for name in SETTINGS}
    others = noised[:, -1, 1:]  # equal except for the rounding of five sums
    variances["relative"] *= float(x.std()) ** 2
    return [
        *(_variance(name, drawn[name] - _mean(name), variance) for name, variance in variances.items()),
        mean_figure(
            drawn["mean"].mean(1),
            _mean("mean"),
            N_COLUMNS,
            name="setting mean: mean",
            statement="the noise has mean m·s",
            reference="the moments of N(ms, s²)",
        ),
        _variance("columns", noised[:, -1, :1], EPOCHS * (SHARE * STDDEV) ** 2),
        equality_figure(
            [(np.where(np.abs(others) > 1e-5 * np.abs(x.T[1:]), others, 0.0), np.zeros_like(others))],
            name="setting columns: others differ",
            statement="columns that are not named take no noise",
            reference="keras.layers.GaussianNoise, of stddev 0",
        ),
    ]


def _mean(name: str) -> float:
    return EPOCHS * MEAN * STDDEV if name == "mean" else 0.0


def _variance(name: str, draws: Array, variance: float) -> Figure:
    return mean_figure(
        (draws**2).mean(1) / variance,
        1.0,
        n_terms=draws.shape[1],
        name=f"setting {name}: variance",
        statement=f"after {EPOCHS} epochs the noise has the variance that {name} says, in units of it",
        reference=REFERENCE,
    )


LAW = Law("settings", settings, finds_wrong_stddev=True)
