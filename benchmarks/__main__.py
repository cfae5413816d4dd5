"""The tutorial's study against one run of its script, then the engine against `Model.fit` and JAX; all on this machine."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import engine

NOISEFLOW = [sys.executable, "-m", "noiseflow"]


def timed(name: str, command: list[str], folder: str) -> tuple[float, float]:
    """Seconds and peak memory (GB, of the process itself; its workers are others) of a command."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "NOISEFLOW_CACHE": f"{folder}/programs"}
    began = time.perf_counter()
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=silent, stderr=silent)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{name}: failed")
    seconds = time.perf_counter() - began
    peak = usage.ru_maxrss / 1e6
    print(f"  {name:<58}{seconds:8.1f} s   peak {peak:.2f} GB", flush=True)
    return seconds, peak


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="What else is given goes to benchmarks.engine.")
    parser.add_argument("--epochs", type=int, default=4000, help="of the study and of the script")
    options, others = parser.parse_known_args()
    study_against_script(str(options.epochs))
    engine.main(others)


def study_against_script(epochs: str) -> None:
    """The whole study, 150 trials, against one trial as the tutorial's reader runs it; whole processes."""
    print(f"tutorial, {epochs} epochs, {os.cpu_count()} cores; whole processes, imports and compilation included")
    script = str(Path(__file__).with_name("tutorial_script.py"))
    with tempfile.TemporaryDirectory() as folder:
        ours = {
            which: timed(
                f"noiseflow run tutorial, {which}: 5 variants x 30 seeds, report",
                [*NOISEFLOW, "run", "tutorial", "--epochs", epochs, "--results", which],
                folder,
            )[0]
            for which in ("first", "again")  # that compiles its programs, and that finds them on disk
        }
        one, _ = timed("the tutorial's script: 1 variant, 1 seed, Model.fit", [sys.executable, script, epochs], folder)
    for which, study in ours.items():
        print(
            f"  {which}: the study takes {study / one:.3f} times the time of one trial with Model.fit (a seventh is .143)"
        )
        print(f"  {which}: a trial of the study is {one * 150 / study:,.0f} times as fast")


if __name__ == "__main__":
    main()
