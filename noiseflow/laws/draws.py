"""The noise itself: how it is distributed, what it depends on, and that it is gone when it should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from scipy import stats

from noiseflow.engine.result import SeedsFit
from noiseflow.laws.record import CHANCE, STANDARD_ERRORS, Array, Law, Train, equality_law, float64, rounding
from noiseflow.spec import Injection

STDDEV = 0.5
N_UNITS = 1024
N_HIDDEN = 64  # units of an identity layer, whose weights are quadratic in them
N_STEPS = 32
LIFT = 32.0  # keeps relu linear: noise never reaches so far down
PLACES = ("input", "before_activation", "after_activation")
HIDDEN_LAYERS = 2
SALMON = "Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3"


def distribution(train: Train) -> list[Law]:
    """Gaussian noise is N(0, s²), and its draws are independent over units, steps and seeds."""
    draws = _draws(train, hidden_layers=0, places=("input",))
    n, normal = draws.size, "the moments of N(0, s²)"
    distance = float(stats.kstest(draws.ravel() / STDDEV, "norm").statistic)
    return [
        _moment(draws, 1, 0.0, STDDEV**2, name="draws: mean", statement="E[noise] = 0", reference=normal),
        _moment(
            draws,
            2,
            STDDEV**2,
            2 * STDDEV**4,
            name="draws: variance",
            statement="E[noise²] = s²; the sum of n squares is s² times χ² of n degrees of freedom",
            reference=normal,
        ),
        _moment(
            draws,
            4,
            3 * STDDEV**4,
            96 * STDDEV**8,
            name="draws: fourth moment",
            statement="E[noise⁴] = 3s⁴",
            reference=normal,
        ),
        Law(
            name="draws: Kolmogorov-Smirnov",
            statement="the distance to N(0, s²) stays below its critical value",
            reference="scipy.stats.kstest",
            expected=0.0,
            measured=distance,
            tolerance=float(stats.kstwobign.isf(2 * CHANCE) / np.sqrt(n)),
        ),
        *(_uncorrelated(draws, axis, name) for axis, name in enumerate(("seeds", "units", "steps"))),
    ]


def independent_places(train: Train) -> list[Law]:
    """Noise at several places and layers adds up as independent draws do: their variances add."""
    draws = _draws(train, hidden_layers=HIDDEN_LAYERS, places=PLACES)
    n_sites = 1 + (len(PLACES) - 1) * HIDDEN_LAYERS
    variance = n_sites * STDDEV**2
    return [
        _moment(
            draws,
            2,
            variance,
            2 * variance**2,
            name=f"places and layers: {n_sites} sites add",
            statement=f"the sum of the noise of {n_sites} sites has variance {n_sites}·s², and more if they share draws",
            reference=SALMON,
        )
    ]


def repeated_streams(train: Train) -> list[Law]:
    """Equal seeds draw equal numbers, in a second run and whichever seeds they are trained with."""
    fit = _noise_fit(train, hidden_layers=0, places=("input",))
    few = fit.seeds[::-2]
    again = _noise_fit(train, hidden_layers=0, places=("input",), seeds=few)
    rows = [fit.seeds.index(seed) for seed in few]
    return [
        equality_law(
            [(fit.weights[0][rows], again.weights[0])],
            name="another run and batch: differ",
            statement="a seed's draws are the same in a second run, among other seeds, in another order",
            reference=SALMON,
        )
    ]


def no_noise(train: Train) -> list[Law]:
    """Inference knows no noise, and noise of stddev 0 is none: bit for bit."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(64, 2)), rng.integers(0, 2, 64).astype(np.float64)

    def build(learning_rate: float) -> Callable[[], keras.Model]:
        def model() -> keras.Model:
            output = keras.layers.Dense(1, activation="sigmoid", trainable=False)  # as in _noise_fit
            network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16, activation="relu"), output])
            network.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(learning_rate))
            return network

        return model

    data: dict[str, Any] = {"validation_data": (x, y), "epochs": 4, "batch_size": 64}
    bare = train(build(0.1), x, y, **data)
    silent = train(build(0.1), x, y, noise=_injections(PLACES, 0.0), **data)
    noisy = train(build(0.0), x, y, noise=_injections(PLACES, STDDEV), **data)
    pairs = [*zip(bare.weights, silent.weights, strict=True)]
    pairs += [(bare.history[name], silent.history[name]) for name in bare.history]
    return [
        equality_law(
            [
                (bare.initial["val_loss"], noisy.initial["val_loss"]),
                (noisy.history["val_loss"], noisy.initial["val_loss"][:, None]),
            ],
            name="inference: losses that differ",
            statement="at equal weights, inference with and without noise in the model gives the same loss",
            reference="keras.layers.GaussianNoise: only active at training time",
        ),
        equality_law(
            pairs,
            name="stddev 0: numbers that differ",
            statement="noise of stddev 0 leaves every loss and weight as without the layer",
            reference="keras.layers.GaussianNoise",
        ),
    ]


def _noise_fit(train: Train, hidden_layers: int, places: tuple[str, ...], **arguments: Any) -> SeedsFit:
    """A fit whose trained weights (n_seeds, n_units, n_steps) are the draws, negated and lifted.

    With the loss y·output and learning rate 1, a step on the target e_i takes what enters the output layer off its i-th
    column. The rows are zeros: what enters is noise, which identity layers hand on. Those are not trained: in a graph
    that is not compiled, TensorFlow 2.21 now and then updates a layer before the backward pass has read its weights.
    """

    def build() -> keras.Model:
        hidden = [_identity(0.0 if i else LIFT) for i in range(hidden_layers)]
        output = keras.layers.Dense(N_STEPS, use_bias=False, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((n_units,)), *hidden, output])
        model.compile(loss=_product, optimizer=keras.optimizers.SGD(1.0))
        return model

    n_units = N_HIDDEN if hidden_layers else N_UNITS
    x, y = np.zeros((N_STEPS, n_units)), np.eye(N_STEPS)
    noise = _injections(places, STDDEV)
    return train(build, x, y, epochs=1, batch_size=1, shuffle=False, noise=noise, **arguments)


def _draws(train: Train, hidden_layers: int, places: tuple[str, ...]) -> Array:
    fit = _noise_fit(train, hidden_layers, places)
    return -float64(fit.weights[-1])[0] - (LIFT if hidden_layers else 0.0)


def _product(y: Any, output: Any) -> Any:
    return keras.ops.sum(y * output, axis=-1)


def _identity(lift: float) -> keras.layers.Layer:
    bias = keras.initializers.Constant(lift)
    return keras.layers.Dense(
        N_HIDDEN, activation="relu", kernel_initializer="identity", bias_initializer=bias, trainable=False
    )


def _injections(places: tuple[str, ...], stddev: float) -> list[Injection]:
    return [Injection(place=place, stddev=stddev) for place in places]


def _moment(draws: Array, power: int, expected: float, variance: float, **words: Any) -> Law:
    """The law of a moment of the draws; `variance` is that of one draw to this power, in closed form."""
    chance = float(STANDARD_ERRORS * np.sqrt(variance / draws.size))
    measured = float((draws**power).mean())
    return Law(**words, expected=expected, measured=measured, tolerance=chance + rounding(variance**0.5, 1))


def _uncorrelated(draws: Array, axis: int, name: str) -> Law:
    """The law that neighbours along an axis are uncorrelated."""
    n = draws.shape[axis]
    one, other = draws.take(range(n - 1), axis), draws.take(range(1, n), axis)
    with np.errstate(invalid="ignore", divide="ignore"):  # draws without any spread have no correlation: NaN
        correlation = float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    return Law(
        name=f"draws: correlation of {name}",
        statement=f"the draws of neighbouring {name} are independent",
        reference=SALMON,
        expected=0.0,
        measured=correlation,
        tolerance=float(STANDARD_ERRORS / np.sqrt(one.size)),
    )
