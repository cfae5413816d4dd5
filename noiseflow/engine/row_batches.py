"""Data that comes in batches: a `tf.data.Dataset` or a `PyDataset`, read into arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class DataRead:
    """Rows as arrays, and how they are to be trained on."""

    x: Any
    y: Any
    sample_weight: Any
    batch_size: int
    shuffle: bool


def read_data(x: Any, y: Any, sample_weight: Any, batch_size: int, shuffle: bool, *, ordered: bool = True) -> DataRead:
    """The data of `fit_seeds` as arrays. A dataset is read, and its batches give the batch size.

    Args:
        ordered: whether the order of the rows matters, so that a second pass has to be looked at.

    Raises:
        ValueError: x is a dataset without end, of batches that differ in size, or of rows that change from pass to pass.
    """
    if not isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
        if hasattr(x, "__next__"):
            raise ValueError(f"x must be arrays, a tf.data.Dataset or a PyDataset; received a {type(x).__name__}")
        return DataRead(x, y, sample_weight, batch_size, shuffle)
    if y is not None or sample_weight is not None:
        raise ValueError(
            "y and sample_weight must be part of the dataset's batches where x is a dataset; received both"
        )
    first = list(_batches(x))
    if not first:
        raise ValueError("x must hold at least one batch; received an empty dataset")
    sizes = [len(keras.tree.flatten(batch)[0]) for batch in first]
    if ordered and (len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]):
        raise ValueError(
            f"x must be a dataset of batches of one size, the last may be smaller; received {sorted(set(sizes))}"
        )
    rows = _concatenated(first)
    moves = ordered and len(first) > 1 and not _equal(rows, again := _concatenated(list(_batches(x))))
    if moves and _sorted(rows) != _sorted(again):
        raise ValueError(
            "x must be a dataset that gives the same rows at each pass; received one with rows that change. Put what "
            "changes them at random (augmentation) into the model, as layers"
        )
    x_read, y_read, weight_read = keras.utils.unpack_x_y_sample_weight(rows)
    return DataRead(x_read, y_read, weight_read, sizes[0], bool(moves))


def _batches(x: Any) -> Iterator[Any]:
    if isinstance(x, tf.data.Dataset):
        if int(x.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise ValueError("x must be a dataset with an end; received one that repeats for ever. Drop .repeat()")
        yield from x.as_numpy_iterator()
        return
    if x.num_batches is None:
        raise ValueError("x must be a PyDataset with an end; received one with None as its number of batches")
    for i in range(x.num_batches):
        yield keras.tree.map_structure(np.asarray, x[i])


def _concatenated(batches: list[Any]) -> Any:
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


def _equal(one: Any, other: Any) -> bool:
    pairs = zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True)
    return all(a.shape == b.shape and (a == b).all() for a, b in pairs)


def _sorted(rows: Any) -> list[bytes]:
    flat = keras.tree.flatten(rows)
    return sorted(b"".join(part[i].tobytes() for part in flat) for i in range(len(flat[0])))
