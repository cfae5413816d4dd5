"""The controls, one file each: rivals to noise.

Importing it imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

from noiseflow.controls.early_stopping import EarlyStopping
from noiseflow.controls.kind import ControlKind
from noiseflow.controls.l2 import L2

CONTROLS: tuple[ControlKind, ...] = (L2(), EarlyStopping())
"""All kinds, in the order that they are documented in."""
__all__ = ["CONTROLS", "ControlKind", "control_kind"]


def control_kind(name: str) -> ControlKind:
    """The kind of this name."""
    return next(kind for kind in CONTROLS if kind.name == name)
