"""Operations that `tf.vectorized_map` lacks or maps wrongly, as converted here, against the plain operation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from noiseflow.engine import converters

converters.register()
N_REPLICAS = 3


@pytest.mark.parametrize(
    "metric",
    [
        keras.metrics.CategoricalAccuracy(),
        keras.metrics.TopKCategoricalAccuracy(k=2),
        keras.metrics.SparseCategoricalAccuracy(),
        keras.metrics.SparseTopKCategoricalAccuracy(k=2),
    ],
    ids=lambda metric: metric.name,
)
def test_metric_mapped_over_replicas_is_the_plain_metric(metric, rng):
    labels = rng.integers(0, 3, 20)
    y_true = tf.constant(labels if "sparse" in metric.name else np.eye(3)[labels])
    y_pred = rng.integers(-1, 2, (N_REPLICAS, 20, 3)) * rng.choice([-0.0, 1.0], (N_REPLICAS, 20, 1))  # with ties
    y_pred = tf.constant(y_pred, "float32")
    twin = type(metric).from_config(metric.get_config())

    @tf.function(jit_compile=True, autograph=False)
    def mapped(y_pred):
        def replica(y_pred):
            start = [tf.zeros(v.shape) for v in twin.variables]
            return twin.stateless_result(twin.stateless_update_state(start, y_true, y_pred))

        return tf.vectorized_map(replica, y_pred, fallback_to_while_loop=False)

    expected = []
    for y in y_pred:
        metric.reset_state()
        metric.update_state(y_true, y)
        expected.append(float(metric.result()))
    np.testing.assert_allclose(mapped(y_pred), expected, rtol=1e-6)


def test_padding_mapped_over_replicas_keeps_its_constant(rng):
    x = rng.normal(size=(N_REPLICAS, 2, 3)).astype("float32")
    pad = lambda v: tf.pad(v, [[0, 1], [2, 0]], constant_values=7.0)  # noqa: E731
    mapped = tf.function(lambda v: tf.vectorized_map(pad, v, fallback_to_while_loop=False), jit_compile=True)
    assert (mapped(x).numpy() == [pad(one) for one in x]).all()


CONVOLUTIONS = {  # function of x and kernel, space of x, kernel
    "2d": (lambda x, k: keras.ops.conv(x, k, padding="same"), (7, 6), (3, 2, 4, 5)),
    "2d strided": (lambda x, k: keras.ops.conv(x, k, 2, "same"), (7, 6), (3, 2, 4, 5)),
    "2d dilated": (lambda x, k: keras.ops.conv(x, k, dilation_rate=2), (7, 6), (3, 2, 4, 5)),
    "2d in groups": (lambda x, k: tf.nn.convolution(x, k, padding="SAME"), (5, 6), (3, 2, 2, 6)),
    "3d": (keras.ops.conv, (4, 5, 3), (2, 3, 2, 4, 5)),
    "3d strided": (lambda x, k: keras.ops.conv(x, k, 2, "same"), (4, 5, 3), (2, 3, 2, 4, 5)),
    "1d transposed": (lambda x, k: keras.ops.conv_transpose(x, k, 2), (5,), (3, 5, 4)),
    "2d transposed": (lambda x, k: keras.ops.conv_transpose(x, k, 2, "same"), (4, 3), (3, 2, 5, 4)),
    "2d transposed, gaps": (lambda x, k: keras.ops.conv_transpose(x, k, 3), (4, 3), (2, 2, 5, 4)),
    "3d transposed": (lambda x, k: keras.ops.conv_transpose(x, k, 2, "same"), (2, 3, 2), (3, 2, 3, 5, 4)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_mapped_over_kernels_is_the_plain_convolution(name, rng):
    convolve, space, kernel = CONVOLUTIONS[name]
    xs = tf.constant(rng.normal(size=(N_REPLICAS, 2, *space, 4)))
    kernels = tf.constant(rng.normal(size=(N_REPLICAS, *kernel)))

    def with_gradients(both):
        with tf.GradientTape() as tape:
            tape.watch(both)
            y = convolve(*both)
            total = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(total, both)]

    @tf.function(autograph=False)
    def mapped(*both):
        return tf.vectorized_map(with_gradients, list(both), fallback_to_while_loop=False)

    plain = tf.function(with_gradients, jit_compile=True, autograph=False)  # XLA knows gradients of groups on a CPU
    expected = [plain([x, k]) for x, k in zip(xs, kernels, strict=True)]
    for ours, *theirs in zip(mapped(xs, kernels), *expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def counted(x):
    """All replicas take as many turns; what they hold differs from the start."""
    return tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, tf.tanh(v @ v)), (0, x))[1]


def shared_at_first(x):
    """The values begin alike, and differ between replicas after two turns only."""
    turn = lambda i, a, b: (i + 1, tf.nn.relu(b) + a[0, 0], x * tf.cast(i, x.dtype))  # noqa: E731
    return tf.while_loop(lambda i, *_: i < 4, turn, (0, tf.ones([2, 2]), tf.zeros([2, 2])))[1]


def within_another(x):
    """A loop in a loop, its number of turns a shape."""
    inner = lambda v: tf.while_loop(lambda j, _: j < tf.shape(v)[0], lambda j, w: (j + 1, w + v), (0, v))[1]  # noqa: E731
    return tf.while_loop(lambda i, _: i < 2, lambda i, v: (i + 1, inner(v)), (0, x))[1]


def as_long_as_it_takes(x):
    """Replicas leave at times of their own."""
    return tf.while_loop(lambda v: tf.reduce_sum(v) < 20.0, lambda v: (v + tf.abs(x) + 1.0,), (x,))[0]


def with_a_list(x):
    """Within it a shared value is mapped, in a list of tensors: for TensorFlow a list differs from replica to replica."""
    each = lambda v: tf.map_fn(lambda row: row + 1.0, v)  # noqa: E731
    return tf.while_loop(lambda i, *_: i < 2, lambda i, v, w: (i + 1, v + x, each(w)), (0, x, tf.ones([2, 2])))[1:]


def that_grows(x):
    """Its value has another shape after each turn."""
    shapes = (tf.TensorShape([]), tf.TensorShape([None, 2]))
    return tf.while_loop(
        lambda i, _: i < 2, lambda i, v: (i + 1, tf.concat([v, x], 0)), (0, x), shape_invariants=shapes
    )[1]


def of_some_turns(x):
    """It ends by the most turns that it may take; what it captures passes through."""
    y = tf.square(x)
    return tf.while_loop(lambda _: True, lambda v: (v + y,), (x,), maximum_iterations=3)[0]


def with_a_shared_bias(x):
    """An operation whose conversion needs the number of replicas."""
    bias = tf.constant([1.0, 2.0])
    return tf.while_loop(lambda i, _: i < 2, lambda i, v: (i + 1, tf.nn.bias_add(v, bias)), (0, x))[1]


def its_gradient(x):
    """TensorFlow's gradient of a loop keeps lists."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = counted(x)
    return tape.gradient(y, x)


ONLY_GRAPHS = [as_long_as_it_takes, with_a_list, that_grows]
"""XLA takes no partition, no list within a list and no growing tensor."""
LOOPS = [counted, shared_at_first, within_another, of_some_turns, with_a_shared_bias, its_gradient, *ONLY_GRAPHS]


@pytest.mark.parametrize("loop", LOOPS)
def test_loop_mapped_over_replicas_is_the_plain_loop(loop, rng):
    x = tf.constant(rng.normal(size=(N_REPLICAS, 2, 2)), "float32")

    @tf.function(jit_compile=loop not in (*ONLY_GRAPHS, its_gradient), autograph=False)
    def mapped(x):
        return tf.vectorized_map(loop, x, fallback_to_while_loop=False)

    alone = tf.function(loop, autograph=False)
    for found, *expected in zip(tf.nest.flatten(mapped(x)), *(tf.nest.flatten(alone(one)) for one in x), strict=True):
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5, atol=1e-6)


def test_random_numbers_of_a_loop_differ_between_replicas():
    """They depend on nothing that does."""

    def loop(x):
        return (
            tf.while_loop(lambda i, _: i < 2, lambda i, v: (i + 1, v + tf.random.normal([2])), (0, tf.zeros([2])))[1]
            + x
        )

    @tf.function(autograph=False)
    def mapped(x):
        return tf.vectorized_map(loop, x, fallback_to_while_loop=False)

    assert len(np.unique(mapped(tf.zeros(N_REPLICAS)))) == 2 * N_REPLICAS


def test_loop_that_replicas_leave_together_is_written_once(monkeypatch):
    """TensorFlow's own entry writes its body several times: that takes most of the time of tracing a recurrent layer."""
    kinds = pfor._pfor_converter_registry
    relu, written = kinds["Relu"], []
    monkeypatch.setitem(kinds, "Relu", lambda conversion: written.append(1) or relu(conversion))

    @tf.function(autograph=False)
    def mapped(x):
        return tf.vectorized_map(shared_at_first, x, fallback_to_while_loop=False)

    mapped.get_concrete_function(tf.TensorSpec((N_REPLICAS, 2, 2)))
    assert len(written) == 1
