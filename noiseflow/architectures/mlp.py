"""MLP: Dense layers with an activation."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from noiseflow.architectures.kind import ACTIVATION, UNITS, ArchitectureKind, Layer, Shape
from noiseflow.base.values import setting

if TYPE_CHECKING:
    from noiseflow.study import Architecture


class Mlp(ArchitectureKind):
    """Dense layers with an activation, on rows of any shape."""

    name = "mlp"
    sentence = "Dense layers with an activation"
    settings = {"units": (500,), "activation": "relu", "initial_stddev": None}
    fields = {
        **UNITS,
        **ACTIVATION,
        "initial_stddev": setting(
            float,
            "Standard deviation of the normal initial weights of an mlp's hidden layers; Keras' glorot_uniform unless given",
            0.1,
            gt=0,
            le=100,
        ),
    }
    noise_after = "`hidden_1`, `hidden_2`, …"
    multiply_adds_a_second = 13e9

    def layers(self, architecture: Architecture, shape: Shape | None = None) -> list[Layer]:
        """Rows of more than one axis are flattened first."""
        stddev = architecture.initial_stddev
        drawn = {"class_name": "RandomNormal", "config": {"stddev": stddev}}
        options = {} if stddev is None else {"kernel_initializer": drawn}
        hidden = [
            Layer(f"hidden_{i}", "Dense", (units,), options, architecture.activation, kernels=("kernel",))
            for i, units in enumerate(architecture.units, start=1)
        ]
        return hidden if shape is None or len(shape) == 1 else [Layer("flatten", "Flatten"), *hidden]

    def n_inputs(self, shape: Shape) -> int:
        return prod(shape)

    def n_weights(self, architecture: Architecture, n_inputs: int) -> int:
        return sum(a * b for a, b in pairwise((n_inputs, *architecture.units)))

    def cost(self, architecture: Architecture, shape: Shape, n_outputs: int) -> tuple[float, float]:
        """A multiply-add a weight; noise in each hidden layer."""
        widths = [prod(shape), *architecture.units, n_outputs]
        return sum(a * b for a, b in pairwise(widths)), sum(widths[1:-1])
