"""Twins of Keras' recurrent layers.

Keras' loop over time does not compile within `tf.vectorized_map`: its gradient keeps lists of tensors. Here both loops, over
time and back, are written out and keep plain tensors. What does not depend on the state, the projection of the inputs, is
one product for all times; so is, in the gradient, that of the recurrent kernel. Gates stand apart, for one tensor of them all
has a gradient that XLA computes entry by entry (measured).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from noiseflow.training.twins.windows import add

Tensor = Any
Tensors = list[Tensor]
Step = Callable[[Tensors, Tensors, Tensors, Tensors], Tensors]
"""(projected input and projected output of the step before, gate by gate; states; further weights) to the new states."""


def scan(
    step: Step, projected: Tensors, states: Tensors, kernels: Tensors, biases: Tensors, further: Tensors
) -> Tensors:
    """The states after each time, each as (n_times, n_rows, units), the output first.

    Args:
        step: one step.
        projected: for each gate (n_times, n_rows, units), the inputs' part.
        states: at the start, each (n_rows, units).
        kernels: for each gate that the output of the step before is projected to, (units, units), and
        biases: (units,) for each, or none at all.
        further: weights that the step itself uses.
    """
    n_times = projected[0].shape[0]
    parts = [projected, states, kernels, biases, further]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def scanned(*flat: Tensor) -> Any:
        projected, states, kernels, biases, further = tf.nest.pack_sequence_as(parts, flat)

        def forward(t: Tensor, now: Tensors, kept: Tensors, history: Tensors) -> Any:
            inner = [now[0] @ kernel for kernel in kernels]
            if biases:
                inner = [x + bias for x, bias in zip(inner, biases, strict=True)]
            now = step(_at(projected, t), inner, now, further)
            return t + 1, now, _put(kept, t, inner), _put(history, t, now)

        empty = tf.zeros_like(projected[0])
        loop = (tf.constant(0), states, [empty] * len(kernels), [empty] * len(states))
        _, _, inners, history = tf.while_loop(lambda t, *_: t < n_times, forward, loop)

        def gradient(*upstream: Tensor) -> Tensors:
            before = [tf.concat([state[None], after[:-1]], 0) for state, after in zip(states, history, strict=True)]

            def backward(t: Tensor, d_now: Tensors, d_xs: Tensors, d_inners: Tensors, d_further: Tensors) -> Any:
                d_now = [d + u for d, u in zip(d_now, _at(list(upstream), t), strict=True)]
                sources = [_at(projected, t), _at(inners, t), _at(before, t), further]
                with tf.GradientTape() as tape:
                    tape.watch(sources)
                    after = step(*sources)
                d_x, d_inner, d_now, d_here = tape.gradient(after, sources, d_now, "zero")
                back = [tf.matmul(d, kernel, transpose_b=True) for d, kernel in zip(d_inner, kernels, strict=True)]
                d_now = [add([d_now[0], *back]), *d_now[1:]]
                d_further = [total + d for total, d in zip(d_further, d_here, strict=True)]
                return t - 1, d_now, _put(d_xs, t, d_x), _put(d_inners, t, d_inner), d_further

            zeros = [tf.zeros_like(state) for state in states], [tf.zeros_like(weight) for weight in further]
            loop = (tf.constant(n_times - 1), zeros[0], [empty] * len(projected), [empty] * len(kernels), zeros[1])
            _, d_states, d_xs, d_inners, d_further = tf.while_loop(lambda t, *_: t >= 0, backward, loop)
            d_inners = [_rows(d) for d in d_inners]
            d_kernels = [tf.matmul(_rows(before[0]), d, transpose_a=True) for d in d_inners]
            d_biases = [tf.reduce_sum(d, 0) for d in d_inners[: len(biases)]]
            return tf.nest.flatten([d_xs, d_states, d_kernels, d_biases, d_further])

        return history, gradient

    return scanned(*tf.nest.flatten(parts))


def _at(values: Tensors, time: Tensor) -> Tensors:
    return [tf.gather(value, time) for value in values]


def _put(values: Tensors, time: Tensor, entries: Tensors) -> Tensors:
    pairs = zip(values, entries, strict=True)
    return [tf.tensor_scatter_nd_update(value, [[time]], entry[None]) for value, entry in pairs]


def _rows(values: Tensor) -> Tensor:
    return tf.reshape(values, (-1, values.shape[-1]))


class _Recurrent(keras.layers.Layer):
    """`LSTM`, `GRU` and `SimpleRNN`: the same loop, each with a step of its own."""

    unroll: bool  # Keras' own
    n_gates = 1
    unrolls = 0  # times; up to so many Keras' own loop, unrolled, is faster

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("dropout", "recurrent_dropout", "stateful"):
            if value := getattr(self, name):
                raise NotImplementedError(
                    f"layer {self.name!r}: {name} has no vectorised form; received {value}. Use {name}={type(value)()}."
                )

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Tensor, training: bool = False) -> Any:
        if mask is not None or sequences.shape[1] <= self.unrolls:
            return self._unrolled(sequences, initial_state, mask, training)
        sequences = tf.transpose(sequences, (1, 0, 2))
        if self.go_backwards:
            sequences = sequences[::-1]
        projected = [sequences @ kernel for kernel in self._gates(self.cell.kernel)]
        kernels, further = self._split(self._gates(self.cell.recurrent_kernel))
        biases: Tensors = []
        if self.use_bias:
            input_biases, biases = self._biases()
            projected = [x + bias for x, bias in zip(projected, input_biases, strict=True)]
        states = scan(self._step, projected, list(initial_state), kernels, biases, further)
        last = [state[-1] for state in states]
        return last[0], tf.transpose(states[0], (1, 0, 2)) if self.return_sequences else last[0][:, None], last

    def _unrolled(self, sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool) -> Any:
        """Keras' own loop, unrolled."""
        unroll, self.unroll = self.unroll, True
        try:
            return keras.layers.RNN.inner_loop(self, sequences, initial_state, mask, training)
        finally:
            self.unroll = unroll

    def _gates(self, weight: Any) -> Tensors:
        return list(tf.split(tf.convert_to_tensor(weight), self.n_gates, -1))

    def _biases(self) -> tuple[Tensors, Tensors]:
        """What is added to the projected inputs, and to the projected output of the step before."""
        return self._gates(self.cell.bias), []

    def _split(self, recurrent_kernels: Tensors) -> tuple[Tensors, Tensors]:
        """The kernels that the output of the step before is multiplied with, and those that the step itself uses."""
        return recurrent_kernels, []


class VectorizedSimpleRNN(_Recurrent, keras.layers.SimpleRNN):
    """`SimpleRNN` with kernels that differ between replicas."""

    unrolls = 40  # measured: a third of the loop's time; with gates its compilation takes too long

    def _step(self, x: Tensors, inner: Tensors, states: Tensors, further: Tensors) -> Tensors:  # noqa: ARG002
        return [self.activation(x[0] + inner[0])]


class VectorizedLSTM(_Recurrent, keras.layers.LSTM):
    """`LSTM` with kernels that differ between replicas."""

    n_gates = 4

    def _step(self, x: Tensors, inner: Tensors, states: Tensors, further: Tensors) -> Tensors:  # noqa: ARG002
        entry, forget, candidate, output = (a + b for a, b in zip(x, inner, strict=True))
        gate = self.recurrent_activation
        carry = gate(forget) * states[1] + gate(entry) * self.activation(candidate)
        return [gate(output) * self.activation(carry), carry]


class VectorizedGRU(_Recurrent, keras.layers.GRU):
    """`GRU` with kernels that differ between replicas."""

    n_gates = 3

    def _step(self, x: Tensors, inner: Tensors, states: Tensors, further: Tensors) -> Tensors:
        update = self.recurrent_activation(x[0] + inner[0])
        reset = self.recurrent_activation(x[1] + inner[1])
        past = reset * inner[2] if self.reset_after else (reset * states[0]) @ further[0]
        candidate = self.activation(x[2] + past)
        return [update * states[0] + (1 - update) * candidate]

    def _biases(self) -> tuple[Tensors, Tensors]:
        if not self.reset_after:
            return super()._biases()
        return self._gates(self.cell.bias[0]), self._gates(self.cell.bias[1])

    def _split(self, recurrent_kernels: Tensors) -> tuple[Tensors, Tensors]:
        return (recurrent_kernels, []) if self.reset_after else (recurrent_kernels[:2], recurrent_kernels[2:])


RECURRENT: dict[type[keras.layers.Layer], type[keras.layers.Layer]] = {
    keras.layers.SimpleRNN: VectorizedSimpleRNN,
    keras.layers.LSTM: VectorizedLSTM,
    keras.layers.GRU: VectorizedGRU,
}
"""For each of Keras' recurrent layers its twin."""


def _twin(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The twin of a layer that `Bidirectional` is given."""
    kind = type(layer)
    if kind in RECURRENT.values():
        return layer
    if kind not in RECURRENT:
        known = ", ".join(kind.__name__ for kind in RECURRENT)
        raise NotImplementedError(f"Bidirectional of {kind.__name__} has no vectorised form; that of {known} has.")
    return RECURRENT[kind].from_config(layer.get_config())


class VectorizedBidirectional(keras.layers.Bidirectional):
    """`Bidirectional` of the twins above."""

    def __init__(self, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("backward_layer") is not None:
            kwargs["backward_layer"] = _twin(kwargs["backward_layer"])
        with keras.utils.custom_object_scope({kind.__name__: kind for kind in RECURRENT.values()}):
            super().__init__(_twin(layer), *args, **kwargs)
