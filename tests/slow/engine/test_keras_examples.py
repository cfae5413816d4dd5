"""Models of keras.io's examples, by their architecture: `fit_seeds` trains each as `Model.fit` does, bare and with noise.

The code is our own, and everything is small: few units, few rows, tiny images. Where an example draws random numbers
(dropout, sampling, augmentation), its losses have nothing to be compared with; there it is checked that it runs on the
vectorised engine, repeats, and predicts as Keras does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from noiseflow import Injection, fit_seeds
from noiseflow.engine.keras_state import build_seeded, floatx, seeded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
L, K = keras.layers, keras.ops
SEEDS, EPOCHS, ROWS, BATCH = [3, 4], 3, 16, 8
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


# -- structured data ---------------------------------------------------------------------------------------------------------


def mlp() -> keras.Model:
    inputs = keras.Input((6,))
    return classifier(inputs, L.Dense(6, activation="relu")(L.Dense(8, activation="relu", name="first")(inputs)))


def structured_data() -> keras.Model:
    """Numbers, normalised, and categories, embedded; inputs are a dict."""
    numbers, kind = keras.Input((4,), name="numbers"), keras.Input((1,), name="kind", dtype="int32")
    normalization = L.Normalization()
    normalization.adapt(VECTORS[:, :4])
    x = L.Concatenate()([normalization(numbers), L.Flatten()(L.Embedding(12, 3)(kind))])
    return binary({"numbers": numbers, "kind": kind}, L.Dense(8, activation="relu", name="first")(x), "rmsprop")


def wide_and_deep() -> keras.Model:
    numbers, kind = keras.Input((4,), name="numbers"), keras.Input((1,), name="kind", dtype="int32")
    one_hot = L.Flatten()(L.CategoryEncoding(12, output_mode="one_hot")(kind))
    wide = L.BatchNormalization()(L.Concatenate()([numbers, one_hot]))
    deep = L.ReLU()(L.BatchNormalization()(L.Dense(6, name="first")(numbers)))
    return binary([numbers, kind], L.Concatenate()([wide, deep]), keras.optimizers.Adagrad(0.05))


def deep_and_cross() -> keras.Model:
    inputs = keras.Input((6,))
    x = inputs
    for _ in range(2):
        x = inputs * L.Dense(6)(x) + x
    deep = L.Dense(5, activation="selu", name="first")(inputs)
    return regressor(inputs, L.Concatenate()([L.BatchNormalization()(x), deep]))


class GatedResidual(keras.layers.Layer):
    """Of the gated residual networks; without `get_config`."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.elu, self.linear = L.Dense(units, activation="elu"), L.Dense(units)
        self.gate, self.value, self.norm = L.Dense(units, activation="sigmoid"), L.Dense(units), L.LayerNormalization()
        self.project = L.Dense(units)

    def call(self, inputs: Any) -> Any:
        x = self.linear(self.elu(inputs))
        return self.norm(self.project(inputs) + self.gate(x) * self.value(x))


def gated_residual() -> keras.Model:
    """With variable selection: features by a network that they share, and their weighted sum."""
    inputs = keras.Input((6,))
    features = [inputs[:, i : i + 2] for i in (0, 2, 4)]
    weights = K.expand_dims(L.Softmax()(GatedResidual(3)(inputs)), -1)
    of_feature = GatedResidual(4)
    x = K.sum(weights * K.stack([of_feature(f) for f in features], axis=1), axis=1)
    return regressor(inputs, L.Dense(4, activation="relu", name="first")(x))


class Recommender(keras.Model):
    """Collaborative filtering: subclassed, without a training argument."""

    def __init__(self) -> None:
        super().__init__()
        self.user = L.Embedding(12, 4, embeddings_regularizer=keras.regularizers.L2(1e-3), name="first")
        self.user_bias, self.item = L.Embedding(12, 1), L.Embedding(12, 4)

    def call(self, inputs: Any) -> Any:
        user, item = self.user(inputs[:, 0]), self.item(inputs[:, 1])
        return K.sigmoid(K.sum(user * item, axis=1, keepdims=True) + self.user_bias(inputs[:, 0]))


def recommender() -> keras.Model:
    model = Recommender()
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
    return model


# -- images ------------------------------------------------------------------------------------------------------------------


def convnet() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            L.Conv2D(4, 3, activation="relu", name="first"),
            L.MaxPooling2D(2),
            L.Conv2D(6, 2, activation="relu"),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def residual() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same", name="first")(inputs)))
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, strides=2, padding="same")(x)))
    x = L.Add()([L.Conv2D(4, 1, strides=2)(x), L.Conv2D(4, 3, padding="same")(y)])
    return classifier(inputs, L.GlobalAveragePooling2D()(L.ReLU()(x)), keras.optimizers.SGD(0.05, momentum=0.9))


def xception() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = before = L.Activation("relu")(L.Conv2D(4, 3, padding="same", name="first")(L.Rescaling(2.0, -1.0)(inputs)))
    for units in (5, 6):
        x = L.BatchNormalization()(L.SeparableConv2D(units, 3, padding="same")(L.Activation("relu")(x)))
        x = L.MaxPooling2D(3, strides=2, padding="same")(x)
        before = x = x + L.Conv2D(units, 1, strides=2, padding="same")(before)
    return classifier(inputs, L.GlobalAveragePooling2D()(x))


def squeeze_and_excite() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.Conv2D(6, 1, activation="hard_swish", name="first")(inputs)
    x = L.Activation("relu6")(L.DepthwiseConv2D(3, strides=2, padding="same")(x))
    gate = L.Dense(6, activation="sigmoid")(L.Dense(3, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(x)))
    return classifier(inputs, L.GlobalMaxPooling2D()(L.Multiply()([x, gate])))


def inception() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    branches = [
        L.Conv2D(3, 1, activation="relu", name="first")(inputs),
        L.Conv2D(3, 3, padding="same", activation="relu")(L.Conv2D(2, 1)(inputs)),
        L.Conv2D(2, (1, 5), padding="same", activation="relu")(inputs),
        L.Conv2D(2, 1)(L.AveragePooling2D(3, strides=1, padding="same")(inputs)),
    ]
    return classifier(inputs, L.Flatten()(L.AveragePooling2D(4)(L.Concatenate()(branches))))


def unet() -> keras.Model:
    """A class for each pixel."""
    inputs = keras.Input((8, 8, 2))
    top = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(inputs)
    x = L.Conv2D(6, 3, padding="same", activation="relu")(L.MaxPooling2D(2)(top))
    x = L.UpSampling2D(2)(L.Conv2DTranspose(4, 3, padding="same", activation="relu")(x))
    x = L.Conv2DTranspose(4, 2, activation="relu")(L.Concatenate()([x, top]))
    x = L.Conv2D(2, 3, padding="same", activation="softmax")(L.Cropping2D(((0, 1), (1, 0)))(x))
    model = keras.Model(inputs, x)
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convmixer() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.BatchNormalization()(L.Conv2D(4, 2, strides=2, activation="gelu", name="first")(inputs))
    y = L.BatchNormalization()(L.Activation("gelu")(L.DepthwiseConv2D(3, padding="same")(x)))
    x = L.BatchNormalization()(L.Conv2D(4, 1, activation="gelu")(L.Add()([y, x])))
    return classifier(inputs, L.GlobalAveragePooling2D()(x), keras.optimizers.AdamW(0.01, weight_decay=0.01))


class Patches(keras.layers.Layer):
    """Cuts images into patches of 4 × 4; without `get_config`."""

    def call(self, images: Any) -> Any:
        patches = K.image.extract_patches(images, size=4)
        return K.reshape(patches, (K.shape(images)[0], 4, 32))


def mlp_mixer() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.Dense(6, name="first")(Patches()(inputs))
    mixed = L.Permute((2, 1))(L.Dense(4, activation="gelu")(L.Permute((2, 1))(L.LayerNormalization()(x))))
    x = x + mixed
    x = x + L.Dense(6, activation="gelu")(L.LayerNormalization()(x))
    return classifier(inputs, L.GlobalAveragePooling1D()(x))


class PatchEncoder(keras.layers.Layer):
    """Projects patches, puts a class token in front and adds the positions' embeddings; without `get_config`."""

    def __init__(self, n_patches: int, units: int) -> None:
        super().__init__()
        self.n_patches = n_patches
        self.project, self.position = L.Dense(units), L.Embedding(n_patches + 1, units)
        self.token = self.add_weight(shape=(1, 1, units), initializer="random_normal")

    def call(self, patches: Any) -> Any:
        token = K.tile(self.token, (K.shape(patches)[0], 1, 1))
        x = K.concatenate([token, self.project(patches)], axis=1)
        return x + self.position(K.arange(self.n_patches + 1))


def vision_transformer() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = PatchEncoder(4, 6)(Patches(name="first")(inputs))
    y = L.LayerNormalization(epsilon=1e-6)(x)
    x = x + L.MultiHeadAttention(2, 3)(y, y)
    x = x + L.Dense(6, activation="gelu")(L.LayerNormalization(epsilon=1e-6)(x))
    return classifier(inputs, L.LayerNormalization()(x)[:, 0], keras.optimizers.AdamW(0.01))


def normalizations() -> keras.Model:
    """Of the generators and discriminators: spectral and group normalisation."""
    inputs = keras.Input((8, 8, 2))
    x = L.LeakyReLU(negative_slope=0.2)(L.Conv2D(4, 3, strides=2, padding="same", name="first")(inputs))
    x = L.Activation("swish")(L.GroupNormalization(2)(x))
    x = L.Flatten()(L.UnitNormalization()(x))
    return binary(inputs, L.SpectralNormalization(L.Dense(5, activation="tanh"))(x))


# -- sequences and texts -----------------------------------------------------------------------------------------------------


class TokenAndPositionEmbedding(keras.layers.Layer):
    """Without `get_config`."""

    def __init__(self, length: int, words: int, units: int) -> None:
        super().__init__()
        self.token, self.position = L.Embedding(words, units), L.Embedding(length, units)

    def call(self, x: Any) -> Any:
        return self.token(x) + self.position(K.arange(0, K.shape(x)[-1]))


class TransformerBlock(keras.layers.Layer):
    """Without `get_config`; dropout is the caller's."""

    def __init__(self, units: int, heads: int, rate: float = 0.0) -> None:
        super().__init__()
        self.attention = L.MultiHeadAttention(heads, units)
        self.forward = keras.Sequential([L.Dense(units, activation="relu"), L.Dense(units)])
        self.norms = [L.LayerNormalization(epsilon=1e-6), L.LayerNormalization(epsilon=1e-6)]
        self.dropout = L.Dropout(rate)

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = self.norms[0](inputs + self.dropout(self.attention(inputs, inputs), training=training))
        return self.norms[1](x + self.forward(x))


def text_transformer(rate: float = 0.0, optimizer: Any = "adam") -> keras.Model:
    inputs = keras.Input((8,))
    embedding = TokenAndPositionEmbedding(8, 12, 4)
    x = L.GlobalAveragePooling1D()(TransformerBlock(4, 2, rate)(embedding(inputs)))
    return classifier(inputs, L.Dense(4, activation="relu", name="first")(x), optimizer)


def bidirectional_lstm() -> keras.Model:
    inputs = keras.Input((None,), dtype="int32")
    x = L.Bidirectional(L.LSTM(3))(L.Embedding(12, 4, name="first")(inputs))
    return binary(inputs, x)


def gru_with_masking() -> keras.Model:
    inputs = keras.Input((8,), dtype="int32")
    x = L.Embedding(12, 4, mask_zero=True, name="first")(inputs)
    return binary(inputs, L.GRU(4)(x), keras.optimizers.SGD(0.1))


def text_convnet() -> keras.Model:
    inputs = keras.Input((8,), dtype="int64")
    x = L.Conv1D(5, 3, strides=2, activation="relu", name="first")(L.Embedding(12, 4)(inputs))
    return binary(inputs, L.GlobalMaxPooling1D()(x), keras.optimizers.SGD(0.1))


def tab_transformer() -> keras.Model:
    """Attention over the embeddings of categories, in `EinsumDense` and a gated unit."""
    inputs = keras.Input((8,), dtype="int32")
    x = L.Embedding(12, 4)(inputs)
    x = L.LayerNormalization()(x + L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True))
    u, v = K.split(L.EinsumDense("abc,cd->abd", output_shape=(8, 6), activation="gelu", name="first")(x), 2, axis=-1)
    v = L.EinsumDense("abc,bd->adc", output_shape=(8, 3), bias_axes="d")(v)
    return classifier(inputs, L.Flatten()(u * v), keras.optimizers.SGD(0.1))


def series_transformer() -> keras.Model:
    inputs = keras.Input((8, 3))
    x = L.LayerNormalization()(inputs + L.MultiHeadAttention(2, 3)(inputs, inputs))
    x = L.Conv1D(3, 1)(L.Conv1D(4, 1, activation="relu", name="first")(x)) + x
    return classifier(inputs, L.GlobalAveragePooling1D(data_format="channels_first")(x))


def wavenet() -> keras.Model:
    inputs = keras.Input((8, 3))
    x, skips = L.Conv1D(4, 1, name="first")(inputs), []
    for rate in (1, 2, 4):
        convolved = [L.Conv1D(4, 2, padding="causal", dilation_rate=rate, activation=a)(x) for a in ("tanh", "sigmoid")]
        gated = L.Multiply()(convolved)
        skips.append(L.Conv1D(4, 1)(gated))
        x = L.Add()([x, skips[-1]])
    return regressor(inputs, L.Flatten()(L.ReLU()(L.Add()(skips))))


def seq2seq_attention() -> keras.Model:
    """The decoder starts from the encoder's states and looks at its steps, in two ways."""
    inputs = keras.Input((8, 3))
    encoded, h, c = L.LSTM(4, return_sequences=True, return_state=True, name="first")(inputs)
    decoded = L.LSTM(4, return_sequences=True)(inputs[:, ::2], initial_state=[h, c])
    seen = L.Concatenate()([L.Attention(use_scale=True)([decoded, encoded]), L.AdditiveAttention()([decoded, encoded])])
    return regressor(inputs, L.Flatten()(L.TimeDistributed(L.Dense(2, activation="tanh"))(seen)))


def video() -> keras.Model:
    inputs = keras.Input((3, 6, 6, 1))
    encoder = keras.Sequential([L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(2), L.Flatten()])
    x = L.TimeDistributed(encoder, name="first")(inputs)
    return classifier(inputs, L.LSTM(4)(x))


def next_frame() -> keras.Model:
    inputs = keras.Input((3, 6, 6, 1))
    x = L.BatchNormalization()(L.ConvLSTM2D(2, 3, padding="same", return_sequences=True, name="first")(inputs))
    model = keras.Model(inputs, L.Conv3D(1, 3, activation="sigmoid", padding="same")(x))
    model.compile("adam", "binary_crossentropy")
    return model


# -- autoencoders, several inputs or outputs, losses of one's own ------------------------------------------------------------


def sparse_autoencoder() -> keras.Model:
    inputs = keras.Input((6,))
    code = L.Dense(4, activation="relu", activity_regularizer=keras.regularizers.L1(0.01), name="first")(inputs)
    model = keras.Model(inputs, L.Dense(6)(code))
    model.compile("adam", "mse")
    return model


def conv_autoencoder() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.MaxPooling2D(2, padding="same")(L.Conv2D(4, 3, activation="relu", padding="same", name="first")(inputs))
    x = L.Conv2DTranspose(4, 3, strides=2, activation="relu", padding="same")(x)
    model = keras.Model(inputs, L.Conv2D(2, 3, activation="sigmoid", padding="same")(x))
    model.compile("adam", "binary_crossentropy")
    return model


def anomaly_autoencoder() -> keras.Model:
    inputs = keras.Input((8, 3))
    x = L.Conv1D(4, 3, strides=2, activation="relu", padding="same", name="first")(inputs)
    model = keras.Model(inputs, L.Conv1DTranspose(3, 3, strides=2, padding="same")(x))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


class Sampling(keras.layers.Layer):
    """Draws the code of a variational autoencoder, and adds its divergence from the prior to the loss."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(7)

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        self.add_loss(-0.05 * K.mean(K.sum(1 + log_variance - K.square(mean) - K.exp(log_variance), axis=1)))
        noise = keras.random.normal(K.shape(mean), dtype=self.compute_dtype, seed=self.seed_generator)
        return mean + K.exp(0.5 * log_variance) * noise


def variational_autoencoder(kind: type[keras.Model] = keras.Model) -> keras.Model:
    inputs = keras.Input((6,))
    x = L.Dense(5, activation="relu", name="first")(inputs)
    code = Sampling()([L.Dense(2)(x), L.Dense(2)(x)])
    model = kind(inputs, L.Dense(6)(L.Dense(5, activation="relu")(code)))
    model.compile("adam", "mse")
    return model


class OwnStep(keras.Model):
    """Trains in a step of its own."""

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


class Distilled(keras.Model):
    """A student whose loss is its own: it looks at its teacher too."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        own = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        return 0.5 * own + 0.5 * K.mean(K.square(y_pred - self.teacher(x, training=False)))


def distillation() -> keras.Model:
    inputs = keras.Input((6,))
    student = Distilled(inputs, L.Dense(3)(L.Dense(4, activation="relu", name="first")(inputs)))
    student.teacher = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
    student.teacher.trainable = False
    student.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return student


def contrastive(y: Any, distance: Any) -> Any:
    """Pulls alike pairs together and pushes others apart, up to a margin."""
    return K.mean((1 - y) * K.square(distance) + y * K.square(K.maximum(1.0 - distance, 0.0)))


def siamese() -> keras.Model:
    one, other = keras.Input((8, 8, 2), name="one"), keras.Input((8, 8, 2), name="other")
    encoder = keras.Sequential(
        [keras.Input((8, 8, 2)), L.BatchNormalization(), L.Conv2D(3, 5, activation="tanh", name="first"), L.Flatten()]
    )
    distance = L.Lambda(lambda v: K.sqrt(K.maximum(K.sum(K.square(v[0] - v[1]), axis=1, keepdims=True), 1e-6)))(
        [encoder(one), encoder(other)]
    )
    x = L.BatchNormalization()(L.Concatenate()([distance, K.mean(K.abs(encoder(one) - encoder(other)), 1, True)]))
    model = keras.Model([one, other], L.Dense(1, activation="sigmoid")(x))
    model.compile("rmsprop", contrastive)
    return model


def of_the_batch(y: Any, embedded: Any) -> Any:
    """The batch's triplet loss: each row with the rows of its class and those of the others."""
    labels = K.reshape(y, (-1, 1))
    alike = K.cast(K.equal(labels, K.transpose(labels)), embedded.dtype)
    distance = 1.0 - K.matmul(embedded, K.transpose(embedded))
    return K.mean(K.relu(K.max(distance * alike, axis=1) - K.min(distance + 2.0 * alike, axis=1) + 0.5))


def metric_learning() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.Flatten()(L.Conv2D(4, 3, strides=2, activation="relu", name="first")(inputs))
    model = keras.Model(inputs, L.UnitNormalization()(L.Dense(4)(x)))
    model.compile("adam", of_the_batch)
    return model


def multitask() -> keras.Model:
    """Two outputs by name, and a loss, a weight and a metric of each."""
    inputs = keras.Input((6,))
    x = L.Dense(6, activation="relu", name="first")(inputs)
    model = keras.Model(
        inputs, {"box": L.Dense(1, name="box")(x), "kind": L.Dense(3, activation="softmax", name="kind")(x)}
    )
    model.compile(
        "adam",
        {"box": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"box": 0.25, "kind": 1.0},
        metrics={"kind": ["accuracy"]},
    )
    return model


class Watched(keras.layers.Layer):
    """Adds to the loss, and measures, in `call`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.measured = keras.metrics.Mean(name="activity")

    def call(self, x: Any) -> Any:
        self.add_loss(1e-2 * K.mean(K.square(x)))
        self.measured.update_state(K.mean(K.abs(x)))
        return x


def watched() -> keras.Model:
    inputs = keras.Input((6,))
    return regressor(inputs, Watched()(L.Dense(5, activation="relu", name="first")(inputs)))


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Up for four steps, then down; without `get_config`."""

    def __call__(self, step: Any) -> Any:
        step = K.cast(step, keras.config.floatx())
        return 0.05 * K.minimum(K.rsqrt(step + 1.0), (step + 1.0) / 8.0)


def transfer_learning() -> keras.Model:
    """A frozen encoder in inference mode, one that is trained, and a learning rate by a schedule of one's own."""
    inputs = keras.Input((6,))
    frozen = keras.Sequential([keras.Input((6,)), L.Dense(5, activation="relu"), L.BatchNormalization()], name="frozen")
    frozen.trainable = False
    tuned = keras.Sequential([keras.Input((5,)), L.Dense(5, activation="relu", name="first"), L.BatchNormalization()])
    return classifier(inputs, tuned(frozen(inputs, training=False)), keras.optimizers.Adam(Warmup(), clipnorm=1.0))


class PointCloud(keras.Model):
    """Subclassed, with a training argument; points are transformed by a matrix that a part of the model gives."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = L.Conv1D(4, 1, name="first"), L.BatchNormalization(momentum=0.0)
        self.matrix = L.Dense(9, kernel_initializer="zeros", bias_initializer="ones")
        self.head = L.Dense(3, activation="softmax")

    def call(self, points: Any, training: bool | None = None) -> Any:
        matrix = K.reshape(self.matrix(K.max(points, axis=1)), (-1, 3, 3))
        self.add_loss(
            1e-3 * K.sum(K.square(K.matmul(matrix, K.transpose(matrix, (0, 2, 1))) - K.eye(3, dtype=matrix.dtype)))
        )
        x = K.relu(self.norm(self.convolution(K.matmul(points, matrix)), training=training))
        return self.head(K.max(x, axis=1) if training else K.max(x, axis=1) * 1.0)


def point_cloud() -> keras.Model:
    model = PointCloud()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def augmented(*layers: Any) -> keras.Model:
    inputs = x = keras.Input((8, 8, 2))
    for layer in (L.RandomFlip("horizontal"), L.RandomContrast(0.2), *layers):
        x = layer(x)
    return classifier(inputs, L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu", name="first")(x)))


def dropped_out() -> keras.Model:
    inputs = keras.Input((6,))
    x = L.Dropout(0.3)(L.Dense(8, activation="relu", name="first")(L.GaussianNoise(0.1)(inputs)))
    return binary(inputs, x)


@dataclass(frozen=True)
class Example:
    """One model and its rows.

    noise: the place where noise is put; random: whether training draws random numbers; exact: whether it is compared in float64
    too; falls_back: why it trains by `Model.fit`, if it does, as the warning says.
    """

    build: Callable[[], keras.Model]
    x: Any
    y: Any
    noise: str | None = "before_activation"
    random: bool = False
    exact: bool = False
    falls_back: str | None = None


FEATURES = {"numbers": VECTORS[:, :4], "kind": WORDS[:, :1]}
AFTER = "after:first"
EXAMPLES = {
    "simple MLP": Example(mlp, VECTORS, CLASSES, exact=True),
    "structured data with dict inputs": Example(structured_data, FEATURES, BITS, AFTER, exact=True),
    "wide and deep": Example(wide_and_deep, [VECTORS[:, :4], WORDS[:, :1]], BITS),
    "deep and cross": Example(deep_and_cross, VECTORS, REALS, exact=True),
    "gated residual, variable selection": Example(gated_residual, VECTORS, REALS, "input"),
    "collaborative filtering": Example(recommender, WORDS[:, :2], BITS, AFTER),
    "convnet": Example(convnet, IMAGES, CLASSES, exact=True),
    "residual network": Example(residual, IMAGES, CLASSES),
    "xception": Example(xception, IMAGES, CLASSES, "input"),
    "squeeze and excite": Example(squeeze_and_excite, IMAGES, CLASSES),
    "inception": Example(inception, IMAGES, CLASSES, AFTER),
    "u-net": Example(unet, IMAGES, (IMAGES[..., 0] > 0.5).astype("int32")),
    "convmixer": Example(convmixer, IMAGES, CLASSES),
    "mlp-mixer": Example(mlp_mixer, IMAGES, CLASSES),
    "vision transformer": Example(vision_transformer, IMAGES, CLASSES, AFTER),
    "spectral and group normalisation": Example(normalizations, IMAGES, BITS, falls_back="spectral_normalization"),
    "text transformer": Example(text_transformer, WORDS, CLASSES),
    "bidirectional lstm": Example(bidirectional_lstm, WORDS, BITS, AFTER),
    "gru with masking": Example(gru_with_masking, PADDED, BITS, AFTER),
    "text convnet": Example(text_convnet, WORDS, BITS),
    "tab transformer": Example(tab_transformer, WORDS, CLASSES, AFTER),
    "timeseries transformer": Example(series_transformer, SERIES, CLASSES),
    "wavenet": Example(wavenet, SERIES, REALS),
    "seq2seq with attention": Example(seq2seq_attention, SERIES, REALS, AFTER, exact=True),
    "video": Example(video, VIDEOS, CLASSES, AFTER),
    "next frame": Example(next_frame, VIDEOS, VIDEOS, "input"),
    "sparse autoencoder": Example(sparse_autoencoder, VECTORS, VECTORS, exact=True),
    "convolutional autoencoder": Example(conv_autoencoder, IMAGES, IMAGES),
    "anomaly autoencoder": Example(anomaly_autoencoder, SERIES, SERIES),
    "variational autoencoder": Example(variational_autoencoder, VECTORS, VECTORS, random=True),
    "variational autoencoder, own step": Example(
        lambda: variational_autoencoder(OwnStep), VECTORS, VECTORS, None, True, falls_back="has its own train_step"
    ),
    "distillation": Example(distillation, VECTORS, CLASSES),
    "siamese": Example(siamese, [IMAGES, IMAGES[::-1]], BITS),
    "metric learning": Example(metric_learning, IMAGES, CLASSES),
    "multitask": Example(multitask, VECTORS, {"box": REALS, "kind": CLASSES}),
    "loss and metric of a layer": Example(watched, VECTORS, REALS),
    "transfer learning": Example(transfer_learning, VECTORS, CLASSES),
    "point cloud": Example(point_cloud, SERIES, CLASSES, AFTER),
    "augmentation": Example(augmented, IMAGES, CLASSES, random=True),
    "augmentation with rotation": Example(
        lambda: augmented(L.RandomRotation(0.1)), IMAGES, CLASSES, None, True, falls_back="does not vectorise"
    ),
    "text transformer with dropout": Example(lambda: text_transformer(0.3), WORDS, CLASSES, random=True),
    "dropout and gaussian noise": Example(dropped_out, VECTORS, BITS, random=True),
}


def fit(example: Example, **changes: Any) -> Any:
    """What `fit_seeds` gives, on the engine that the example expects."""
    arguments = {"seeds": SEEDS, "epochs": EPOCHS, "batch_size": BATCH, "shuffle": False, **changes}
    if example.falls_back is None:
        result = fit_seeds(example.build, example.x, example.y, **arguments)
        assert result.engine == "vectorized"
        return result
    with pytest.warns(UserWarning, match=example.falls_back):
        result = fit_seeds(example.build, example.x, example.y, **arguments)
    assert result.engine == "reference"
    return result


def noisy_fit(name: str) -> Any:
    """A fit whose first seed has strong noise, and its second one next to none."""
    example = EXAMPLES[name]
    if example.noise is None:
        return fit(example)
    return fit(example, noise=[Injection(place=example.noise)], strengths=[[0.3], [1e-12]])


def model_fit(example: Example, seed: int) -> dict[str, list[float]]:
    """The history of Keras' own `Model.fit`, operation by operation: nothing of it is compiled."""
    model = build_seeded(example.build, seed)
    model.run_eagerly = True
    x, y = (keras.tree.map_structure(_as_given, part) for part in (example.x, example.y))
    with seeded(seed):
        return dict(model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, shuffle=False, verbose=0).history)


def _as_given(values: Any) -> Any:
    return values.astype(keras.config.floatx()) if np.issubdtype(values.dtype, np.floating) else values


def differences(ours: Any, example: Example, i: int) -> dict[str, float]:
    """The largest relative difference of each quantity of seed i to `Model.fit`."""
    theirs = model_fit(example, SEEDS[i])
    assert sorted(theirs) == sorted(ours.history)
    return {
        name: float(np.max(abs(ours.history[name][i] - expected) / np.maximum(np.abs(expected), 1e-3)))
        for name, expected in theirs.items()
    }


@pytest.mark.parametrize("name", [name for name in EXAMPLES if not EXAMPLES[name].random])
def test_example_trains_as_in_model_fit_and_with_noise(name: str) -> None:
    """Noise of stddev 0.3 changes a seed's losses, of 1e-12 it leaves them as they are in `Model.fit` without any."""
    ours = noisy_fit(name)
    assert differences(ours, EXAMPLES[name], 0)["loss"] > 1e-4
    unlike = {quantity: off for quantity, off in differences(ours, EXAMPLES[name], 1).items() if off > 1e-3}
    assert not unlike


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name].random])
def test_random_example_repeats(name: str) -> None:
    """Two fits give the same; and but for a code that is drawn at inference too, they predict as Keras does."""
    example, ours = EXAMPLES[name], noisy_fit(name)
    np.testing.assert_array_equal(noisy_fit(name).history["loss"], ours.history["loss"])
    assert (ours.history["loss"][0] != ours.history["loss"][1]).all()
    if "variational" not in name:
        for i, seed in enumerate(SEEDS):
            expected = ours.to_keras(seed).predict(example.x, verbose=0)
            np.testing.assert_allclose(ours.predict(example.x)[i], expected, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name].exact])
def test_example_trains_as_in_model_fit_in_float64(name: str) -> None:
    """Without noise, both seeds."""
    with floatx("float64"):
        ours = fit(EXAMPLES[name])
        for i in range(len(SEEDS)):
            unlike = {quantity: off for quantity, off in differences(ours, EXAMPLES[name], i).items() if off > 1e-9}
            assert not unlike
