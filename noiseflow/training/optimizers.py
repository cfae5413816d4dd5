"""Keras' optimizers as pure functions of one replica."""

from __future__ import annotations

from typing import Any

import keras


def pure(optimizer: keras.optimizers.Optimizer) -> Any:
    """A new optimizer of the same settings whose `stateless_apply` works on TensorFlow.

    On TensorFlow, Keras' optimizers update through `tf.distribute`, which takes real variables and mixes what it is given.
    Without that layer they are what they are on the other backends: arithmetic on the values of one replica, so that what is
    not elementwise (clipping by norm, LAMB, Muon, Adafactor, a kernel's constraint) sees one seed's weights only.
    """
    backend, base = _parts(type(optimizer))
    plain = {name: getattr(base, name) for name in vars(backend) if not name.startswith("__") and hasattr(base, name)}
    undistributed = type("Undistributed", (backend,), plain)
    own = type(optimizer)  # comes first, so that what it overrides stays overridden
    made: Any = type(f"Pure{own.__name__}", (own, undistributed), {})
    return made.from_config(optimizer.get_config())


def _parts(optimizer: type) -> tuple[type, type]:
    """The class that Keras puts under its optimizers for TensorFlow, and the one that holds for all backends."""
    ancestors = {cls.__name__: cls for cls in optimizer.__mro__}
    return ancestors["TFOptimizer"], ancestors["BaseOptimizer"]
