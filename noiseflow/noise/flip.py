"""Flip: a label counts as another class."""

from __future__ import annotations

from typing import Any

from noiseflow.noise.kind import Kind, Numbers, shape_of

Tensor = Any


class Flip(Kind):
    """Flips labels: with probability `rate` a row counts as another class, all others being equally likely."""

    name = "flip"
    strength = "rate"
    places = ("labels",)
    labels = "classes"
    sentence = "with probability `rate` a row counts as one of the other classes, each as likely as the next"

    def apply_to_labels(self, y: Tensor, target: Any, strength: Tensor, numbers: Numbers, stream: str) -> Tensor:
        """The classes, replaced by another where a uniform number is below rate; a separate stream draws which one."""
        from keras import ops

        shape = shape_of(y)[:-1] if target.form == "one_hot" else shape_of(y)
        flips = numbers.uniform(stream, shape, strength.dtype) < strength
        if target.n_classes == 2:
            return flipped(y, target, flips, ops.zeros_like(flips, "int32"))
        uniform = numbers.uniform(f"{stream}_class", shape, strength.dtype)
        return flipped(y, target, flips, ops.cast(uniform * (target.n_classes - 1), "int32"))


def flipped(y: Tensor, target: Any, flips: Tensor, other: Tensor) -> Tensor:
    """The targets, flipped to another class where `flips` says so.

    Args:
        flips: bool, and
        other: int32, which of the other classes, counted from the row's own one; both of the classes' shape.
    """
    from keras import ops

    if y.dtype == bool:
        y = ops.cast(y, "int32")
    if target.form == "binary":
        return ops.where(flips, 1 - y, y)
    columns = ops.arange(target.n_classes, dtype="int32")
    one_hot = target.form == "one_hot"
    own = ops.sum(ops.cast(y, "int32") * columns, axis=-1) if one_hot else ops.cast(y, "int32")
    moved = own + 1 + ops.minimum(other, target.n_classes - 2)
    moved = ops.where(moved >= target.n_classes, moved - target.n_classes, moved)
    new = ops.where(flips, moved, own)
    return ops.cast(new[..., None] == columns if one_hot else new, y.dtype)
