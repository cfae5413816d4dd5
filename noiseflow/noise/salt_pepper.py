"""Salt and pepper: elements become the smallest or the largest number of their row."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of


class SaltPepper(Kind):
    """A share `rate` of the elements becomes an extreme of its row: half the smallest number there, half the largest.

    A row is a sample: an image, a series, a line of a table.
    """

    name = "salt_pepper"
    strength = "rate"
    sentence = (
        "a share `rate` of the elements becomes an extreme of its row (an image, a series): half of them the smallest number "
        "there, half the largest"
    )

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The least of a row where a uniform number is below rate / 2, the largest where it is below rate, else x."""
        from keras import ops

        axes = tuple(range(1, len(x.shape)))
        uniform = numbers.uniform(stream, shape_of(x), x.dtype)
        extreme = ops.where(uniform < strength / 2, ops.amin(x, axes, keepdims=True), ops.amax(x, axes, keepdims=True))
        return ops.where(uniform < strength, extreme, x)

    def expression(self, strength: float) -> str:
        axes = "axis=range(1, len(x.shape)), keepdims=True"
        extreme = f"keras.ops.where(u < {strength / 2:g}, keras.ops.amin(x, {axes}), keras.ops.amax(x, {axes}))"
        return f"keras.ops.where((u := keras.random.uniform(keras.ops.shape(x))) < {strength:g}, {extreme}, x)"

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        axes = tuple(range(1, x.ndim))
        low, high = x.min(axes, keepdims=True), x.max(axes, keepdims=True)
        mean = (1 - strength) * x + strength * (low + high) / 2
        return mean, (1 - strength) * x**2 + strength * (low**2 + high**2) / 2 - mean**2
