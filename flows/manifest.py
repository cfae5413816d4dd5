"""How a report was made, in words."""

from __future__ import annotations

from datetime import UTC, datetime

from noiseflow.manifest import software
from noiseflow.plan import Plan, study_hash
from noiseflow.spec import Study
from noiseflow.store import Store
from noiseflow.studies import load, names


def describe(plan: Plan, store: Store, *, trained: int, reused: int) -> dict[str, str]:
    """What the section on how the report was made says, by its heads."""
    study = plan.study
    return {
        "study": f"{study.name} ({study_hash(study)})",
        "trials": f"{len(plan.trials)}: {trained} trained in this run, {reused} reused",
        "engine": ", ".join(sorted({cell.engine for cell in plan.cells})),
        "results": str(store.folder),
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **software(),
        "command": _command(plan),
    }


def _command(plan: Plan) -> str:
    """What repeats the study: its name if it ships, else the file that its YAML below is saved to."""
    study = plan.study
    engine = "" if {cell.engine for cell in plan.cells} == {"vectorized"} else " --engine reference"
    return f"noiseflow run {_source(study)}{engine}"


def _source(study: Study) -> str:
    if study.name in names():
        for epochs in (None, study.training.epochs):
            if load(study.name, n_seeds=study.n_seeds, epochs=epochs) == study:
                changed = f" --epochs {epochs}" if epochs else ""
                return f"{study.name} --seeds {study.n_seeds}{changed}"
    return f"{study.name}.yaml"
