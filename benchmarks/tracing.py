"""What two shortcuts of tracing save: no record of the Python stack at every operation, and loops that are mapped once.

`python -m benchmarks.tracing` prints a table: processor time of tracing the programs of three networks as the engine does it,
and how many times as long it takes with TensorFlow's record (`engine/tracing.py`), and with TensorFlow's own way to map a loop
(`engine/converters.py`); medians of turns side by side. Each fit is of a network that no program is kept for.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

from tensorflow.python.ops.parallel_for import pfor

from benchmarks.problems import Data, build_cnn, build_lstm, build_mlp, circles, digits, waves
from noiseflow import Injection, fit_seeds
from noiseflow.engine import compilation, tracing
from noiseflow.engine.program import Program

NETWORKS: dict[str, tuple[Callable[[], Data], Callable[[], Any]]] = {
    "mlp": (circles, build_mlp),
    "cnn": (digits, build_cnn),
    "lstm": (waves, build_lstm),
}


def seconds_of_tracing(data: Data, build: Callable[[], Any]) -> float:
    """Processor time of tracing one program."""
    compilation._programs.clear()  # noqa: SLF001 - else it is traced once
    spent, trace = [], Program.trace

    def timed(self: Program, *arguments: Any) -> None:
        began = time.thread_time()
        trace(self, *arguments)
        spent.append(time.thread_time() - began)

    with patch.object(Program, "trace", timed):
        _fit(data, build)
    return sum(spent)


class _NothingShared:
    """In place of what holds the shared stack: it has none, whatever is put there."""

    stack = property(lambda self: None)


def _fit(data: Data, build: Callable[[], Any]) -> None:
    noise = [Injection(place="input", stddev=0.1)]
    fit_seeds(build, data.x, data.y, seeds=range(2), epochs=1, batch_size=32, noise=noise, engine="vectorized")


LOOPS = dict.fromkeys(("While", "StatelessWhile"), pfor._convert_while)  # noqa: SLF001
WAYS: dict[str, Callable[[], Any]] = {
    "as it is": nullcontext,
    "with the record": lambda: patch.object(tracing, "_tracing", _NothingShared()),
    "with TensorFlow's loops": lambda: patch.dict(pfor._pfor_converter_registry, LOOPS),  # noqa: SLF001
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    print(f"| network | {' | '.join(WAYS)} |\n|---|---|---|---|")
    for name, (rows, build) in NETWORKS.items():
        data = rows()
        _fit(data, build)  # imports, and what is looked up once
        measured: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(turns):
            for way in list(WAYS)[:: 1 if turn % 2 else -1]:  # no side always comes first
                with WAYS[way]():
                    measured[way].append(seconds_of_tracing(data, build))
        ours, *others = measured.values()
        ratios = [statistics.median(a / b for a, b in zip(other, ours, strict=True)) for other in others]
        print(f"| {name} | {statistics.median(ours):.2f} s | {' | '.join(f'{ratio:.2f} x' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
