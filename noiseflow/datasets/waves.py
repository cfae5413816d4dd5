"""Waves: noisy sinusoids of two frequencies; the frequency is the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noiseflow.base.values import setting
from noiseflow.datasets.data import Array
from noiseflow.datasets.generated import FRESH, NOISE, Generated, Rows

if TYPE_CHECKING:
    from noiseflow.study import Dataset

WAVE_CYCLES = (1, 2)
"""The whole cycles that a wave of class 0 and of class 1 runs through."""


class Waves(Generated):
    """Sinusoids of two frequencies, which are the classes; X: (n_rows, length, 1).

    x[t] = sin(2π k t / length + phase) + noise · e[t], where k is `WAVE_CYCLES[y]`, phase is uniform over a full turn and e
    standard normal. As each wave runs through whole cycles, its energy says nothing about its class, and the best possible
    rule is known: at a length of 20 and noise 1 it is right for 96 % of the waves. An LSTM of 32 units learns 60 of them by
    heart within 200 epochs, and then classifies 76 to 84 % of fresh ones correctly (Keras, two seeds).
    """

    name = "waves"
    sentence = "noisy sinusoids of two frequencies"
    task = "classification"
    settings = {"n_samples": 160, "n_train": 60, "noise": 1.0, "length": 20, **FRESH}
    fields = {
        **Generated.fields,
        **NOISE,
        "length": setting(int, "Steps of a wave", 20, ge=4, le=10_000),
    }
    takes_generator = True

    def rows(self, dataset: Dataset, n: int, state: Any) -> Rows:
        """As many of one class as of the other, or one more."""
        length = dataset.length
        y = state.permutation(np.arange(n) % 2)
        phase = state.uniform(0, 2 * np.pi, n)
        angle = 2 * np.pi * np.asarray(WAVE_CYCLES)[y][:, None] * np.arange(length) / length
        X = np.sin(angle + phase[:, None]) + dataset.noise * state.standard_normal((n, length))
        return X[..., None], y.astype(float)

    def n_values(self, dataset: Dataset) -> int:
        return int(dataset.length)

    def has_rule(self, dataset: Dataset) -> bool:
        """Whether there is one: in a wave of four steps the cycles equal their mirror image."""
        return bool(dataset.length > 4)

    def rule(self, dataset: Dataset, X: Array) -> Array:
        """The frequency of the larger periodogram.

        A sinusoid of known frequency, whole cycles and uniform phase has the likelihood I0(|F|/s²) exp(-length/4s²), F being
        its Fourier coefficient: it grows with |F| alike for both frequencies.

        References:
            Proakis and Salehi (2008), Digital communications, 5th edition, section 4.5 (noncoherent detection).
        """
        spectrum = np.abs(np.fft.rfft(X[..., 0], axis=1))
        first, second = WAVE_CYCLES
        return (spectrum[:, second] > spectrum[:, first]).astype(float)

    def rule_accuracy(self, dataset: Dataset) -> float:
        """1 - exp(-length / 8 noise²) / 2.

        References:
            Proakis and Salehi (2008), section 4.5: of two orthogonal signals of unknown phase, exp(-energy / 2 N0) / 2 are
            mistaken; here the energy is length / 2, and N0 = 2 noise².
        """
        noise = float(dataset.noise)
        return 1.0 if noise == 0 else float(1 - np.exp(-dataset.length / (8 * noise**2)) / 2)
