"""What a kind of noise is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Tensor = Any
PLACES = {
    "input": "on the inputs",
    "before_activation": "between each hidden layer and its activation",
    "after_activation": "after the activation of each hidden layer",
    "after:<layer>": "after the layer of that name, nested ones included: `after:encoder/dense`",
    "recurrent_state": "on the state that a recurrent layer hands from step to step",
    "labels": "on the targets",
    "weights": "on the trainable weights while the gradient is computed",
    "gradients": "on the gradients; its variance falls as stddev² / (1 + step)^decay",
}
"""The places in words."""
OUTSIDE = ("labels", "weights", "gradients")
"""Places outside the model, which no Keras layer reaches."""
STEPS_THERE = "steps_there"
"""Name of the layer of `architectures/steps.py` that hides padded steps: the last feature of such a step is not above 0."""
STATE = "recurrent_state"
WITHIN = tuple(place.partition(":")[0] for place in PLACES if place not in (*OUTSIDE, STATE))
"""Places within the model that tensors flow through; `after` means `after:<layer>`."""


class Numbers(Protocol):
    """Where random numbers come from: streams of a replica, or Keras' own generators."""

    @property
    def scales(self) -> Sequence[Tensor]:
        """The strength of each site, scalars."""

    def begin_second_pass(self) -> None:
        """A second pass of the same step begins; streams of replicas give it the same numbers."""

    def normal(self, stream: str, shape: Any, dtype: Any) -> Tensor:
        """Standard normal numbers of the stream of this name."""

    def uniform(self, stream: str, shape: Any, dtype: Any) -> Tensor:
        """Numbers uniform in (0, 1)."""


class Kind:
    """A kind of noise; each is a class in its own file, and a line in `KINDS`.

    Attributes:
        name: as a study writes it.
        strength: the key of its strength, `stddev`, `rate` or `alpha`.
        places: where it can be.
        n_axes: how many axes the tensor there may have, rows included; any number if empty.
        elementwise: whether each element takes its own number, so that columns, `draws` and a correlation make sense.
        keras_layer: the Keras layer that does the same within a model; None where there is none.
        adds: whether it adds numbers in the units of the signal, so that its strength can be relative to the signal's
            spread and have a mean.
        labels: what targets it takes at the place `labels`, `classes` or `values`; None where it is not for that place.
        sentence: what it does, for the docs.
    """

    name: str
    strength: str
    places: tuple[str, ...] = WITHIN
    n_axes: tuple[int, ...] = ()
    elementwise: bool = True
    keras_layer: str | None = None
    adds: bool = False
    labels: str | None = None
    sentence: str

    def apply(self, x: Tensor, strength: Tensor, numbers: Numbers, stream: str) -> Tensor:
        """The tensor with noise, at train time.

        Args:
            x: what flows at the place; any shape.
            strength: scalar, or one number for each entry of the last axis.
            numbers: for this step.
            stream: the name of the site's numbers.
        """
        raise NotImplementedError

    def layer(self, strength: float) -> str | None:
        """The Keras layer that does the same, as code; None where Keras has none of this strength."""
        return None if self.keras_layer is None else f"keras.layers.{self.keras_layer}({strength:g})"

    def expression(self, strength: float) -> str | None:
        """What it makes of a tensor `x` at train time, as code, where Keras has no layer; None where that is too long."""
        return None

    def moments(self, x: Any, strength: float) -> tuple[Any, Any]:
        """Mean and variance of each element of an array (n_rows, ...) with noise, in closed form; of x's shape each."""
        raise NotImplementedError

    def apply_to_labels(self, y: Tensor, target: Any, strength: Tensor, numbers: Numbers, stream: str) -> Tensor:
        """The targets that the minimised loss compares with, at train time.

        Args:
            y: targets of one output; any shape.
            target: how they give the class (`engine.sites.Target`).
            strength, numbers, stream: as for `apply`.
        """
        raise NotImplementedError


def shape_of(x: Tensor) -> tuple[Any, ...]:
    """The shape of a tensor: a number for each axis that is known, else a tensor."""
    from keras import ops

    return tuple(ops.shape(x))


def resampled(x: Tensor, positions: Tensor) -> Tensor:
    """Series read at other times: between two steps interpolated, beyond the ends held.

    Args:
        x: (n_rows, n_steps, n_features).
        positions: (n_rows, n_steps), in steps.
    """
    import tensorflow as tf

    last = x.shape[1] - 1
    at = tf.clip_by_value(positions, 0.0, float(last))
    before = tf.floor(at)
    first = tf.cast(before, tf.int32)
    share = (at - before)[..., None]
    start, end = (tf.gather(x, i, batch_dims=1) for i in (first, tf.minimum(first + 1, last)))
    return start + share * (end - start)
