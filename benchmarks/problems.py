"""What is measured: the data, the Keras model, the noise and the bars of each work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, make_circles

if TYPE_CHECKING:
    import keras  # the process that measures JAX loads no TensorFlow

Array = NDArray[Any]
N_SEEDS = 100
RECORD_EVERY = 10


class Data(NamedTuple):
    """Rows to train on, in one batch, and rows to test on: x (n_rows, ...), y (n_rows,)."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array


@dataclass(frozen=True)
class Work:
    """One line of the table.

    build: the compiled model; given a place, with a layer of noise there, as `Model.fit` needs it. place, stddev: the same
    as an injection for `fit_seeds`; no place, no noise. epochs: of ours and of JAX; screening_epochs: in which JAX' fastest
    variant is found. bar_fit, bar_jax: how many times as fast ours is to be, per seed and epoch; plain: the form of JAX that
    its bar is about, if not the fastest. normals: random numbers that a step draws.
    """

    title: str
    architecture: str
    data: Callable[[], Data]
    build: Callable[..., keras.Model]
    epochs: int
    screening_epochs: int
    bar_fit: float
    bar_jax: float
    place: str | None = None
    stddev: float = 0.0
    plain: str = ""
    normals: int = 0

    @property
    def multiply_adds(self) -> float:
        """Of one seed and epoch, in matrix products: forward, backward (none for the inputs), and the records' share."""
        data = self.data()
        forward, first = MULTIPLY_ADDS[self.architecture]
        rows, recorded = len(data.x), len(data.x) + len(data.x_test)
        return rows * (3 * forward - first) + recorded * forward / RECORD_EVERY


def circles() -> Data:
    """The tutorial's split: 30 and 70 points of two circles."""
    x, y = make_circles(100, noise=0.1, random_state=1)
    return _split(x, y, 30)


def digits() -> Data:
    """64 and 200 images of 8 x 8 x 1 in [0, 1], ten classes."""
    x, y = load_digits(return_X_y=True)
    return _split(x[:264].reshape(-1, 8, 8, 1) / 16, y[:264], 64)


def waves() -> Data:
    """64 and 200 sequences of 20 steps: a sine or a square wave of any phase, and the same a quarter later, in noise."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 264)
    period, phase = rng.uniform(8, 16, (264, 1, 1)), rng.uniform(0, 2 * np.pi, (264, 1, 1))
    angle = 2 * np.pi * np.arange(20)[:, None] / period + phase + np.array([0, np.pi / 2])
    clean = np.where(y[:, None, None] == 1, np.sign(np.sin(angle)), np.sqrt(2) * np.sin(angle))
    return _split(clean + rng.normal(0, 0.3, clean.shape), y, 64)


def _split(x: Array, y: Array, n_train: int) -> Data:
    x, y = x.astype("float32"), y.astype("float32")
    return Data(x[:n_train], y[:n_train], x[n_train:], y[n_train:])


def build_mlp(place: str | None = None) -> keras.Model:
    """The tutorial's network; with a place, Keras' own noise layer stands there."""
    from keras import layers

    return _compiled(
        (2,),
        layers.Dense(500),
        *_noise(place, "before_activation", 0.1),
        layers.Activation("relu"),
        *_noise(place, "after_activation", 0.1),
        layers.Dense(1, activation="sigmoid"),
    )


def build_cnn(place: str | None = None) -> keras.Model:
    """The tutorial's recipe for images."""
    from keras import layers

    return _compiled(
        (8, 8, 1),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2, name="pool"),
        *_noise(place, "after:pool", 0.1),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    )


def build_lstm(place: str | None = None) -> keras.Model:
    """The tutorial's recipe for sequences."""
    from keras import layers

    return _compiled(
        (20, 2),
        layers.LSTM(32),
        *_noise(place, "before_activation", 0.5),
        layers.Activation("relu"),
        layers.Dense(1, activation="sigmoid"),
    )


def _noise(wanted: str | None, here: str, stddev: float) -> list[keras.layers.Layer]:
    from keras import layers

    return [layers.GaussianNoise(stddev)] if wanted == here else []


def _compiled(shape: tuple[int, ...], *layers: keras.layers.Layer) -> keras.Model:
    from keras import Input, Sequential

    model = Sequential([Input(shape), *layers])
    loss = "binary_crossentropy" if model.output_shape[-1] == 1 else "sparse_categorical_crossentropy"
    model.compile(loss=loss, optimizer="adam", metrics=["accuracy"])
    return model


def _mlp(title: str, bar_fit: float, bar_jax: float, place: str | None = None) -> Work:
    return Work(
        title=title,
        architecture="mlp",
        data=circles,
        build=build_mlp,
        epochs=4000,
        screening_epochs=200,
        bar_fit=bar_fit,
        bar_jax=bar_jax,
        place=place,
        stddev=0.1,
        normals=0 if place is None else 30 * 500,
    )


MULTIPLY_ADDS = {
    "mlp": (2 * 500 + 500, 2 * 500),
    "cnn": (36 * 9 * 32 + 16 * 9 * 32 * 32 + 128 * 10, 36 * 9 * 32),
    "lstm": (20 * (2 + 32) * 128 + 32, 20 * 2 * 128),
}
"""For each architecture, of the forward pass of one row: all, and the first layer's own, which has no gradient to pass on."""

WORKS: dict[str, Work] = {
    "mlp-baseline": _mlp("tutorial MLP, baseline", 1500, 1),
    "mlp-before": _mlp("the same, noise 0.1 before the activation", 1000, 2, "before_activation"),
    "mlp-after": _mlp("the same, noise 0.1 after the activation", 1000, 2, "after_activation"),
    "cnn": Work(
        title="CNN recipe on digits, noise 0.1 after the pooling",
        architecture="cnn",
        data=digits,
        build=build_cnn,
        epochs=50,
        screening_epochs=10,
        bar_fit=20,
        bar_jax=5,
        place="after:pool",
        stddev=0.1,
        plain="convolution",
        normals=64 * 2 * 2 * 32,
    ),
    "lstm": Work(
        title="LSTM recipe on waves, noise 0.5 before the relu",
        architecture="lstm",
        data=waves,
        build=build_lstm,
        epochs=200,
        screening_epochs=20,
        bar_fit=20,
        bar_jax=1,
        place="before_activation",
        stddev=0.5,
        normals=64 * 32,
    ),
}
