"""Keras' layers, computed in the engine's ways for many replicas, against the plain layer, replica by replica."""

from contextlib import ExitStack

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from noiseflow.engine import converters
from noiseflow.engine.keras_state import floatx
from noiseflow.engine.tracing import traced
from noiseflow.engine.twins import ways_of
from noiseflow.noise.instrument import instrumented
from tests.series import series

converters.register()

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
        states = [state_of(m, layer, s, rng, dtype) for m, (layer, _), s in zip(plain, cases, shapes, strict=True)]

        def replica(states):
            return [run(model, state) for model, state in zip(plain, states, strict=True)]

        def mapped(states):
            return tf.vectorized_map(replica, states, fallback_to_while_loop=False)

        @tf.function(autograph=False)
        def alone(states):
            return [run(model, state) for model, state in zip(plain, states, strict=True)]

        with ExitStack() as stack:
            for model in plain:
                stack.enter_context(instrumented(model, ways_of))
            specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, states)
            stacked = tf.nest.flatten(traced(mapped, specs, called="layers")(states))
        for i in range(N_REPLICAS):
            expected = alone(tf.nest.map_structure(lambda v, i=i: v[i], states))
            for a, b in zip(tf.nest.flatten(expected), stacked, strict=True):
                scale = max(1.0, np.abs(a.numpy()).max())
                np.testing.assert_allclose(b[i].numpy() / scale, a.numpy() / scale, rtol=0, atol=tolerance)


OFTEN = ["conv2d_more", "bidirectional_lstm", "gru"]
"""Of those that take long. The LSTM runs in single precision below; separable layers train in test_fallbacks.py."""


@pytest.mark.parametrize("name", fast_cases())
def test_layer_mapped_over_replicas_is_the_plain_layer(name, rng):
    compare(name, "float64", 1e-10, rng)


@pytest.mark.slow
@pytest.mark.parametrize("name", series(slow_cases(), OFTEN))
def test_larger_layer_mapped_over_replicas_is_the_plain_layer(name, rng):
    compare(name, "float64", 1e-10, rng)


@pytest.mark.slow
@pytest.mark.parametrize("name", series([*fast_cases(), "lstm", "gru"], ["conv2d", "lstm"]))
def test_layer_mapped_over_replicas_is_the_plain_layer_in_single_precision(name, rng):
    """The rarer arguments change shapes, and have nothing to do with precision."""
    compare(name, "float32", 1e-5, rng)


def called(layer, *args, **kwargs):
    """What the layer gives, in plain and in the engine's way."""
    ways = ways_of(layer)
    expected = layer(*args, **kwargs)
    for name, value in ways.items():
        object.__setattr__(layer, name, value)
    return np.asarray(expected), np.asarray(layer(*args, **kwargs)), ways


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize("settings", [{}, {"return_sequences": True}, {"go_backwards": True}])
def test_recurrent_layer_heeds_a_mask(kind, settings, rng):
    """The first rows begin, the last ones end masked."""
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    mask = np.array([[True, False, True, True], [True, True, False, False], [False, False, True, False]])
    expected, found, ways = called(kind(3, **settings), x, mask=mask)
    assert ways
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_recurrent_layer_begins_with_its_state_where_the_first_times_are_masked(rng):
    x, mask = (
        rng.normal(size=(2, 4, 2)).astype("float32"),
        np.array([[False, True, True, True], [False, False, False, True]]),
    )
    state = [rng.normal(size=(2, 3)).astype("float32") for _ in range(2)]
    expected, found, _ = called(layers.LSTM(3, return_sequences=True), x, mask=mask, initial_state=state)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("inner", [layers.Dense(3, "relu"), layers.Conv2D(2, 2), layers.BatchNormalization()])
def test_time_distributed_calls_its_layer_once(inner, rng):
    shape = (2, 4, 5, 5, 1) if isinstance(inner, layers.Conv2D) else (2, 4, 5)
    expected, found, ways = called(layers.TimeDistributed(inner), rng.normal(size=shape).astype("float32"))
    assert ways
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_layer_with_channels_first_stays_as_it_is():
    assert ways_of(layers.Conv2D(3, 3, data_format="channels_first")) == {}
