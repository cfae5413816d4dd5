"""Maps operations that Keras uses and `tf.vectorized_map` cannot map, or maps wrongly.

TensorFlow keeps a table from each kind of operation to a function that writes it for a whole stack; these entries lack in it,
or replace its entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from noiseflow.engine.twins.stacked import StackedConvolution


def _bitcast(conversion: Any) -> Any:
    """Between types of one width, as `keras.ops.argmax` uses it."""
    stacked = tf.bitcast(conversion.stacked_input(0), conversion.get_attr("type"))
    return pfor.wrap(stacked)


def _in_top_k(conversion: Any) -> Any:
    """`InTopK` of predictions (rows, classes) and labels (rows,), as the top-k accuracies use it."""
    conversion.stack_inputs([0, 1])
    predictions, labels = conversion.stacked_input(0), conversion.stacked_input(1)
    n, rows, classes = predictions.shape
    hits = tf.math.in_top_k(
        tf.reshape(labels, [-1]), tf.reshape(predictions, [-1, classes]), conversion.unstacked_input(2)
    )
    return pfor.wrap(tf.reshape(hits, [n, rows]))


def _pad(conversion: Any) -> Any:
    """`PadV2` with its constant: TensorFlow's own entry always pads with zeros."""
    paddings = tf.concat([[[0, 0]], tf.cast(conversion.unstacked_input(1), tf.int32)], axis=0)
    return pfor.wrap(tf.pad(conversion.stacked_input(0), paddings, constant_values=conversion.unstacked_input(2)))


def _scatter_nd(conversion: Any) -> Any:
    """Each replica into its own part, as the gradient of a sort uses it."""
    conversion.stack_inputs([0, 1])
    indices, updates = conversion.stacked_input(0), conversion.stacked_input(1)
    n, *between, _ = indices.shape
    own = tf.broadcast_to(tf.reshape(tf.range(n, dtype=indices.dtype), [n, *[1] * len(between), 1]), [n, *between, 1])
    shape = tf.concat([[n], tf.cast(conversion.unstacked_input(2), tf.int32)], axis=0)
    return pfor.wrap(tf.scatter_nd(tf.concat([own, indices], -1), updates, tf.cast(shape, indices.dtype)))


def _bias_add(conversion: Any) -> Any:
    """`BiasAdd` for any rank: TensorFlow's own entry with channels first is for images only, and Keras uses it for others."""
    conversion.stack_inputs([0, 1])
    x, bias = conversion.stacked_input(0), conversion.stacked_input(1)
    shape = [1] * x.shape.rank
    shape[0], shape[2 if conversion.get_attr("data_format") == b"NCHW" else -1] = bias.shape[0], bias.shape[1]
    return pfor.wrap(x + tf.reshape(bias, shape))


def _bias_add_grad(conversion: Any) -> Any:
    """The vectorised form of `BiasAddGrad`: the sum over all axes but the channels."""
    upstream = conversion.stacked_input(0)
    rank = upstream.shape.rank
    channels = 2 if conversion.get_attr("data_format") == b"NCHW" else rank - 1
    return pfor.wrap(tf.reduce_sum(upstream, [axis for axis in range(1, rank) if axis != channels]))


def _convolution(kind: str) -> Callable[[Any], Any]:
    """A convolution of x with the kernel."""

    def stacked(conversion: Any) -> Any:
        x, kernel = _stacked(conversion, 0, 1)
        form = _form(conversion, x.shape[2:-1], x.shape[-1], kernel.shape[1:])
        return pfor.wrap(form.forward(x, kernel))

    return _where_kernels_differ(kind, stacked, of_kernel=1)


def _gradient_of_x(kind: str) -> Callable[[Any], Any]:
    """The gradient of x, from its shape, the kernel and the upstream gradient; or a transposed convolution."""

    def stacked(conversion: Any) -> Any:
        kernel, upstream = _stacked(conversion, 1, 2)
        *space, channels = _known_shape(conversion, 0)[1:]
        form = _form(conversion, space, channels, kernel.shape[1:])
        return pfor.wrap(form.gradient_of_x(kernel, upstream))

    return _where_kernels_differ(kind, stacked, of_kernel=1)


def _gradient_of_kernel(kind: str) -> Callable[[Any], Any]:
    """The gradient of the kernel, from x, its shape and the upstream one. TensorFlow's own entry does one replica at a time."""

    def stacked(conversion: Any) -> Any:
        x, upstream = _stacked(conversion, 0, 2)
        form = _form(conversion, x.shape[2:-1], x.shape[-1], _known_shape(conversion, 1))
        return pfor.wrap(form.gradient_of_kernel(x, upstream))

    return _where_kernels_differ(kind, stacked, of_kernel=0)


def _where_kernels_differ(kind: str, stacked: Callable[[Any], Any], of_kernel: int) -> Callable[[Any], Any]:
    """TensorFlow's own entry, where it has one, for inputs that all replicas share."""
    own = pfor._pfor_converter_registry.get(kind)  # noqa: SLF001

    def converted(conversion: Any) -> Any:
        if own is not None and not conversion.input(of_kernel).is_stacked:
            return own(conversion)
        if conversion.get_attr("data_format").startswith(b"NC") or conversion.get_attr("padding") == b"EXPLICIT":
            raise ValueError(f"No vectorised form of {kind} with channels first or with its own paddings")
        return stacked(conversion)

    return converted


def _stacked(conversion: Any, *inputs: int) -> list[Any]:
    conversion.stack_inputs(list(inputs))
    return [conversion.stacked_input(i) for i in inputs]


def _known_shape(conversion: Any, i: int) -> list[int]:
    """The shape that input i asks for; the output has it."""
    shape = conversion.op.outputs[0].shape
    value = tf.get_static_value(conversion.op.inputs[i]) if not shape.is_fully_defined() else list(shape)
    if value is None:
        raise ValueError("No vectorised form of a convolution without a known shape while it is traced")
    return [int(size) for size in value]


def _form(conversion: Any, space: Any, channels: int, kernel: Any) -> StackedConvolution:
    return StackedConvolution(
        space=tuple(space),
        sizes=tuple(kernel[:-2]),
        strides=tuple(conversion.get_attr("strides")[1:-1]),
        dilations=tuple(conversion.get_attr("dilations")[1:-1]),
        same=conversion.get_attr("padding") == b"SAME",
        groups=channels // kernel[-2],
    )


def _row_by_row(kind: str, of_rows: int) -> Callable[[Any], Any]:
    """An operation that treats each row by itself, its first inputs having rows: the rows of all replicas are one batch."""

    def converted(conversion: Any) -> Any:
        return pfor._convert_flatten_batch(conversion, kind, list(range(of_rows)))  # noqa: SLF001

    return converted


def _shared_filters(kind: str, by_rows: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A depthwise convolution by filters that all replicas share; where they differ, TensorFlow's own entry does it."""
    own = pfor._pfor_converter_registry[kind]  # noqa: SLF001
    return lambda conversion: own(conversion) if conversion.input(1).is_stacked else by_rows(conversion)


def _gradient_by_rows(conversion: Any) -> Any:
    """The gradient of x, from its shape, filters and the upstream gradient, which has rows."""
    kind = "DepthwiseConv2dNativeBackpropInput"
    return pfor._convert_flatten_batch_shape_input(conversion, kind, flatten_dims=[2], shape_dim=0)  # noqa: SLF001


def _while(conversion: Any) -> Any:
    """A loop that all replicas leave together, and that keeps tensors of one shape: one loop over their stacks.

    Other loops are left to TensorFlow's own entry. Where values come to differ between replicas within the loop, that writes
    the body three times and more, and a branch around it.
    """
    own = pfor._convert_while  # noqa: SLF001
    functions = [conversion.op.graph._get_function(conversion.get_attr(part).name) for part in ("cond", "body")]  # noqa: SLF001
    if None in functions or any(given.t.dtype == tf.variant for given in conversion.inputs):
        return own(conversion)
    condition, body = (function.graph for function in functions)
    stacked = _stacked_in_a_loop(body, [given.is_stacked for given in conversion.inputs])
    if any(_reached(condition, stacked)):
        return own(conversion)
    conversion.stack_inputs([i for i, differs in enumerate(stacked) if differs])
    values = [given.t for given in conversion.inputs]
    length = conversion.pfor.loop_len_vector
    known = tf.get_static_value(length)
    shapes = [
        tf.TensorShape([None if known is None else known[0]]).concatenate(output.shape) if differs else output.shape
        for output, differs in zip(conversion.op.outputs, stacked, strict=True)
    ]

    def once_more(*now: Any) -> list[Any]:
        outputs = _within(conversion, body, now, stacked)
        after = []
        for i, (output, differs) in enumerate(zip(outputs, stacked, strict=True)):
            if output.is_stacked and not differs:
                raise _DiffersError
            passed = body.outputs[i] is body.inputs[i]
            value = now[i] if passed else output.t if output.is_stacked == differs else pfor._stack(output.t, length).t  # noqa: SLF001
            value.set_shape(shapes[i])
            after.append(value)
        return after

    def goes_on(*now: Any) -> Any:
        (found,) = _within(conversion, condition, now, stacked)
        if found.is_stacked:
            raise _DiffersError
        return tf.reshape(found.t, [])

    at_once = conversion.get_attr("parallel_iterations")
    try:
        ended = tf.while_loop(goes_on, once_more, values, shape_invariants=shapes, parallel_iterations=at_once)
    except _DiffersError:
        return own(conversion)
    return [pfor.wrap(value, differs) for value, differs in zip(ended, stacked, strict=True)]


class _DiffersError(Exception):
    """A value of a loop differs between replicas, though it depends on none that does."""


def _within(conversion: Any, graph: Any, values: Any, stacked: list[bool]) -> list[Any]:
    """What a function of a loop gives for these arguments, written into the present graph."""
    outer = conversion.pfor
    known = tf.get_static_value(outer.loop_len_vector)  # in the loop's own graph it is known no more
    inner = pfor.PFor(
        loop_var=outer.loop_var,
        loop_len=outer.loop_len_vector[0] if known is None else tf.constant(known[0]),
        pfor_ops=graph.get_operations(),
        fallback_to_while_loop=outer.fallback_to_while_loop,
        all_indices=outer.all_indices,
        all_indices_partitioned=outer.all_indices_partitioned,
        pfor_config=outer.pfor_config,
    )
    for given, value, differs in zip(graph.inputs, values, stacked, strict=True):
        inner._add_conversion(given, pfor.wrap(value, differs))  # noqa: SLF001
    return [inner._convert_helper(output) for output in graph.outputs]  # noqa: SLF001


def _stacked_in_a_loop(body: Any, stacked: list[bool]) -> list[bool]:
    """Which values of a loop differ between replicas at some time, given those that do at its start."""
    while True:
        after = [a or b for a, b in zip(stacked, _reached(body, stacked), strict=True)]
        if after == stacked:
            return stacked
        stacked = after


OF_SHAPES = ("Rank", "Shape", "ShapeN", "Size")
"""Operations that give the result of one replica, whatever their inputs."""


def _reached(graph: Any, stacked: list[bool]) -> list[bool]:
    """Which outputs of a function depend on these inputs."""
    differ = {given.ref() for given, differs in zip(graph.inputs, stacked, strict=True) if differs}
    for operation in graph.get_operations():
        if operation.type not in OF_SHAPES and any(given.ref() in differ for given in operation.inputs):
            differ.update(output.ref() for output in operation.outputs)
    return [output.ref() in differ for output in graph.outputs]


CONVERTERS = {
    "StatelessWhile": _while,
    "While": _while,
    "BiasAdd": _bias_add,
    "BiasAddGrad": _bias_add_grad,
    "Bitcast": _bitcast,
    "InTopKV2": _in_top_k,
    "PadV2": _pad,
    "ScatterNd": _scatter_nd,
    "Conv2D": _convolution("Conv2D"),
    "Conv3D": _convolution("Conv3D"),
    "Conv2DBackpropInput": _gradient_of_x("Conv2DBackpropInput"),
    "Conv3DBackpropInputV2": _gradient_of_x("Conv3DBackpropInputV2"),
    "Conv2DBackpropFilter": _gradient_of_kernel("Conv2DBackpropFilter"),
    "Conv3DBackpropFilterV2": _gradient_of_kernel("Conv3DBackpropFilterV2"),
    "ResizeBilinear": _row_by_row("ResizeBilinear", 1),
    "ResizeBilinearGrad": _row_by_row("ResizeBilinearGrad", 2),
    "ResizeNearestNeighbor": _row_by_row("ResizeNearestNeighbor", 1),
    "ResizeNearestNeighborGrad": _row_by_row("ResizeNearestNeighborGrad", 1),
    "RGBToHSV": _row_by_row("RGBToHSV", 1),
    "HSVToRGB": _row_by_row("HSVToRGB", 1),
    "DepthwiseConv2dNative": _shared_filters("DepthwiseConv2dNative", _row_by_row("DepthwiseConv2dNative", 1)),
    "DepthwiseConv2dNativeBackpropInput": _shared_filters("DepthwiseConv2dNativeBackpropInput", _gradient_by_rows),
}


def register() -> None:
    """Puts them into TensorFlow's table."""
    pfor._pfor_converter_registry.update(CONVERTERS)  # noqa: SLF001
