"""Keras' layers and their twins under `tf.vectorized_map` and XLA, against the plain layer, replica by replica."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from noiseflow.engine.keras_state import floatx
from noiseflow.engine.twins import TWINS

N_REPLICAS = 3
SEQUENCE, IMAGE, VECTOR = (4, 5, 2), (4, 7, 6, 2), (4, 6)  # (rows, ...)
SHORT = (4, 3, 2)  # for layers that are unrolled
ONE_CHANNEL = (4, 6, 6, 1)
ACTIVATIONS = (
    *(
        "celu",
        "elu",
        "exponential",
        "gelu",
        "glu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "leaky_relu",
    ),
    *("linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink"),
    *("softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink"),
)
COMMON = ("elu", "gelu", "leaky_relu", "relu", "selu", "sigmoid", "silu", "softmax", "softplus", "tanh")


def fast_cases():
    """Layers with the shapes of their inputs, compiled together where that saves time."""
    return {
        "dense": [
            (layers.Dense(3, activation="relu"), (4, 2)),
            (layers.Dense(3, use_bias=False), (4, 5, 3)),
            (layers.Dense(1), VECTOR),
            (layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"), (4, 3, 6)),
        ],
        "conv1d": [(layers.Conv1D(3, 3, padding="same", strides=2, activation="relu"), SEQUENCE)],
        "conv2d": [
            (layers.Conv2D(3, 3, activation="relu"), IMAGE),
            (layers.Conv2D(3, 3, strides=2, padding="same"), IMAGE),
            (layers.Conv2D(3, 2, use_bias=False), ONE_CHANNEL),
        ],
        "depthwise": [(layers.DepthwiseConv2D(2, depth_multiplier=2), IMAGE)],
        "max_pooling": [
            (layers.MaxPooling1D(2), SEQUENCE),
            (layers.MaxPooling2D(2), IMAGE),
            (layers.MaxPooling2D(3, strides=2, padding="same"), IMAGE),
        ],
        "other_pooling": [
            (layers.AveragePooling1D(2), SEQUENCE),
            (layers.AveragePooling2D(3, strides=2, padding="same"), IMAGE),
            (layers.GlobalMaxPooling1D(), SEQUENCE),
            (layers.GlobalMaxPooling2D(), IMAGE),
            (layers.GlobalAveragePooling1D(), SEQUENCE),
            (layers.GlobalAveragePooling2D(), IMAGE),
        ],
        "simple_rnn": [(layers.SimpleRNN(3), SHORT)],
        "embedding": [(layers.Embedding(5, 3), (4, 6))],
        "normalization": [
            (layers.BatchNormalization(), IMAGE),
            (layers.LayerNormalization(), SEQUENCE),
            (layers.GroupNormalization(2), IMAGE),
        ],
        "merging": [(kind(), [VECTOR, VECTOR]) for kind in (layers.Concatenate, layers.Add, layers.Multiply)],
        "activation": [(layers.Activation(name), VECTOR) for name in COMMON],
        "activation_layer": [
            (layers.ReLU(6.0, 0.1, 0.2), VECTOR),
            (layers.LeakyReLU(), VECTOR),
            (layers.PReLU(), VECTOR),
            (layers.ELU(), VECTOR),
            (layers.Softmax(), VECTOR),
        ],
        "shape": [
            (layers.Flatten(), IMAGE),
            (layers.Reshape((-1, 4)), IMAGE),
            (layers.ZeroPadding1D(2), SEQUENCE),
            (layers.ZeroPadding2D(2), IMAGE),
            (layers.Permute((2, 1)), SEQUENCE),
            (layers.RepeatVector(3), VECTOR),
        ],
    }


def slow_cases():
    """What takes longer to compile, and the rarer arguments."""
    sequences = {"return_sequences": True, "return_state": True}
    return {
        "activation_more": [(layers.Activation(name), VECTOR) for name in ACTIVATIONS],
        "lstm": [(layers.LSTM(3), SHORT)],
        "gru": [(layers.GRU(3), SHORT)],
        "lstm_more": [(layers.LSTM(3), SEQUENCE)],
        "gru_more": [(layers.GRU(3), SEQUENCE)],
        "dense_more": [(layers.Dense(3, activation="tanh"), VECTOR)],
        "conv1d_more": [
            (layers.Conv1D(3, 2), SEQUENCE),
            (layers.Conv1D(3, 2, padding="causal", dilation_rate=2, use_bias=False), SEQUENCE),
            (layers.Conv1D(4, 2, groups=2), SEQUENCE),
            (layers.Conv1D(3, 2), (4, 5, 1)),
        ],
        "conv2d_more": [
            (layers.Conv2D(3, (2, 3), padding="same"), IMAGE),
            (layers.Conv2D(3, 3, strides=(2, 3), padding="same"), IMAGE),
            (layers.Conv2D(3, 2, strides=(3, 2)), IMAGE),
            (layers.Conv2D(3, 3, dilation_rate=2), IMAGE),
            (layers.Conv2D(3, 1, strides=2), IMAGE),
            (layers.Conv2D(3, (6, 2)), IMAGE),  # few rows of windows: unfolds both axes
            (layers.Conv2D(4, 3, groups=2, padding="same"), IMAGE),
            (layers.Conv2D(3, 3, padding="same", strides=2), ONE_CHANNEL),
        ],
        "depthwise_more": [
            (layers.DepthwiseConv1D(2, depth_multiplier=2, padding="same"), SEQUENCE),
            (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), IMAGE),
            (layers.DepthwiseConv2D(2, strides=2), IMAGE),
            (layers.DepthwiseConv2D(2, dilation_rate=2, activation="relu"), IMAGE),
            (layers.SeparableConv1D(3, 2), SEQUENCE),
            (layers.SeparableConv2D(3, 3, padding="same"), IMAGE),
        ],
        "max_pooling_more": [
            (layers.MaxPooling1D(3, strides=1, padding="same"), SEQUENCE),
            (layers.MaxPooling2D((2, 3), padding="same"), IMAGE),
            (layers.MaxPooling2D(3, strides=2), IMAGE),
            (layers.MaxPooling2D(2, strides=(3, 1), padding="same"), IMAGE),
        ],
        "shape_more": [(layers.Cropping2D(1), IMAGE), (layers.UpSampling2D(2), IMAGE)],
        "lstm_sequences": [(layers.LSTM(3, return_sequences=True, go_backwards=True, use_bias=False), SEQUENCE)],
        "lstm_state": [
            (layers.LSTM(3, return_state=True, activation="relu", recurrent_activation="hard_sigmoid"), SEQUENCE)
        ],
        "gru_before": [(layers.GRU(3, reset_after=False, **sequences), SEQUENCE)],
        "gru_no_bias": [(layers.GRU(3, use_bias=False), SEQUENCE)],
        "gru_backwards": [(layers.GRU(3, go_backwards=True), SEQUENCE)],
        "simple_rnn_sequences": [(layers.SimpleRNN(3, activation="relu", **sequences), SEQUENCE)],
        "simple_rnn_long": [(layers.SimpleRNN(3), (4, 41, 2))],
        "bidirectional_lstm": [(layers.Bidirectional(layers.LSTM(3, return_sequences=True)), SEQUENCE)],
        "bidirectional_gru": [(layers.Bidirectional(layers.GRU(3), merge_mode="sum"), SEQUENCE)],
        "time_distributed": [(layers.TimeDistributed(layers.Dense(3)), SEQUENCE)],
    }


def model_of(layer, shapes, dtype):
    """The layer as a functional model."""
    inputs = [keras.Input(shape[1:], dtype=dtype) for shape in shapes]
    return keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def twin_of(model):
    def clone(layer):
        return TWINS.get(type(layer), type(layer)).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


def state_of(model, layer, shapes, rng, dtype):
    """Stacked weights and inputs; many entries of the inputs tie, as after a relu."""

    def values(variable):
        if "float" not in variable.dtype:
            return tf.zeros([N_REPLICAS, *variable.shape], variable.dtype)
        return tf.constant(rng.uniform(0.2, 1, (N_REPLICAS, *variable.shape)) * rng.choice([-1, 1]), dtype)

    def inputs(shape):
        if isinstance(layer, layers.Embedding):
            return tf.constant(rng.integers(0, layer.input_dim, (N_REPLICAS, *shape)), dtype)
        drawn = rng.normal(size=(N_REPLICAS, *shape))
        return tf.constant(np.maximum(drawn, 0) if "MaxPooling" in type(layer).__name__ else drawn, dtype)

    positive = [tf.abs(values(v)) if "float" in v.dtype else values(v) for v in model.non_trainable_variables]
    return [values(v) for v in model.trainable_variables], positive, [inputs(shape) for shape in shapes]


def run(model, state):
    """Outputs, updated variables, and gradients with respect to weights and inputs, of one replica."""
    trainable, non_trainable, inputs = state
    with tf.GradientTape() as tape:
        tape.watch((trainable, inputs))
        outputs, updated = model.stateless_call(trainable, non_trainable, inputs, training=True)
        loss = tf.add_n([tf.reduce_sum(tf.sin(y)) for y in tf.nest.flatten(outputs)])
    gradients = tape.gradient(loss, (trainable, inputs), unconnected_gradients="zero")
    gradients = [tf.convert_to_tensor(gradient) for gradient in tf.nest.flatten(gradients)]
    return [*tf.nest.flatten(outputs), *updated, *gradients]


def compare(name, dtype, tolerance, rng):
    with floatx(dtype):
        cases = (fast_cases() | slow_cases())[name]
        shapes = [shape if isinstance(shape, list) else [shape] for _, shape in cases]
        plain = [model_of(layer, shape, dtype) for (layer, _), shape in zip(cases, shapes, strict=True)]
        twins = [twin_of(model) for model in plain]
        states = [state_of(m, layer, s, rng, dtype) for m, (layer, _), s in zip(plain, cases, shapes, strict=True)]

        def replica(states):
            return [run(model, state) for model, state in zip(twins, states, strict=True)]

        @tf.function(jit_compile=True, autograph=False)
        def mapped(states):
            return tf.vectorized_map(replica, states, fallback_to_while_loop=False)

        @tf.function(autograph=False)
        def alone(states):
            return [run(model, state) for model, state in zip(plain, states, strict=True)]

        stacked = tf.nest.flatten(mapped(states))
        for i in range(N_REPLICAS):
            expected = alone(tf.nest.map_structure(lambda v, i=i: v[i], states))
            for a, b in zip(tf.nest.flatten(expected), stacked, strict=True):
                scale = max(1.0, np.abs(a.numpy()).max())
                np.testing.assert_allclose(b[i].numpy() / scale, a.numpy() / scale, rtol=0, atol=tolerance)
    for model, twin in zip(plain, twins, strict=True):
        assert [(v.name, v.shape) for v in twin.weights] == [(v.name, v.shape) for v in model.weights]


@pytest.mark.parametrize(
    "name", [*fast_cases(), *(pytest.param(name, marks=pytest.mark.slow) for name in slow_cases())]
)
def test_layer_mapped_over_replicas_is_the_plain_layer(name, rng):
    compare(name, "float64", 1e-10, rng)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*fast_cases(), *slow_cases()])
def test_layer_mapped_over_replicas_is_the_plain_layer_in_single_precision(name, rng):
    compare(name, "float32", 1e-5, rng)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(3, activation="relu", kernel_regularizer="l2"),
        layers.Conv2D(3, 2, strides=2, padding="same", name="first"),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.GRU(3, reset_after=False, return_sequences=True),
        layers.Embedding(5, 3),
    ],
)
def test_twin_has_the_configuration_of_its_layer(layer):
    assert TWINS[type(layer)].from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_twin_of_a_recurrent_layer_heeds_a_mask(kind, rng):
    layer = kind(3, return_sequences=True)
    x, mask = rng.normal(size=(2, 4, 2)), np.array([[True, False, True, True], [True, True, False, False]])
    expected = layer(x, mask=mask)
    twin = TWINS[kind].from_config(layer.get_config())
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_allclose(twin(x, mask=mask), expected, atol=1e-6)


@pytest.mark.parametrize("argument", ["dropout", "recurrent_dropout"])
def test_twin_refuses_dropout_inside_a_recurrent_layer(argument):
    layer = layers.LSTM(3, **{argument: 0.5})
    with pytest.raises(NotImplementedError, match=f"{argument} has no vectorised form; received 0.5"):
        TWINS[layers.LSTM].from_config(layer.get_config())


def test_twin_refuses_channels_first():
    layer = layers.Conv2D(3, 3, data_format="channels_first")
    with pytest.raises(NotImplementedError, match="channels_first"):
        TWINS[layers.Conv2D].from_config(layer.get_config())
