"""Twins of Keras' recurrent layers.

TensorFlow's loop over time does not compile within `tf.vectorized_map`, so the steps stand one after another. What does
not depend on the state, the projection of the inputs, is one product for all times; so is, in the gradient, that of the
recurrent kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

Tensor = Any
States = list[Tensor]
Step = Callable[[Tensor, Tensor, States, list[Tensor]], States]
"""(projected input, projected output of the step before, states, further weights) to the new states, the output first."""


def scan(step: Step, projected: Tensor, states: States, kernel: Tensor, bias: Tensor, further: list[Tensor]) -> States:
    """The states after each time, each as (n_times, n_rows, units).

    Args:
        step: one step.
        projected: (n_times, n_rows, n), the inputs' part.
        states: at the start, each (n_rows, units).
        kernel: (units, n), and
        bias: (n,), which project the output of the step before.
        further: weights that the step itself uses.
    """
    n_times, n_states = projected.shape[0], len(states)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def scanned(projected: Tensor, kernel: Tensor, bias: Tensor, *others: Tensor) -> Any:
        start, further = list(others[:n_states]), list(others[n_states:])
        inputs = tf.unstack(projected, n_times)
        history, inner = [start], []
        for x in inputs:
            inner.append(history[-1][0] @ kernel + bias)
            history.append(step(x, inner[-1], history[-1], further))

        def gradient(*upstream: Tensor) -> list[Tensor]:
            by_time = list(zip(*(tf.unstack(u, n_times) for u in upstream), strict=True))
            d_states = [tf.zeros_like(state) for state in start]
            d_inputs, d_inners = [], []
            d_further = [tf.zeros_like(weight) for weight in further]
            for t in reversed(range(n_times)):
                d_states = [d + u for d, u in zip(d_states, by_time[t], strict=True)]
                with tf.GradientTape() as tape:
                    tape.watch([inputs[t], inner[t], history[t], further])
                    after = step(inputs[t], inner[t], history[t], further)
                sources = [inputs[t], inner[t], history[t], further]
                d_x, d_inner, d_states, d_here = tape.gradient(after, sources, d_states, "zero")
                d_states[0] += tf.matmul(d_inner, kernel, transpose_b=True)
                d_further = [total + d for total, d in zip(d_further, d_here, strict=True)]
                d_inputs.insert(0, d_x)
                d_inners.insert(0, d_inner)
            outputs = tf.concat([states[0] for states in history[:-1]], 0)
            d_inner = tf.concat(d_inners, 0)
            d_kernel = tf.matmul(outputs, d_inner, transpose_a=True)
            return [tf.stack(d_inputs), d_kernel, tf.reduce_sum(d_inner, 0), *d_states, *d_further]

        return [tf.stack(states) for states in zip(*history[1:], strict=True)], gradient

    return scanned(projected, kernel, bias, *states, *further)


class _Recurrent(keras.layers.Layer):
    """`LSTM`, `GRU` and `SimpleRNN`: the same loop, each with a step of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("dropout", "recurrent_dropout", "stateful"):
            if value := getattr(self, name):
                raise NotImplementedError(
                    f"layer {self.name!r}: {name} has no vectorised form; received {value}. Use {name}={type(value)()}."
                )

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Tensor, training: bool = False) -> Any:
        if mask is not None:
            return self._masked_loop(sequences, initial_state, mask, training)
        kernel, recurrent_kernel = map(tf.convert_to_tensor, (self.cell.kernel, self.cell.recurrent_kernel))
        recurrent_kernel, further = self._split(recurrent_kernel)
        sequences = tf.transpose(sequences, (1, 0, 2))
        if self.go_backwards:
            sequences = sequences[::-1]
        projected, recurrent_bias = sequences @ kernel, tf.zeros(recurrent_kernel.shape[-1:], kernel.dtype)
        if self.use_bias:
            bias, recurrent_bias = self._biases(tf.convert_to_tensor(self.cell.bias), recurrent_bias)
            projected += bias
        states = scan(self._step, projected, list(initial_state), recurrent_kernel, recurrent_bias, further)
        last = [state[-1] for state in states]
        return last[0], tf.transpose(states[0], (1, 0, 2)) if self.return_sequences else last[0][:, None], last

    def _masked_loop(self, sequences: Tensor, initial_state: Any, mask: Tensor, training: bool) -> Any:
        """Keras' own loop, unrolled."""
        unroll, self.unroll = self.unroll, True
        try:
            return keras.layers.RNN.inner_loop(self, sequences, initial_state, mask, training)
        finally:
            self.unroll = unroll

    def _biases(self, bias: Tensor, zeros: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to the projected inputs, and to the projected output of the step before."""
        return bias, zeros

    def _split(self, recurrent_kernel: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The part of the recurrent kernel that the output of the step before is multiplied with, and the rest."""
        return recurrent_kernel, []


class VectorizedSimpleRNN(_Recurrent, keras.layers.SimpleRNN):
    """`SimpleRNN`, its steps one after another."""

    def _step(self, x: Tensor, inner: Tensor, states: States, further: list[Tensor]) -> States:  # noqa: ARG002
        return [self.activation(x + inner)]


class VectorizedLSTM(_Recurrent, keras.layers.LSTM):
    """`LSTM`, its steps one after another."""

    def _step(self, x: Tensor, inner: Tensor, states: States, further: list[Tensor]) -> States:  # noqa: ARG002
        entry, forget, candidate, exit_ = tf.split(x + inner, 4, -1)
        gate = self.recurrent_activation
        carry = gate(forget) * states[1] + gate(entry) * self.activation(candidate)
        return [gate(exit_) * self.activation(carry), carry]


class VectorizedGRU(_Recurrent, keras.layers.GRU):
    """`GRU`, its steps one after another."""

    def _step(self, x: Tensor, inner: Tensor, states: States, further: list[Tensor]) -> States:
        units, gate, state = self.units, self.recurrent_activation, states[0]
        update = gate(x[:, :units] + inner[:, :units])
        reset = gate(x[:, units : 2 * units] + inner[:, units : 2 * units])
        past = reset * inner[:, 2 * units :] if self.reset_after else (reset * state) @ further[0]
        candidate = self.activation(x[:, 2 * units :] + past)
        return [update * state + (1 - update) * candidate]

    def _biases(self, bias: Tensor, zeros: Tensor) -> tuple[Tensor, Tensor]:
        return (bias[0], bias[1]) if self.reset_after else (bias, zeros)

    def _split(self, recurrent_kernel: Tensor) -> tuple[Tensor, list[Tensor]]:
        if self.reset_after:
            return recurrent_kernel, []
        return recurrent_kernel[:, : 2 * self.units], [recurrent_kernel[:, 2 * self.units :]]


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
