"""Models of images."""

from __future__ import annotations

from typing import Any

import keras

from tests.keras_examples.heads import K, L, binary, classifier


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
