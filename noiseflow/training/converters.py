"""Operations that Keras uses and `tf.vectorized_map` cannot map: how they are mapped.

TensorFlow keeps a table from each kind of operation to a function that writes it for a whole stack; these entries are added to
it where they lack.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor


def _bitcast(conversion: Any) -> Any:
    """Between types of one width, as `keras.ops.argmax` uses it."""
    stacked = tf.bitcast(conversion.stacked_input(0), conversion.get_attr("type"))
    return pfor.wrap(stacked)


CONVERTERS = {"Bitcast": _bitcast}


def register() -> None:
    """Adds what lacks to TensorFlow's table."""
    for kind, convert in CONVERTERS.items():
        if kind not in pfor._pfor_converter_registry:  # noqa: SLF001
            pfor.RegisterPFor(kind)(convert)
