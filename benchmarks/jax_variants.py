"""How JAX is run: the variants that someone who wants the most out of two cores would try, and the measurement of one."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from benchmarks.problems import RECORD_EVERY, WORKS, Work

RERUN_BELOW = 30.0  # seconds; a longer run shows its time at once
THREEFRY = "threefry2x32"
WIDE = "--xla_cpu_prefer_vector_width=512"  # XLA's default is half as wide, whatever the machine has


class Layout(NamedTuple):
    """How the seeds are laid out: mapped by `vmap` or `lax.map`, in equal parts, each a call, in threads of their own."""

    mapping: str
    parts: int
    threads: int


class Variant(NamedTuple):
    """One way to run a work in JAX.

    form: of the forward pass; generator: JAX' name for its kind of keys, None without noise; partitionable: JAX' default for
    threefry, at which it hashes twice as often; flags: XLA's.
    """

    form: str
    layout: Layout
    generator: str | None
    partitionable: bool = True
    flags: str = ""

    @property
    def name(self) -> str:
        """What the table calls it."""
        mapping, parts, threads = self.layout
        noise = self.generator or ""
        words = [self.form, mapping, f"{parts} parts in {threads} threads" if parts > 1 else "", noise]
        return (
            ", ".join(word for word in words if word)
            + ("" if self.partitionable else " (not partitionable)")
            + (f", {self.flags}" if self.flags else "")
        )


WHOLE = Layout("vmap", 1, 1)
HALVES = Layout("vmap", 2, 2)
TENTHS = Layout("vmap", 10, 2)
IN_TURN = Layout("lax.map", 2, 2)
"""One seed after the other within each thread: what a seed needs stays in the core's own cache."""

LAYOUTS = (WHOLE, HALVES, TENTHS, IN_TURN)

FORMS = {
    "mlp": ("folded", "products", "sums"),
    "cnn": ("im2col", "convolution", "shifts"),
    "lstm": ("unroll=1", "unroll=4", "unroll=20"),
}
"""Of the forward pass; the generators of noise are tried with the first."""


def variants(work: Work) -> list[Variant]:
    """The variants of a work that are tried."""
    forms = FORMS[work.architecture]
    generator = THREEFRY if work.place else None
    found = [Variant(form, layout, generator, partitionable=not work.place) for form, layout in product(forms, LAYOUTS)]
    found += [Variant(form, IN_TURN, generator, not work.place, WIDE) for form in forms]
    if not work.place:
        return found
    others = ((THREEFRY, True), ("rbg", True))
    return found + [Variant(forms[0], layout, *key) for layout, key in product((HALVES, TENTHS, IN_TURN), others)]


def measure(name: str, variant: Variant, n_seeds: int, epochs: int) -> dict[str, Any]:
    """Seconds of the better of two runs and of compiling, and the accuracies after the last epoch, means over the seeds."""
    os.environ["XLA_FLAGS"] = variant.flags  # read when JAX is first used
    import jax

    from benchmarks import jax_peer

    jax.config.update("jax_threefry_partitionable", variant.partitionable)
    work, layout = WORKS[name], variant.layout
    model = jax_peer.models(work.place)[work.architecture]
    train = partial(
        jax_peer.train,
        model.forms[variant.form],
        work.data(),
        work.stddev if work.place else 0.0,
        epochs // RECORD_EVERY,
    )
    mapped = (
        jax.vmap(train)
        if layout.mapping == "vmap"
        else lambda *replicas: jax.lax.map(lambda one: train(*one), replicas)
    )
    replicas = _replicas(model, variant.generator or THREEFRY, n_seeds)
    parts = [jax.tree.map(lambda leaf, i=i: leaf[i], replicas) for i in _slices(n_seeds, layout.parts)]
    began = time.perf_counter()
    compiled = jax.jit(mapped).lower(*parts[0]).compile()
    compiling = time.perf_counter() - began

    def run() -> tuple[float, Any]:
        began = time.perf_counter()
        with ThreadPoolExecutor(layout.threads) as pool:
            records = list(pool.map(lambda part: np.asarray(compiled(*part)), parts))
        return time.perf_counter() - began, np.concatenate(records)

    seconds, records = run()
    if seconds < RERUN_BELOW:
        seconds = min(seconds, run()[0])
    _, train_accuracy, _, test_accuracy = records[:, -1].mean(axis=0)
    return {"seconds": seconds, "compiling": compiling, "train": float(train_accuracy), "test": float(test_accuracy)}


def _slices(n: int, parts: int) -> list[slice]:
    """Equal ones, so that one program serves all."""
    if n % parts:
        raise ValueError(f"seeds must be a multiple of {parts}; received {n}")
    return [slice(first, first + n // parts) for first in range(0, n, n // parts)]


def _replicas(model: Any, generator: str, n_seeds: int) -> tuple[Any, Any]:
    """The initial parameters and the key of each seed, on the device."""
    import jax
    import jax.numpy as jnp

    drawn = [model.initial(np.random.default_rng(seed)) for seed in range(n_seeds)]
    stacked = {name: jnp.asarray(np.stack([one[name] for one in drawn])) for name in drawn[0]}
    return stacked, jax.vmap(partial(jax.random.key, impl=generator))(jnp.arange(n_seeds))
