"""The measurements that run in a process of their own: ours, `Model.fit`, JAX, and the machine's arithmetic."""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np

from benchmarks import jax_variants
from benchmarks.problems import RECORD_EVERY, WORKS

WARM_UP_EPOCHS = 5


def ours(name: str, n_seeds: int, epochs: int, engine: Any) -> dict[str, Any]:
    """Seconds of `fit_seeds` at the first call, which compiles, and at the second; of building the models, which is in both."""
    from noiseflow import Injection, fit_seeds

    work = WORKS[name]
    data = work.data()

    def fit() -> tuple[float, Any]:
        began = time.perf_counter()
        found = fit_seeds(
            work.build,
            data.x,
            data.y,
            seeds=range(n_seeds),
            epochs=epochs,
            batch_size=len(data.x),
            validation_data=(data.x_test, data.y_test),
            evaluations={"train": (data.x, data.y)},
            noise=[Injection(place=work.place, stddev=work.stddev)] if work.place else [],
            record_every=RECORD_EVERY,
            engine=engine,
        )
        return time.perf_counter() - began, found.history

    first, _ = fit()
    peak = _peak()
    seconds, history = fit()
    began = time.perf_counter()
    for _ in range(10):
        work.build()
    return {
        "seconds": seconds,
        "first": first,
        "building": (time.perf_counter() - began) / 10 * n_seeds,
        "peak": peak,
        "train": float(history["train_accuracy"][:, -1].mean()),
        "test": float(history["val_accuracy"][:, -1].mean()),
    }


def fit(name: str, epochs: int) -> dict[str, Any]:
    """Seconds of one `Model.fit` of one seed, validation data and all, after a short one that traces."""
    import keras

    work = WORKS[name]
    data = work.data()
    keras.utils.set_random_seed(0)
    model = work.build(work.place)

    def run(epochs: int) -> float:
        began = time.perf_counter()
        test = (data.x_test, data.y_test)
        model.fit(data.x, data.y, validation_data=test, epochs=epochs, batch_size=len(data.x), verbose=0)
        return time.perf_counter() - began

    warm_up = run(WARM_UP_EPOCHS)
    return {"seconds": run(epochs), "first": warm_up, "peak": _peak()}


def jax(name: str, variant: int, n_seeds: int, epochs: int) -> dict[str, Any]:
    """As `jax_variants.measure` has it, with the peak of memory."""
    chosen = jax_variants.variants(WORKS[name])[variant]
    return jax_variants.measure(name, chosen, n_seeds, epochs) | {"peak": _peak()}


def rate(size: int = 1024, repeats: int = 20) -> dict[str, Any]:
    """Multiply-adds a second of a product of two square float32 matrices, the best of some; on all cores."""
    a, b = np.random.default_rng(0).random((2, size, size), dtype=np.float32)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        a @ b
        taken.append(time.perf_counter() - began)
    return {"rate": size**3 / min(taken)}


def _peak() -> float:
    """GB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
