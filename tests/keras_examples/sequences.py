"""Models of sequences and texts."""

from __future__ import annotations

from typing import Any

import keras

from tests.keras_examples.heads import K, L, binary, classifier, regressor


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
