"""Other ways to compute Keras' recurrent layers.

Keras' loop over time does not compile within `tf.vectorized_map`: its gradient keeps lists of tensors. Here both loops, over
time and back, are written out and keep plain tensors. What does not depend on the state, the projection of the inputs, is
one product for all times; so is the gradient of the recurrent kernel. Gates are apart, for one tensor of them all
has a gradient that XLA computes entry by entry (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from noiseflow.engine.problem import NotVectorizableError
from noiseflow.engine.twins.windows import add
from noiseflow.noise.instrument import current_walk

Tensor = Any
Tensors = list[Tensor]
MOST_UNROLLED = 64
"""Steps of a recurrence of any kind that are written out; compiling more takes longer than `Model.fit` does."""
Step = Callable[[Tensors, Tensors, Tensors, Tensors], Tensors]
"""(projected input and projected output of the step before, gate by gate; states; further weights) to the new states."""


def scan(
    step: Step,
    projected: Tensors,
    states: Tensors,
    kernels: Tensors,
    biases: Tensors,
    further: Tensors,
    kept: Tensor | None = None,
) -> Tensors:
    """The states after each time, each as (n_times, n_rows, units), the output first.

    Args:
        step: one step.
        projected: for each gate (n_times, n_rows, units), the inputs' part.
        states: at the start, each (n_rows, units).
        kernels: for each gate that the output of the step before is projected to, (units, units), and
        biases: (units,) for each, or none at all.
        further: weights that the step itself uses.
        kept: bool, (n_times, n_rows, 1): at other times the states stay as they are.
    """
    n_times = projected[0].shape[0]

    def masked(t: Tensor, x: Tensors, inner: Tensors, now: Tensors, further: Tensors) -> Tensors:
        after = step(x, inner, now, further)
        if kept is None:
            return after
        here = tf.gather(kept, t)
        return [tf.where(here, new, old) for new, old in zip(after, now, strict=True)]

    parts = [projected, states, kernels, biases, further]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def scanned(*flat: Tensor) -> Any:
        projected, states, kernels, biases, further = tf.nest.pack_sequence_as(parts, flat)

        def forward(t: Tensor, now: Tensors, inners: Tensors, history: Tensors) -> Any:
            inner = [now[0] @ kernel for kernel in kernels]
            if biases:
                inner = [x + bias for x, bias in zip(inner, biases, strict=True)]
            now = masked(t, _at(projected, t), inner, now, further)
            return t + 1, now, _put(inners, t, inner), _put(history, t, now)

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
                    after = masked(t, *sources)
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


@dataclass(frozen=True)
class _Form:
    """How one kind of recurrent layer steps.

    Attributes:
        n_gates: its kernels hold so many gates side by side.
        step: as for `scan`.
        unrolls: up to so many times Keras' own loop, unrolled, is faster (measured).
    """

    n_gates: int
    step: Callable[[Any], Step]
    unrolls: int = 0


def _simple_rnn(layer: Any) -> Step:
    return lambda x, inner, states, further: [layer.activation(x[0] + inner[0])]


def _lstm(layer: Any) -> Step:
    def step(x: Tensors, inner: Tensors, states: Tensors, further: Tensors) -> Tensors:
        del further
        entry, forget, candidate, output = (a + b for a, b in zip(x, inner, strict=True))
        gate = layer.recurrent_activation
        carry = gate(forget) * states[1] + gate(entry) * layer.activation(candidate)
        return [gate(output) * layer.activation(carry), carry]

    return step


def _gru(layer: Any) -> Step:
    def step(x: Tensors, inner: Tensors, states: Tensors, further: Tensors) -> Tensors:
        update = layer.recurrent_activation(x[0] + inner[0])
        reset = layer.recurrent_activation(x[1] + inner[1])
        past = reset * inner[2] if layer.reset_after else (reset * states[0]) @ further[0]
        candidate = layer.activation(x[2] + past)
        return [update * states[0] + (1 - update) * candidate]

    return step


FORMS: dict[type[keras.layers.Layer], _Form] = {
    keras.layers.SimpleRNN: _Form(1, _simple_rnn, unrolls=40),  # with gates its compilation takes too long
    keras.layers.LSTM: _Form(4, _lstm),
    keras.layers.GRU: _Form(3, _gru),
}


def recurrent(layer: Any) -> Mapping[str, Any]:
    """`SimpleRNN`, `LSTM` and `GRU`: the same loop, each with its own step."""
    form = FORMS[type(layer)]

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool = False) -> Any:
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        drops = training and (layer.recurrent_dropout or layer.dropout)
        begun = mask is not None and not all(
            map(_is_zero, initial_state)
        )  # Keras' first masked output is 0, not the state
        if drops or begun or sequences.shape[1] <= form.unrolls:
            return _unrolled(layer, sequences, initial_state, mask, training)
        return _scanned(layer, form, sequences, list(initial_state), mask)

    return {"inner_loop": inner_loop}


def unrolled(layer: Any) -> Mapping[str, Any]:
    """`RNN` of any cell, and the ConvLSTM layers: Keras' own loop, unrolled; a long one is refused."""

    def inner_loop(sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool = False) -> Any:
        n_times = sequences.shape[1]
        if n_times is None or n_times > MOST_UNROLLED:
            which = f"layer {layer.name!r} ({type(layer).__name__}) does not vectorise: it runs over"
            steps = f"{n_times} steps" if n_times else "a number of steps that is not known before"
            raise NotVectorizableError(f"{which} {steps}, and at most {MOST_UNROLLED} can be written out")
        return _unrolled(layer, sequences, initial_state, mask, training)

    return {"inner_loop": inner_loop}


def _with_noise(step: Step) -> Step:
    """The step, with the last of the projected inputs added to the state that it hands on."""

    def noisy(x: Tensors, inner: Tensors, states: Tensors, further: Tensors) -> Tensors:
        state, *others = step(x[:-1], inner, states, further)
        return [state + x[-1], *others]

    return noisy


def _is_zero(state: Tensor) -> bool:
    value = tf.get_static_value(state)
    return value is not None and not value.any()


def _unrolled(layer: Any, sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool) -> Any:
    """Keras' own loop, unrolled."""
    unroll = layer.unroll
    object.__setattr__(layer, "unroll", True)
    try:
        return keras.layers.RNN.inner_loop(layer, sequences, initial_state, mask, training)
    finally:
        object.__setattr__(layer, "unroll", unroll)


def _scanned(layer: Any, form: _Form, sequences: Tensor, states: Tensors, mask: Tensor | None) -> Any:
    sequences = tf.transpose(sequences, (1, 0, 2))
    kept = None if mask is None else tf.transpose(tf.cast(mask, tf.bool), (1, 0))[..., None]
    if layer.go_backwards:
        sequences = sequences[::-1]
        kept = None if kept is None else kept[::-1]

    def gates(weight: Any) -> Tensors:
        return list(tf.split(tf.convert_to_tensor(weight), form.n_gates, -1))

    projected = [sequences @ kernel for kernel in gates(layer.cell.kernel)]
    kernels, further = gates(layer.cell.recurrent_kernel), []
    resets_first = isinstance(layer, keras.layers.GRU) and not layer.reset_after
    if resets_first:  # the candidate's kernel takes the state after its reset: it belongs to the step
        kernels, further = kernels[:2], kernels[2:]
    biases: Tensors = []
    if layer.use_bias:
        given = layer.cell.bias
        if isinstance(layer, keras.layers.GRU) and layer.reset_after:
            input_biases, biases = gates(given[0]), gates(given[1])
        else:
            input_biases = gates(given)
        projected = [x + bias for x, bias in zip(projected, input_biases, strict=True)]
    step, walk = form.step(layer), current_walk()
    if walk is not None and (label := walk.label_of(layer.cell)):
        clean = tf.zeros([sequences.shape[0], *states[0].shape], states[0].dtype)
        noise = walk.state(label, clean)
        if noise is not clean:
            step, projected = _with_noise(step), [*projected, noise]
    history = scan(step, projected, states, kernels, biases, further, kept)
    last = [state[-1] for state in history]
    outputs = history[0]
    if layer.zero_output_for_mask and kept is not None:
        outputs = tf.where(kept, outputs, tf.zeros([], outputs.dtype))
    return outputs[-1], tf.transpose(outputs, (1, 0, 2)) if layer.return_sequences else outputs[-1][:, None], last
