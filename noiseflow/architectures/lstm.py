"""LSTM: recurrent layers, the last followed by an activation."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from noiseflow.architectures.kind import ACTIVATION, UNITS, ArchitectureKind, Layer, Shape

if TYPE_CHECKING:
    from noiseflow.study import Architecture


class Lstm(ArchitectureKind):
    """The tutorial's recipe, with noise between the LSTM and its separate relu: before_activation."""

    name = "lstm"
    sentence = "LSTM layers, the last followed by an activation"
    settings = {"units": (32,), "activation": "relu"}
    fields = {**UNITS, **ACTIVATION}
    axes = ("steps", "features")
    noise_after = "`lstm`, `lstm_1`, …, `activation`"
    multiply_adds_a_second = 10e9
    heeds_mask = True

    def layers(self, architecture: Architecture, shape: Shape | None = None) -> list[Layer]:
        """All but the last hand on every step."""
        *inner, last = [
            Layer("lstm" if i == 0 else f"lstm_{i}", "LSTM", (units,), kernels=("kernel", "recurrent"))
            for i, units in enumerate(architecture.units)
        ]
        inner = [
            Layer(one.name, one.call, one.arguments, {"return_sequences": True}, None, one.kernels) for one in inner
        ]
        return [*inner, last, Layer("activation", "Activation", (architecture.activation,))]

    def n_weights(self, architecture: Architecture, n_inputs: int) -> int:
        """Four gates, and each reads the layer's own state too."""
        inner = sum(a * b for a, b in pairwise((n_inputs, *architecture.units)))
        return int(4 * (inner + sum(width * width for width in architecture.units)))

    def cost(self, architecture: Architecture, shape: Shape, n_outputs: int) -> tuple[float, float]:
        """A multiply-add a weight and step; noise on what the last step gives."""
        widths = [shape[-1], *architecture.units]
        return sum(shape[0] * 4 * b * (a + b) for a, b in pairwise(widths)) + widths[-1] * n_outputs, widths[-1]
