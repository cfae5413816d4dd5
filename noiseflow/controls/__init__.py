"""The controls, one file each: rivals to noise.

Importing it imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

from noiseflow.controls.batch_normalization import BatchNormalization
from noiseflow.controls.best_epoch import BestEpoch
from noiseflow.controls.early_stopping import EarlyStopping
from noiseflow.controls.kind import ControlKind
from noiseflow.controls.l2 import L2
from noiseflow.controls.label_smoothing import LabelSmoothing
from noiseflow.controls.max_norm import MaxNorm
from noiseflow.controls.mixup import Mixup
from noiseflow.controls.sam import Sam
from noiseflow.controls.weight_averaging import WeightAveraging

CONTROLS: tuple[ControlKind, ...] = (
    L2(),
    MaxNorm(),
    LabelSmoothing(),
    Mixup(),
    Sam(),
    WeightAveraging(),
    BatchNormalization(),
    EarlyStopping(),
    BestEpoch(),
)
"""All kinds, in the order that they are documented in."""
__all__ = ["CONTROLS", "ControlKind", "control_kind"]


def control_kind(name: str) -> ControlKind:
    """The kind of this name."""
    return next(kind for kind in CONTROLS if kind.name == name)
