"""What each kind of noise and each control costs in a step, beside the same fit without it.

`python -m benchmarks.kinds` prints a table: processor time of both cores of the second call of `fit_seeds`, as a multiple of
the bare fit's, whose turns go before and after each. Processor time suffers less than time from what else a machine does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.problems import Data, build_cnn, build_lstm, build_mlp, circles, digits, waves
from noiseflow import Control, Injection, fit_seeds
from noiseflow.controls import CONTROLS
from noiseflow.noise import KINDS

STRENGTHS = {"stddev": 0.1, "rate": 0.2, "alpha": 5.0}
SEEDS = 16
Case = tuple[str, list[Injection], list[Control]]


def words() -> Data:
    """64 and 200 sentences of 20 words out of 500, by whether most of them are of the second half."""
    x = np.random.default_rng(1).integers(0, 500, (264, 20)).astype("int32")
    y = ((x >= 250).mean(axis=1) > 0.5).astype("float32")
    return Data(x[:64], y[:64], x[64:], y[64:])


def build_words() -> Any:
    """An embedding of 500 words in 32 numbers, averaged."""
    import keras
    from keras import layers

    last = [layers.GlobalAveragePooling1D(), layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((20,), dtype="int32"), layers.Embedding(500, 32, name="words"), *last])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


NETWORKS: dict[str, tuple[Callable[[], Data], Callable[[], Any], int]] = {
    "mlp": (circles, build_mlp, 400),
    "lstm": (waves, build_lstm, 40),
    "cnn": (digits, build_cnn, 40),
    "embedding": (words, build_words, 100),
}
"""Rows, network and epochs of each."""


def injection(place: str, kind: str = "gaussian", **settings: Any) -> Injection:
    strength = next(entry.strength for entry in KINDS if entry.name == kind)
    return Injection(place=place, kind=kind, **{strength: STRENGTHS[strength]}, **settings)


def cases(network: str) -> Iterator[Case]:
    """Name, noise and controls of what is measured on a network."""
    if network != "mlp":
        for name, kind, settings in OTHERS[network]:
            yield name, [injection(name.rpartition(" ")[2], kind, **settings)], []
        return
    for kind in KINDS:
        place = next((one for one in ("before_activation", "labels") if one in kind.places), None)
        if place:
            yield f"{kind.name} at {place}", [injection(place, kind.name)], []
    yield "gaussian, relative, with a cosine", [injection("before_activation", relative=True, schedule="cosine")], []
    yield "gaussian, one draw a row", [injection("before_activation", draws="row")], []
    yield from ((f"gaussian at {place}", [injection(place)], []) for place in ("input", "weights", "gradients"))
    for control in CONTROLS:
        if not control.changes_network:
            settings = {**control.defaults, control.strength: control.probe_strength}
            yield control.name, [], [Control(kind=control.name, **settings)]


OTHERS: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "lstm": [
        ("gaussian at input", "gaussian", {}),
        ("gaussian with ar1 at input", "gaussian", {"correlation": {"ar1": 0.9}}),
        ("time_shift at input", "time_shift", {}),
        ("time_warp at input", "time_warp", {}),
        ("gaussian at recurrent_state", "gaussian", {}),
        ("uniform at recurrent_state", "uniform", {}),
    ],
    "cnn": [
        ("gaussian at input", "gaussian", {}),
        ("gaussian with a length_scale at input", "gaussian", {"correlation": {"length_scale": 2.0}}),
        ("gaussian at after:pool", "gaussian", {}),
    ],
    "embedding": [("gaussian at after:words", "gaussian", {}), ("neftune at after:words", "neftune", {})],
}
"""Name, which ends with the place, kind and settings."""


def seconds(network: str, noise: Sequence[Injection], controls: Sequence[Control]) -> float:
    """Processor time of a fit whose program is there already."""
    rows, build, epochs = NETWORKS[network]
    data = rows()

    def fit() -> float:
        began = time.process_time()
        fit_seeds(
            build,
            data.x,
            data.y,
            seeds=range(SEEDS),
            epochs=epochs,
            batch_size=len(data.x),
            noise=noise,
            controls=controls,
            record_every=10,
            validation_data=(data.x_test, data.y_test),
        )
        return time.process_time() - began

    fit()
    return min(fit(), fit())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="these networks alone")
    for network in parser.parse_args(arguments).only:
        epochs = NETWORKS[network][2]
        bare = seconds(network, [], [])
        print(f"| {network}, {SEEDS} seeds, {epochs} epochs | {bare:.2f} s of processor time |\n|---|---|", flush=True)
        for name, noise, controls in cases(network):
            ours, after = seconds(network, noise, controls), seconds(network, [], [])
            print(f"| {name} | {ours / statistics.mean((bare, after)):.2f} |", flush=True)
            bare = after


if __name__ == "__main__":
    main()
