"""The works in JAX, written by hand for each as one who knows JAX would: jit of vmap over seeds of scan over epochs.

The same model, steps, Adam, noise and records as ours: loss and accuracy on train and test at every tenth epoch, which a
scan of scans gives without a `cond` (that `vmap` would turn into a `select`, evaluating at every epoch). Products whose
inner dimension is small, convolutions and the recurrence are written in several forms, since which one is fastest on a
machine cannot be known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.problems import RECORD_EVERY, Data

Tree = Any
Key = Any
Noise = Callable[[jax.Array], jax.Array]
Hidden = Callable[[Tree, jax.Array], jax.Array]
Output = Callable[[jax.Array, jax.Array], jax.Array]
Forward = Callable[[Tree, jax.Array, Noise], jax.Array]
"""The logits (n_rows,) or (n_rows, n_classes) of one replica, from its parameters, x, and what adds the noise."""


class Model(NamedTuple):
    """What an architecture is: initial parameters from a numpy generator (as Keras draws them), forms of its forward pass."""

    initial: Callable[[np.random.Generator], Tree]
    forms: dict[str, Forward]


# -- MLP ----------------------------------------------------------------------------------------------------------------


def _glorot(rng: np.random.Generator, *shape: int) -> Any:
    receptive = int(np.prod(shape[:-2]))
    limit = np.sqrt(6 / (receptive * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype("float32")


def _zeros(*shape: int) -> Any:
    return np.zeros(shape, "float32")


def _mlp_initial(rng: np.random.Generator) -> Tree:
    return {"w": _glorot(rng, 2, 500), "b": _zeros(500), "v": _glorot(rng, 500, 1), "c": _zeros(1)}


def _mlp(p: Tree, x: jax.Array, noise: Noise, *, place: str, hidden: Hidden, output: Output) -> jax.Array:
    a = hidden(p, x)
    h = jax.nn.relu(noise(a)) if place == "before_activation" else noise(jax.nn.relu(a))
    return output(h, p["v"][:, 0]) + p["c"]


def _hidden_folded(p: Tree, x: jax.Array) -> jax.Array:
    """The bias as one more row of the kernel, so that its gradient is no reduction of its own."""
    ones = jnp.ones((len(x), 1), x.dtype)
    return jnp.concatenate([x, ones], axis=1) @ jnp.concatenate([p["w"], p["b"][None]])


MLP_FORMS: dict[str, dict[str, Any]] = {
    "products": {"hidden": lambda p, x: x @ p["w"] + p["b"], "output": jnp.matmul},
    "folded": {"hidden": _hidden_folded, "output": jnp.matmul},
    "sums": {
        "hidden": lambda p, x: x[:, :1] * p["w"][0] + x[:, 1:] * p["w"][1] + p["b"],
        "output": lambda h, v: jnp.sum(h * v, axis=1),
    },
}


# -- CNN ----------------------------------------------------------------------------------------------------------------


def _cnn_initial(rng: np.random.Generator) -> Tree:
    return {
        "k1": _glorot(rng, 3, 3, 1, 32),
        "b1": _zeros(32),
        "k2": _glorot(rng, 3, 3, 32, 32),
        "b2": _zeros(32),
        "w": _glorot(rng, 128, 10),
        "c": _zeros(10),
    }


def _convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _im2col(x: jax.Array, kernel: jax.Array) -> jax.Array:
    n, height, width, channels = x.shape
    high, wide, _, filters = kernel.shape
    rows, columns = height - high + 1, width - wide + 1
    patches = [x[:, i : i + rows, j : j + columns] for i in range(high) for j in range(wide)]
    flat = jnp.concatenate(patches, axis=-1).reshape(n * rows * columns, high * wide * channels)
    return (flat @ kernel.reshape(-1, filters)).reshape(n, rows, columns, filters)


def _shifts(x: jax.Array, kernel: jax.Array) -> jax.Array:
    rows, columns = x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1
    return sum(
        x[:, i : i + rows, j : j + columns] @ kernel[i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )


def _cnn(p: Tree, x: jax.Array, noise: Noise, *, convolve: Callable[..., jax.Array]) -> jax.Array:
    h = jax.nn.relu(convolve(x, p["k1"]) + p["b1"])
    h = jax.nn.relu(convolve(h, p["k2"]) + p["b2"])
    h = h.reshape(-1, 2, 2, 2, 2, 32).max((2, 4))
    return noise(h).reshape(len(x), -1) @ p["w"] + p["c"]


# -- LSTM ---------------------------------------------------------------------------------------------------------------


def _lstm_initial(rng: np.random.Generator) -> Tree:
    q, r = np.linalg.qr(rng.normal(size=(128, 32)))
    bias = _zeros(128)
    bias[32:64] = 1  # the forget gate, as Keras has it
    recurrent = np.ascontiguousarray((q * np.sign(np.diag(r))).T, "float32")
    return {"w": _glorot(rng, 2, 128), "u": recurrent, "b": bias, "v": _glorot(rng, 32, 1), "c": _zeros(1)}


def _lstm(p: Tree, x: jax.Array, noise: Noise, *, unroll: int) -> jax.Array:
    projected = jnp.swapaxes(x, 0, 1) @ p["w"] + p["b"]  # hoisted out of the loop over time

    def step(carry: tuple[jax.Array, jax.Array], z: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        h, c = carry
        i, f, g, o = jnp.split(z + h @ p["u"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    start = jnp.zeros((len(x), 32))
    (h, _), _ = lax.scan(step, (start, start), projected, unroll=unroll)
    return (jax.nn.relu(noise(h)) @ p["v"])[:, 0] + p["c"]


def models(place: str | None) -> dict[str, Model]:
    """The architectures, with the noise of an MLP at its place."""
    return {
        "mlp": Model(_mlp_initial, {k: partial(_mlp, place=place or "", **form) for k, form in MLP_FORMS.items()}),
        "cnn": Model(
            _cnn_initial,
            {
                "convolution": partial(_cnn, convolve=_convolution),
                "im2col": partial(_cnn, convolve=_im2col),
                "shifts": partial(_cnn, convolve=_shifts),
            },
        ),
        "lstm": Model(_lstm_initial, {f"unroll={n}": partial(_lstm, unroll=n) for n in (1, 4, 20)}),
    }


# -- training -----------------------------------------------------------------------------------------------------------


def _losses(logits: jax.Array, y: jax.Array) -> jax.Array:
    if logits.ndim == 1:
        return jnp.logaddexp(0, logits) - y * logits
    return jax.nn.logsumexp(logits, axis=1) - jnp.take_along_axis(logits, y.astype(int)[:, None], axis=1)[:, 0]


def _correct(logits: jax.Array, y: jax.Array) -> jax.Array:
    return (logits > 0) == (y > 0.5) if logits.ndim == 1 else jnp.argmax(logits, axis=1) == y.astype(int)


def _adam(p: jax.Array, m: jax.Array, v: jax.Array, g: jax.Array, rate: jax.Array) -> tuple[jax.Array, ...]:
    m = m + (g - m) * (1 - 0.9)
    v = v + (g * g - v) * (1 - 0.999)
    return p - m * rate / (jnp.sqrt(v) + 1e-7), m, v


def train(forward: Forward, data: Data, stddev: float, n_records: int, parameters: Tree, key: Key) -> jax.Array:
    """Trains one replica; loss and accuracy on train, then on test: (n_records, 4)."""
    x, y, x_test, y_test = map(jnp.asarray, data)

    def loss(p: Tree, step_key: Key) -> jax.Array:
        noise = (lambda h: h + stddev * jax.random.normal(step_key, h.shape)) if stddev else (lambda h: h)
        return _losses(forward(p, x, noise), y).mean()

    def step(carry: Tree, t: jax.Array) -> tuple[Tree, None]:
        p, m, v = carry
        gradients = jax.grad(loss)(p, jax.random.fold_in(key, t) if stddev else None)
        rate = 1e-3 * jnp.sqrt(1 - 0.999 ** (t + 1.0)) / (1 - 0.9 ** (t + 1.0))
        new = {name: _adam(p[name], m[name], v[name], gradients[name], rate) for name in p}
        return tuple({name: new[name][i] for name in p} for i in range(3)), None

    def measure(p: Tree, xs: jax.Array, ys: jax.Array) -> list[jax.Array]:
        logits = forward(p, xs, lambda h: h)
        return [_losses(logits, ys).mean(), _correct(logits, ys).mean()]

    def block(carry: Tree, first: jax.Array) -> tuple[Tree, jax.Array]:
        carry, _ = lax.scan(step, carry, first + jnp.arange(RECORD_EVERY))
        return carry, jnp.stack(measure(carry[0], x, y) + measure(carry[0], x_test, y_test))

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return lax.scan(block, (parameters, zeros, zeros), jnp.arange(n_records) * RECORD_EVERY)[1]
