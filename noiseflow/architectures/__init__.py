"""The networks, a file for each kind of architecture.

Importing it imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

from noiseflow.architectures.cnn import Cnn
from noiseflow.architectures.entry_point import EntryPointModel
from noiseflow.architectures.file import File
from noiseflow.architectures.kind import ArchitectureKind, Layer
from noiseflow.architectures.lstm import Lstm
from noiseflow.architectures.mlp import Mlp

ARCHITECTURES: tuple[ArchitectureKind, ...] = (Mlp(), Cnn(), Lstm(), File(), EntryPointModel())
"""All kinds, in the order that they are documented in."""
__all__ = ["ARCHITECTURES", "ArchitectureKind", "Layer", "architecture_kind"]


def architecture_kind(name: str) -> ArchitectureKind:
    """The kind of this name."""
    return next(kind for kind in ARCHITECTURES if kind.name == name)
