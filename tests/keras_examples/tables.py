"""Models of structured data."""

from __future__ import annotations

from typing import Any

import keras

from tests.keras_examples.heads import VECTORS, K, L, binary, classifier, regressor


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
