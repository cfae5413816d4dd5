"""The kinds of noise, one file each, and how noise is put into a Keras model.

Importing it imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseflow.noise.alpha_dropout import AlphaDropout
from noiseflow.noise.dropout import Dropout
from noiseflow.noise.flip import Flip
from noiseflow.noise.gaussian import Gaussian
from noiseflow.noise.gaussian_dropout import GaussianDropout
from noiseflow.noise.kind import OUTSIDE, PLACES, Kind
from noiseflow.noise.mask import Mask
from noiseflow.noise.neftune import Neftune
from noiseflow.noise.salt_pepper import SaltPepper
from noiseflow.noise.speckle import Speckle
from noiseflow.noise.time_shift import TimeShift
from noiseflow.noise.time_warp import TimeWarp
from noiseflow.noise.uniform import Uniform

if TYPE_CHECKING:
    from noiseflow.noise.survey import hidden_activations

KINDS: tuple[Kind, ...] = (
    Gaussian(),
    Uniform(),
    Speckle(),
    GaussianDropout(),
    Dropout(),
    AlphaDropout(),
    Mask(),
    SaltPepper(),
    TimeShift(),
    TimeWarp(),
    Neftune(),
    Flip(),
)
"""All kinds, in the order that they are documented in."""
__all__ = ["KINDS", "OUTSIDE", "PLACES", "Kind", "hidden_activations", "kind_of"]


def kind_of(name: str) -> Kind:
    """The kind of this name."""
    return next(kind for kind in KINDS if kind.name == name)


def __getattr__(name: str) -> Any:
    if name == "hidden_activations":
        from noiseflow.noise.survey import hidden_activations

        return hidden_activations
    raise AttributeError(name)
