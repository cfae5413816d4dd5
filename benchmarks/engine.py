"""The engine against `Model.fit` and against JAX, in one run, one measurement after the other, each in its own process.

`python -m benchmarks.engine` prints the tables; with `--part` and `--side` it makes one measurement and prints it as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import sides, tables
from benchmarks.jax_variants import variants
from benchmarks.problems import N_SEEDS, WORKS
from benchmarks.tables import Measured, Trial

SIDES = ("ours", "fit", "jax", "rate")
SCALES = (10, 100, 1000, 3000)
SCALING_EPOCHS = 1000
FIT_EPOCHS = 200


@dataclass(frozen=True)
class Bench:
    """How large the measurements are, and what they were asked to be made with."""

    seeds: int = N_SEEDS
    shrink: int = 1
    engine: str = "auto"
    every: int = 1  # of the variants of JAX

    def epochs(self, epochs: int) -> int:
        """A whole number of records."""
        return max(10, epochs // self.shrink // 10 * 10)

    def measure(self, side: str, part: str, **options: Any) -> dict[str, Any]:
        """What a process of its own measured; its peak of memory is its own, and JAX and TensorFlow never meet."""
        options = {"side": side, "part": part, "engine": self.engine} | options
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.engine", *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)}: failed\n{process.stderr[-2000:]}")
        found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
        return found

    def work(self, part: str) -> Measured:
        """One line of the table: ours, `Model.fit`, every variant of JAX in brief, the best of them in full."""
        work, seeds = WORKS[part], self.seeds
        epochs, few, of_fit = (self.epochs(n) for n in (work.epochs, work.screening_epochs, FIT_EPOCHS))
        ours = self.measure("ours", part, seeds=seeds, epochs=epochs)
        _say(f"{part}: ours {ours['seconds'] / seeds / epochs * 1e6:.1f} µs")
        fit = self.measure("fit", part, epochs=of_fit)
        _say(f"{part}: Model.fit {fit['seconds'] / of_fit * 1e6:,.0f} µs")
        trials = []
        for i, variant in list(enumerate(variants(work)))[:: self.every]:
            found = self.measure("jax", part, variant=i, seeds=seeds, epochs=few)
            trials.append(Trial(variant, i, found["seconds"] / seeds / few * 1e6, found))
            _say(f"{part}: JAX {variant.name} {trials[-1].microseconds:.1f} µs")
        peers = {}
        for form in {"", work.plain}:
            best = min((t for t in trials if form in t.variant.form), key=lambda t: t.microseconds)
            found = self.measure("jax", part, variant=best.index, seeds=seeds, epochs=epochs)
            peers[form] = Trial(best.variant, best.index, found["seconds"] / seeds / epochs * 1e6, found)
            _say(f"{part}: JAX {best.variant.name} in full {peers[form].microseconds:.1f} µs")
        return Measured(
            work=work,
            ours=ours["seconds"] / seeds / epochs * 1e6,
            fit=fit["seconds"] / of_fit * 1e6,
            details=ours,
            screening=few,
            trials=tuple(trials),
            best=peers[""],
            plain=peers[work.plain],
        )

    def scaling(self) -> list[tuple[int, float, float]]:
        """Seeds, µs per seed and epoch, GB at the peak: of the MLP's baseline."""
        epochs = self.epochs(SCALING_EPOCHS)
        scales = [max(2, n // self.shrink) for n in SCALES]
        found = [self.measure("ours", "mlp-baseline", seeds=n, epochs=epochs) for n in scales]
        return [(n, f["seconds"] / n / epochs * 1e6, f["peak"]) for n, f in zip(scales, found, strict=True)]

    def report(self, parts: Sequence[str]) -> str:
        """All tables, in Markdown."""
        rate = self.measure("rate", parts[0])["rate"]
        measured = [self.work(part) for part in parts]
        scaling = self.scaling() if "mlp-baseline" in parts else []
        return tables.report(measured, rate, scaling, self.seeds)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _one(options: argparse.Namespace) -> dict[str, Any]:
    part, seeds, epochs = options.part, options.seeds, options.epochs
    if options.side == "ours":
        return sides.ours(part, seeds, epochs, options.engine)
    if options.side == "fit":
        return sides.fit(part, epochs)
    return sides.jax(part, options.variant, seeds, epochs) if options.side == "jax" else sides.rate()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS), help="these works alone")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, measures nothing")
    parser.add_argument("--engine", default="auto", help="ours, as fit_seeds takes it")
    parser.add_argument("--markdown", type=Path, help="a file for the tables")
    one = parser.add_argument_group("one measurement, as JSON")
    one.add_argument("--side", choices=SIDES)
    one.add_argument("--part", choices=WORKS, default="mlp-baseline")
    one.add_argument("--variant", type=int, default=0, help="of JAX, counted from 0")
    one.add_argument("--seeds", type=int, default=N_SEEDS)
    one.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(_one(options)))
        return
    quick = {"seeds": 20, "shrink": 100, "every": 5} if options.quick else {}
    bench = Bench(engine=options.engine, **quick)
    report = bench.report(options.only)
    print(report)
    if options.markdown:
        options.markdown.write_text(report + "\n")


if __name__ == "__main__":
    main()
