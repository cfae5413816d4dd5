"""NEFTune: uniform noise on embeddings that shrinks with their size."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of


class Neftune(Kind):
    """Adds numbers uniform within ± alpha / √(L · d) to what an embedding gives for L words of d numbers.

    L is the length that the model is given, padding included.

    References:
        Jain et al. (2024), NEFTune: noisy embeddings improve instruction finetuning, algorithm 1.
    """

    name = "neftune"
    strength = "alpha"
    places = ("after",)
    n_axes = (3,)
    sentence = "adds numbers uniform within ± alpha / √(L · d) to the embeddings of L words of d numbers"

    def apply(self, x: Any, strength: Any, numbers: Numbers, stream: str) -> Any:
        """The tensor plus alpha / √(L · d) times a number uniform in (-1, 1)."""
        from keras import ops

        size = ops.sqrt(ops.cast(x.shape[1] * x.shape[2], x.dtype))
        return x + strength / size * (2 * numbers.uniform(stream, shape_of(x), x.dtype) - 1)

    def expression(self, strength: float) -> str:
        return f"x + {strength:g} / (x.shape[1] * x.shape[2]) ** 0.5 * keras.random.uniform(keras.ops.shape(x), -1, 1)"

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        return x, 0 * x + strength**2 / (3 * x.shape[1] * x.shape[2])
