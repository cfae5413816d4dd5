"""What a result was made with: versions of the packages and the commit of the code; and how a report was made, in words."""

from __future__ import annotations

import platform
import shlex
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

from noiseflow import __version__
from noiseflow.store import Store
from noiseflow.study import Study
from noiseflow.study.loading import load, names
from noiseflow.trials.plan import Plan, study_hash

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "scipy")
"""Packages that may change the numbers with another version."""


@cache
def software() -> dict[str, str]:
    """Versions of Python and of the packages that matter, the git commit, `unknown` outside a checkout, and the processor."""
    return {
        "python": platform.python_version(),
        "noiseflow": __version__,
        **{package: version(package) for package in PACKAGES},
        "git commit": _git_commit(),
        "processor": _processor(),
    }


def _processor() -> str:
    """The processor's model, on which the last bits of a sum may depend."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git_commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def describe(plan: Plan, store: Store, *, trained: int, reused: int) -> dict[str, str]:
    """The lines of the section on how the report was made, by their heads."""
    study = plan.study
    return {
        "study": f"{study.name} ({study_hash(study)})",
        "trials": f"{len(plan.trials)}: {trained} trained in this run, {reused} reused",
        "seeds": _seeds(plan),
        **({"settings": f"{plan.folder.removeprefix('runs/')}: other than the study declares"} if plan.folder else {}),
        "engine": ", ".join(sorted({cell.engine for cell in plan.cells})),
        **_training(plan, store),
        "results": store.location,
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **software(),
        "command": _command(plan, store),
    }


def _seeds(plan: Plan) -> str:
    n_seeds = sum(len(part.seeds) for part in plan.rounds)
    if plan.until_decided:
        return f"0 to {n_seeds - 1} at most: each variant until it was decided"
    if plan.campaign is None:
        return f"0 to {n_seeds - 1}"
    return f"{n_seeds:,} of {len(plan.rounds)} campaigns, the last one of {plan.rounds[-1].campaign}"


def _training(plan: Plan, store: Store) -> dict[str, str]:
    """What the trials were trained on, and how long that took."""
    trials = store.read("trials", plan.trial_ids, ["trial_id", "train_seconds", "device", "proven"])
    if trials.empty:
        return {}
    seconds = trials["train_seconds"].sum()
    return {
        "device": ", ".join(sorted(trials["device"].unique())),
        "training": f"{seconds:,.0f} s, the sum over batches (some train at once), {seconds / len(trials):.2f} s a trial",
        "proof": _proof(trials["proven"].eq(True).sum(), len(trials)),
    }


def _proof(n_proven: int, n_trials: int) -> str:
    """How many trials are of a fit that was compared with Keras before it trained."""
    models = (
        "each trial" if n_proven == n_trials else f"{n_proven:,} of {n_trials:,} trials (older ones were not compared)"
    )
    return f"before training, one step of the engine was compared with Keras' own: equal within rounding, for {models}"


def _command(plan: Plan, store: Store) -> str:
    """What repeats the study, from any folder: its name if it ships, else the file that its YAML below is saved to."""
    study = plan.study
    engine = "" if {cell.engine for cell in plan.cells} == {"vectorized"} else " --engine reference"
    campaign = "" if plan.campaign is None else f" --campaign {plan.campaign}"
    results = shlex.quote(store.location.rsplit("/", 1)[0])
    source = _source(study)
    if plan.until_decided:
        source = f"{source.replace(f' --seeds {study.n_seeds}', '')} --until decided"
    return f"noiseflow run {source} --results {results}{engine}{campaign}"


def _source(study: Study) -> str:
    if study.name in names():
        for epochs in (None, study.training.epochs):
            if load(study.name, n_seeds=study.n_seeds, epochs=epochs) == study:
                changed = f" --epochs {epochs}" if epochs else ""
                return f"{study.name} --seeds {study.n_seeds}{changed}"
    return f"{study.name}.yaml"
