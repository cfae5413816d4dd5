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
        "seeds": _seeds(plan),
        "engine": ", ".join(sorted({cell.engine for cell in plan.cells})),
        **_training(plan, store),
        "results": store.location,
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **software(),
        "command": _command(plan),
    }


def _seeds(plan: Plan) -> str:
    n_seeds = sum(len(part.seeds) for part in plan.rounds)
    if plan.campaign is None:
        return f"0 to {n_seeds - 1}"
    return f"{n_seeds:,} of {len(plan.rounds)} campaigns, the last one of {plan.rounds[-1].campaign}"


def _training(plan: Plan, store: Store) -> dict[str, str]:
    """What the trials were trained on, and how long that took."""
    trials = store.read("trials", plan.trial_ids)
    if trials.empty:
        return {}
    seconds = trials["train_seconds"].sum()
    return {
        "device": ", ".join(sorted(trials["device"].unique())),
        "training": f"{seconds:,.0f} s in all, {seconds / len(trials):.2f} s a trial",
        "proof": _proof(trials["proven"].eq(True).sum(), len(trials)),
    }


def _proof(n_proven: int, n_trials: int) -> str:
    """How many trials are of a fit that was compared with Keras before it trained."""
    whose = (
        "each trial" if n_proven == n_trials else f"{n_proven:,} of {n_trials:,} trials (older ones were not compared)"
    )
    return f"before training, one step of the engine was compared with Keras' own: equal within rounding, for {whose}"


def _command(plan: Plan) -> str:
    """What repeats the study: its name if it ships, else the file that its YAML below is saved to."""
    study = plan.study
    engine = "" if {cell.engine for cell in plan.cells} == {"vectorized"} else " --engine reference"
    campaign = "" if plan.campaign is None else f" --campaign {plan.campaign}"
    return f"noiseflow run {_source(study)}{engine}{campaign}"


def _source(study: Study) -> str:
    if study.name in names():
        for epochs in (None, study.training.epochs):
            if load(study.name, n_seeds=study.n_seeds, epochs=epochs) == study:
                changed = f" --epochs {epochs}" if epochs else ""
                return f"{study.name} --seeds {study.n_seeds}{changed}"
    return f"{study.name}.yaml"
