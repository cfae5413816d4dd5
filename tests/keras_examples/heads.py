"""The rows that the models train on, and the outputs that they share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

L, K = keras.layers, keras.ops
ROWS = 16
rng = np.random.default_rng(11)

VECTORS = rng.normal(size=(ROWS, 6))
IMAGES = rng.uniform(size=(ROWS, 8, 8, 2))
SERIES = rng.normal(size=(ROWS, 8, 3))
VIDEOS = rng.uniform(size=(ROWS, 3, 6, 6, 1))
WORDS = rng.integers(1, 12, (ROWS, 8))
PADDED = np.where(np.arange(8) < rng.integers(3, 9, (ROWS, 1)), WORDS, 0)
REALS = VECTORS[:, :1] - IMAGES.mean((1, 2, 3))[:, None]
CLASSES = rng.integers(0, 3, ROWS)
BITS = (WORDS.sum(1) % 2)[:, None] * 1.0


def classifier(inputs: Any, x: Any, optimizer: Any = "adam") -> keras.Model:
    """The model with a head for three classes."""
    model = keras.Model(inputs, L.Dense(3, activation="softmax", name="head")(x))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def binary(inputs: Any, x: Any, optimizer: Any = "adam") -> keras.Model:
    """The model with a head for yes or no."""
    model = keras.Model(inputs, L.Dense(1, activation="sigmoid", name="head")(x))
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def regressor(inputs: Any, x: Any, optimizer: Any = "adam") -> keras.Model:
    """The model with a head for a number."""
    model = keras.Model(inputs, L.Dense(1, name="head")(x))
    model.compile(optimizer, "mse")
    return model
