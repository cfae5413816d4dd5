"""What running out of memory looks like, and what is then done."""

from __future__ import annotations

import tensorflow as tf

from noiseflow.engine.halving import SeedTooLargeError, halves

__all__ = ["OUT_OF_MEMORY", "SeedTooLargeError", "halves"]

OUT_OF_MEMORY = (tf.errors.ResourceExhaustedError, MemoryError)
