"""Numbers of one injection that belong together: alike along time or space, or one for a whole channel or row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from noiseflow.noise.kind import Numbers

Tensor = Any
DRAWS = ("element", "channel", "row")
"""What gets its own random number: each element; each channel of a row, over all its steps or pixels; each row."""


@dataclass(frozen=True)
class Shaped:
    """Numbers drawn as an injection asks for, each standard normal or uniform by itself.

    Attributes:
        draws: one of DRAWS.
        ar1: the correlation of neighbouring steps, an autoregression of first order.
        length_scale: steps or pixels over which the correlation exp(-distance² / (2 · length_scale²)) falls.
    """

    numbers: Numbers
    draws: str = "element"
    ar1: float | None = None
    length_scale: float | None = None

    @property
    def scales(self) -> Sequence[Tensor]:
        """The strength of each site."""
        return self.numbers.scales

    def begin_second_pass(self) -> None:
        """A second pass of the same step begins."""
        self.numbers.begin_second_pass()

    def normal(self, stream: str, shape: Any, dtype: Any) -> Tensor:
        """Standard normal numbers, broadcastable to the shape."""
        from keras import ops

        z = self.numbers.normal(stream, self._shape_of_draws(shape), dtype)
        if self.ar1 is None and self.length_scale is None:
            return z
        for axis in range(1, len(shape) - 1):
            mixing = ops.convert_to_tensor(mixture(int(shape[axis]), self.ar1, self.length_scale), dtype)
            z = ops.moveaxis(ops.tensordot(mixing, z, [[1], [axis]]), 0, axis)
        return z

    def uniform(self, stream: str, shape: Any, dtype: Any) -> Tensor:
        """Numbers uniform in (0, 1), broadcastable to the shape; correlated ones are normal ones by their quantiles."""
        from keras import ops

        if self.ar1 is None and self.length_scale is None:
            return self.numbers.uniform(stream, self._shape_of_draws(shape), dtype)
        return 0.5 * (1 + ops.erf(self.normal(stream, shape, dtype) / 2**0.5))

    def _shape_of_draws(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        if self.draws == "element":
            return tuple(shape)
        inner = (1,) * (len(shape) - 2)
        return (shape[0], *inner, shape[-1] if self.draws == "channel" else 1)


def mixture(n: int, ar1: float | None, length_scale: float | None) -> Any:
    """A matrix (n, n) that makes numbers with the wanted correlation, each of variance 1, of independent ones.

    References:
        Box, Jenkins and Reinsel (2008), Time series analysis, section 3.2.3: the stationary autoregression.
    """
    step = np.subtract.outer(np.arange(n), np.arange(n)).astype(np.float64)
    if ar1 is not None:
        causal = np.where(step >= 0, np.float64(ar1) ** np.abs(step), 0.0)
        return causal * np.where(np.arange(n) > 0, np.sqrt(1 - ar1**2), 1.0)
    kernel = np.exp(-((step / (length_scale or 1.0)) ** 2))  # convolved with itself it falls half as fast
    return kernel / np.linalg.norm(kernel, axis=1, keepdims=True)
