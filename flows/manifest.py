"""How a report was made, in words."""

from __future__ import annotations

from datetime import UTC, datetime

from noiseflow.manifest import software
from noiseflow.plan import Plan, study_hash
from noiseflow.store import Store
from noiseflow.studies import names


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
    source = study.name if study.name in names() else f"{study.name}.yaml"
    engine = "" if {cell.engine for cell in plan.cells} == {"vectorized"} else " --engine reference"
    return f"noiseflow run {source} --seeds {study.n_seeds} --epochs {study.training.epochs}{engine}"
