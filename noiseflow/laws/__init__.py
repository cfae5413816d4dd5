"""The laws of noise: closed forms that training under noise obeys, whichever engine runs it.

Each law trains a small model through the public function `fit_seeds` and compares what came of it with mathematics; how far
the two may lie apart follows from the Monte-Carlo error. A wrong stddev, a noise that is dropped, doubled, repeated, or
still there at test time breaks one of them.
"""

from __future__ import annotations

from typing import Any, Literal

from noiseflow.engine.fit import fit_seeds
from noiseflow.engine.result import SeedsFit
from noiseflow.laws import (
    after_activation_loss,
    before_relu_moments,
    distribution,
    independent_draws,
    independent_places,
    input_loss,
    kinds,
    labels,
    no_noise,
    outside_the_model,
    recurrent_state,
    repeated_streams,
    ridge,
    settings,
    shaped_draws,
    shuffle,
)
from noiseflow.laws.law import Figure, Law, Train

__all__ = ["LAWS", "Figure", "Law", "trainer"]

LAWS: tuple[Law, ...] = (
    input_loss.LAW,
    after_activation_loss.LAW,
    before_relu_moments.LAW,
    ridge.LAW,
    labels.LAW,
    outside_the_model.LAW,
    distribution.LAW,
    independent_draws.LAW,
    independent_places.LAW,
    kinds.LAW,
    settings.LAW,
    shaped_draws.LAW,
    recurrent_state.LAW,
    repeated_streams.LAW,
    shuffle.LAW,
    no_noise.LAW,
)
"""In the order that they are checked."""

N_SEEDS = 8
"""Of each fit: as many as one program trains at once."""


def trainer(engine: Literal["auto", "vectorized", "reference"] = "auto", device: str = "auto") -> Train:
    """What the laws are checked with: `fit_seeds` of an engine, on a device.

    Raises:
        RuntimeError: (when called) device gpu is wanted and there is none.
    """
    seeds = range(N_SEEDS)

    def train(*arguments: Any, **options: Any) -> SeedsFit:
        return fit_seeds(*arguments, **({"seeds": seeds, "engine": engine, "device": device} | options))

    return train
