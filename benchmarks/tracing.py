"""What it saves to trace without TensorFlow's record of the Python stack at every operation (`engine/tracing.py`).

`python -m benchmarks.tracing` prints a table: processor time of tracing the programs of three networks with and without that
record, turn by turn, and the median of their ratios. Each fit is of a network that no program is kept for.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

from benchmarks.problems import Data, build_cnn, build_lstm, build_mlp, circles, digits, waves
from noiseflow import Injection, fit_seeds
from noiseflow.engine import compilation, tracing
from noiseflow.engine.program import Program

NETWORKS: dict[str, tuple[Callable[[], Data], Callable[[], Any]]] = {
    "mlp": (circles, build_mlp),
    "cnn": (digits, build_cnn),
    "lstm": (waves, build_lstm),
}


def seconds_of_tracing(data: Data, build: Callable[[], Any], *, recorded: bool) -> float:
    """Processor time of tracing one program; recorded: with the stack of every operation."""
    compilation._programs.clear()  # noqa: SLF001 - else it is traced once
    spent, trace = [], Program.trace

    def timed(self: Program, *arguments: Any) -> None:
        began = time.thread_time()
        trace(self, *arguments)
        spent.append(time.thread_time() - began)

    shared = patch.object(tracing, "_traced_by", _NothingShared()) if recorded else nullcontext()
    with patch.object(Program, "trace", timed), shared:
        _fit(data, build)
    return sum(spent)


class _NothingShared:
    """In place of what holds the shared stack: it forgets it."""

    stack = property(lambda self: None, lambda self, value: None)


def _fit(data: Data, build: Callable[[], Any]) -> None:
    noise = [Injection(place="input", stddev=0.1)]
    fit_seeds(build, data.x, data.y, seeds=range(2), epochs=1, batch_size=32, noise=noise, engine="vectorized")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    print("| network | with the record | without | ratio |\n|---|---|---|---|")
    for name, (rows, build) in NETWORKS.items():
        data = rows()
        _fit(data, build)  # imports, and what is looked up once
        pairs = []
        for turn in range(turns):
            order = (True, False) if turn % 2 else (False, True)  # neither side always comes first
            seconds = {recorded: seconds_of_tracing(data, build, recorded=recorded) for recorded in order}
            pairs.append((seconds[True], seconds[False]))
        with_record, without = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"| {name} | {with_record:.2f} s | {without:.2f} s | {ratio:.2f} x |")


if __name__ == "__main__":
    main()
