"""The layer that hides padded steps, before the other layers of a built-in network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseflow.architectures.kind import ArchitectureKind, Layer, Shape

if TYPE_CHECKING:
    from noiseflow.study import Architecture


class StepsThere(Layer):
    """Sets padded steps to zero, their noise too, and gives layers that take one a mask of the real steps.

    The last feature says which steps are there: it is above 0.
    """

    def build(self) -> Any:
        """The layer itself."""
        import keras

        def there(x: Any) -> Any:
            return x[..., -1] > 0

        def blank(x: Any) -> Any:
            return x * keras.ops.cast(there(x)[..., None], x.dtype)

        mask = (lambda x, _mask: there(x)) if self.options["masks"] else None
        return keras.layers.Lambda(blank, mask=mask, name=self.name)

    def code(self, regularizers: Any = ()) -> str:
        """The layer as Python writes it."""
        mask = ", mask=lambda x, mask: x[..., -1] > 0" if self.options["masks"] else ""
        return f"keras.layers.Lambda(lambda x: x * keras.ops.cast(x[..., -1:] > 0, x.dtype){mask})"


def layers_for(kind: ArchitectureKind, architecture: Architecture, shape: Shape, *, masked: bool) -> list[Layer]:
    """The layers of a network that ships, between input and output, for rows of this shape.

    Args:
        masked: whether rows are sequences with a last feature that marks the real steps; the others are to be skipped.
    """
    hides = [StepsThere("steps_there", "Lambda", options={"masks": kind.heeds_mask})] if masked else []
    return [*hides, *kind.layers(architecture, shape)]
