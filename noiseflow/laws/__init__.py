"""The laws of noise: closed forms that training under noise obeys, whichever engine runs it.

Each law trains a small model through the front door, `fit_seeds`, and compares what came of it with mathematics; how far
the two may lie apart follows from the Monte-Carlo error. A wrong stddev, a noise that is dropped, doubled, repeated, or
still there at test time breaks one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from noiseflow.engine.fit import fit_seeds
from noiseflow.engine.result import SeedsFit
from noiseflow.laws import draws, losses, training
from noiseflow.laws.record import Law, Train

__all__ = ["LAWS", "Law", "trainer"]

LAWS: dict[str, Callable[[Train], list[Law]]] = {
    "input loss": losses.input_loss,
    "after-activation loss": losses.after_activation_loss,
    "before-relu moments": losses.before_relu_moments,
    "ridge": training.ridge,
    "target noise": training.target_noise,
    "distribution": draws.distribution,
    "independent places": draws.independent_places,
    "repeated streams": draws.repeated_streams,
    "no noise": draws.no_noise,
}

N_SEEDS = {"auto": 16, "vectorized": 16, "reference": 8}
"""Seeds of each fit: `Model.fit` takes them one after the other, and builds and traces a model for each."""


def trainer(engine: Literal["auto", "vectorized", "reference"] = "auto", device: str = "auto") -> Train:
    """What the laws are checked with: `fit_seeds` of an engine, on a device.

    Raises:
        RuntimeError: (when called) device gpu is wanted and there is none.
    """
    seeds = range(N_SEEDS[engine])

    def train(*arguments: Any, **options: Any) -> SeedsFit:
        return fit_seeds(*arguments, **({"seeds": seeds, "engine": engine, "device": device} | options))

    return train
