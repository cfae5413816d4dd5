"""Many simulated schedules of the store's protocol (`simulated_store.py` is one), and the command that runs them.

python -m tests.store_simulation [--schedules 10000] [--seed 0]
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from noiseflow import stored
from noiseflow.report import gather
from noiseflow.store import Store, catalogue, files, guard, publishing, reading, recovery, store
from tests.simulated_store import Simulation, Violation


@contextmanager
def quick() -> Iterator[None]:  # noqa: C901
    """Within it, equal files are made and looked at once: most of a schedule would be Parquet otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        known: dict[Any, Any] = {}

        def remembered(function: Any, key: Any) -> Any:
            def call(*arguments: Any, **named: Any) -> Any:
                at = key(*arguments, **named)
                if at is None:
                    return function(*arguments, **named)
                if at not in known:
                    try:
                        known[at] = (function(*arguments, **named), None)
                    except (files.DamagedError, files.NewerError) as error:
                        known[at] = (None, error)
                    if len(known) > 100_000:
                        known.clear()
                        return call(*arguments, **named)
                value, error = known[at]
                if error is not None:
                    raise error
                return value

            return call

        def of_encode(rows: pa.Table, path: str, marks: Any) -> Any:
            if "trial_id" not in rows.column_names or path.startswith("_index"):
                return None
            return "encode", path, tuple(sorted(marks.items())), tuple(rows["trial_id"].to_pylist())

        encode = remembered(files.encode, of_encode)
        inspect = remembered(files.inspect, lambda content, path: ("inspect", path, content))
        decode = remembered(
            files.decode, lambda content, schema=None: ("decode", content, schema and tuple(schema.names))
        )
        read = remembered(files.read, lambda content, path, schema: ("read", path, content, tuple(schema.names)))
        emptied = remembered(files.emptied, lambda path, why: ("emptied", path, why))
        for module in (files, store, reading, catalogue, guard, publishing, recovery):
            for name, function in {
                "encode": encode,
                "inspect": inspect,
                "decode": decode,
                "read": read,
                "emptied": emptied,
            }.items():
                if hasattr(module, name):
                    patch.setattr(module, name, function)
        to_table = remembered(store._rows, lambda frame, schema: _key_of(frame, schema))  # noqa: PLW0108
        patch.setattr(store, "_rows", to_table)
        patch.setattr(gather, "drawn_rows", lambda _: {})
        patch.setattr(stored, "find_stored", _look_at_trials)
        logging.getLogger("noiseflow.store").disabled = True
        try:
            yield
        finally:
            logging.getLogger("noiseflow.store").disabled = False


def _look_at_trials(plan: Any, opened: Store) -> SimpleNamespace:
    """Reads what a summary is made of; there is nothing to say of it."""
    for table in ("trials", "replays"):
        gather.stored_trials(plan, opened, table)
    return SimpleNamespace(frames={})


def _key_of(frame: pd.DataFrame | pa.Table, schema: pa.Schema | None) -> Any:
    return (
        None
        if schema is None or isinstance(frame, pa.Table)
        else ("rows", schema.names[-1], len(schema.names), tuple(frame["trial_id"]))
    )


def simulate(first: int, n: int, **options: Any) -> int:
    """Runs so many schedules from this seed on; how many steps they took.

    Raises:
        Violation: something that must hold did not; the message names the seed.
    """
    steps = 0
    with quick():
        for seed in range(first, first + n):
            with pytest.MonkeyPatch.context() as patch:
                simulation = Simulation(seed, patch, **options)
                try:
                    simulation.go()
                except Exception as error:
                    raise Violation(f"seed {seed} ({simulation.kind}): {type(error).__name__}: {error}") from error
                steps += simulation.world.steps
    return steps


def main() -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    steps = simulate(options.seed, options.schedules)
    seconds = time.monotonic() - began
    print(
        f"{options.schedules:,} schedules from seed {options.seed}, {steps:,} steps in {seconds:.0f} s "
        f"({60 * options.schedules / seconds:,.0f} a minute): nothing lost, nothing twice, nothing foreign touched"
    )


if __name__ == "__main__":
    main()
