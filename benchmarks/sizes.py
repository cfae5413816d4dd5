"""The engine against `Model.fit` on networks of real sizes: whole first calls with 8 seeds, and what a seed and epoch costs.

The second process finds the programs of the first on disk. `Model.fit` is one seed's whole call, times the number of seeds.

`python -m benchmarks.sizes` prints the table; each side of each size is measured in a process of its own, the two in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

N_SEEDS = 8
EPOCHS = {"few": 5, "many": 15}


def _compiled(layers: Callable[[Any], list[Any]], shape: tuple[int, ...], loss: str = "mse") -> Callable[[], Any]:
    def build() -> Any:
        import keras

        model = keras.Sequential([keras.Input(shape), *layers(keras.layers), keras.layers.Dense(1, name="out")])
        model.compile("adam", loss)
        return model

    return build


def _transformer() -> Any:
    import keras

    layers, ops = keras.layers, keras.ops
    inputs = keras.Input((32, 16))
    x = layers.Dense(64)(inputs)
    for _ in range(2):
        y = layers.MultiHeadAttention(4, 16)(layers.LayerNormalization()(x), layers.LayerNormalization()(x))
        x = x + y
        x = x + layers.Dense(64)(layers.Dense(128, "relu")(layers.LayerNormalization()(x)))
    model = keras.Model(inputs, layers.Dense(1)(ops.mean(x, axis=1)))
    model.compile("adam", "mse")
    return model


SIZES: dict[str, tuple[Callable[[], Any], tuple[int, ...], int]] = {
    "LSTM 64 x 50 steps": (_compiled(lambda L: [L.LSTM(64)], (50, 8)), (50, 8), 256),
    "CNN 35 k": (
        _compiled(
            lambda L: [
                *[L.Conv2D(16, 3, activation="relu"), L.MaxPooling2D(), L.Conv2D(32, 3, activation="relu")],
                *[L.MaxPooling2D(), L.Flatten(), L.Dense(37, "relu")],
            ],
            (28, 28, 1),
        ),
        (28, 28, 1),
        256,
    ),
    "transformer 69 k": (_transformer, (32, 16), 256),
    "LSTM 256": (_compiled(lambda L: [L.LSTM(256)], (20, 8)), (20, 8), 128),
    "MLP 420 k": (
        _compiled(lambda L: [L.Dense(512, "relu"), L.Dense(512, "relu"), L.Dense(256, "relu")], (50,)),
        (50,),
        1024,
    ),
    "MLP 1 M": (_compiled(lambda L: [L.Dense(1000, "relu"), L.Dense(900, "relu")], (100,)), (100,), 1024),
}
"""For each size what builds the model, the shape of a row, and how many rows there are."""


def measure(side: str, name: str, epochs: int) -> dict[str, float]:
    """Seconds of a first call with N_SEEDS seeds, from built imports on; of `Model.fit` one seed's, times their number."""
    build, shape, n = SIZES[name]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, *shape)).astype("float32"), rng.normal(size=(n, 1)).astype("float32")
    if side == "ours":
        from noiseflow import fit_seeds

        began = time.perf_counter()
        done = fit_seeds(build, x, y, seeds=range(N_SEEDS), epochs=epochs, record_every=epochs, engine="vectorized")
        return {"seconds": time.perf_counter() - began, "proof": done.proof.largest}
    import keras

    began = time.perf_counter()
    keras.utils.set_random_seed(0)
    build().fit(x, y, epochs=epochs, verbose=0)
    return {"seconds": (time.perf_counter() - began) * N_SEEDS}


def _process(side: str, name: str, epochs: int, cache: str) -> float:
    words = ["--side", side, "--name", name, "--epochs", str(epochs)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "NOISEFLOW_CACHE": cache}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sizes", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}, {side}: failed\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    for name in ("side", "name"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--epochs", type=int)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(measure(given.side, given.name, given.epochs)))
        return
    heads = ["size", "first call, 8 seeds, 15 epochs", "second process", "`Model.fit`", "ratios"]
    heads += ["ms a seed and epoch", "`Model.fit`", "ratio"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for name in [given.name] if given.name else SIZES:
        few, many = EPOCHS["few"], EPOCHS["many"]
        with TemporaryDirectory() as cache:
            first, second = (_process("ours", name, many, cache) for _ in range(2))
            shorter = _process("ours", name, few, cache)
        theirs = {epochs: _process("fit", name, epochs, "off") for epochs in (few, many)}
        each = [(a - b) / (many - few) / N_SEEDS * 1000 for a, b in ((second, shorter), (theirs[many], theirs[few]))]
        print(
            f"| {name} | {first:.1f} s | {second:.1f} s | {theirs[many]:.1f} s "
            f"| {theirs[many] / first:.1f} x, {theirs[many] / second:.1f} x "
            f"| {each[0]:.1f} | {each[1]:.1f} | {each[1] / each[0]:.1f} x |",
            flush=True,
        )


if __name__ == "__main__":
    main()
