"""CNN: convolutions and a pooling."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from noiseflow.architectures.kind import ACTIVATION, ArchitectureKind, Layer, Shape, Units
from noiseflow.base.values import setting

if TYPE_CHECKING:
    from noiseflow.study import Architecture


class Cnn(ArchitectureKind):
    """The tutorial's recipe, in which noise goes after the layer `pool`."""

    name = "cnn"
    sentence = "Conv2D layers and a MaxPooling2D called pool"
    settings = {"filters": (32, 32), "kernel_size": 3, "activation": "relu"}
    fields = {
        "filters": setting(
            tuple[Units, ...], "Filters of each convolution of a cnn", [32, 32], min_length=1, max_length=32
        ),
        "kernel_size": setting(int, "Height and width of each convolution's kernel", 3, ge=1, le=99),
        **ACTIVATION,
    }
    axes = ("height", "width", "channels")
    noise_after = "`conv_1`, …, `pool`, `flatten`"
    multiply_adds_a_second = 34e9

    def layers(self, architecture: Architecture, shape: Shape | None = None) -> list[Layer]:
        """Convolutions that keep height and width, then a pooling."""
        size, activation = architecture.kernel_size, architecture.activation
        convolutions = [
            Layer(f"conv_{i}", "Conv2D", (filters, size), {"padding": "same"}, activation, ("kernel",))
            for i, filters in enumerate(architecture.filters, start=1)
        ]
        return [*convolutions, Layer("pool", "MaxPooling2D"), Layer("flatten", "Flatten")]

    def n_weights(self, architecture: Architecture, n_inputs: int) -> int:
        return sum(a * b for a, b in pairwise((n_inputs, *architecture.filters))) * int(architecture.kernel_size) ** 2

    def cost(self, architecture: Architecture, shape: Shape, n_outputs: int) -> tuple[float, float]:
        """A multiply-add a weight and pixel; noise on what is pooled."""
        filters, kernel = [shape[-1], *architecture.filters], architecture.kernel_size
        pixels = prod(shape[:-1])
        pooled = pixels / 4 * filters[-1]
        return sum(pixels * kernel**2 * a * b for a, b in pairwise(filters)) + pooled * n_outputs, pooled
