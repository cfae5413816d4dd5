"""The flow `noise-study`: plan, data, train what is missing, aggregate, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from prefect import flow, get_run_logger, unmapped
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows.manifest import describe
from flows.progress import progress_artifact
from noiseflow.faults import InvalidInputError, results_faults
from noiseflow.manifest import software
from noiseflow.plan import Batch, Plan, make_plan, study_hash
from noiseflow.report.tables import Plain
from noiseflow.spec import ShippedStudy, Study
from noiseflow.store import Store, footer
from noiseflow.studies import confined, load
from noiseflow.training import preflight
from noiseflow.training.device import require_device
from tasks.analysis import aggregate
from tasks.data import generate_dataset
from tasks.reporting import publish_artifacts, render_report
from tasks.training import train_batch

SEEDS_A_BATCH = 100
BATCHES_AT_ONCE = 2  # one compiles while the other trains


@dataclass(frozen=True)
class StudyRun:
    """What a run of the flow came to."""

    summary: pd.DataFrame
    answer: list[dict[str, Plain]]
    headline: str
    report: str
    trained: int
    reused: int


@flow(name="noise-study", task_runner=ThreadPoolTaskRunner(max_workers=BATCHES_AT_ONCE))  # type: ignore[arg-type]
def noise_study(
    study: ShippedStudy | Study = "tutorial",
    n_seeds: int | None = None,
    epochs: int | None = None,
    results: str = "results",
    engine: Literal["auto", "vectorized", "reference"] = "auto",
    device: Literal["auto", "cpu", "gpu"] = "auto",
) -> StudyRun:
    """Finds out whether noise regularises a model: trains each variant over many seeds and reports the comparison.

    Trials that the results hold already are not trained again.

    Args:
        study: A shipped study's name, or a whole study.
        n_seeds: Trials of each cell, instead of the study's own number.
        epochs: Passes over the training rows, instead of the study's own number.
        results: Folder that the results go to.
        engine: vectorized trains all seeds in one program, reference one after the other with Model.fit.
        device: Where to train: auto takes a GPU if there is one.
    """
    logger = get_run_logger()
    changes = {"n_seeds": n_seeds, "epochs": epochs}
    declared = load(study, **changes) if isinstance(study, str) else confined(study, **changes)
    if faults := [*results_faults(str(Path(results) / declared.name)), *preflight.faults(declared)]:
        raise InvalidInputError(faults)
    require_device(device)
    engines = preflight.choose_engines(declared, engine)
    for reason in engines.reasons:
        logger.warning(reason)
    plan = make_plan(declared, engines.engine_of)
    marks = footer(declared.model_dump_json(), study_hash(declared), software())
    store = Store(results, declared.name)
    store.recover()

    for future in [generate_dataset.submit(d, declared.data_seeds(d), store, marks) for d in declared.datasets]:
        future.result()
    batches = plan.batches(store.trial_ids(), SEEDS_A_BATCH)
    missing = sum(len(batch.trials) for batch in batches)
    reused = len(plan.trials) - missing
    logger.info("%s: %d trials, %d trained before, %d to train", declared.name, len(plan.trials), reused, missing)
    failed = _train(plan, batches, store, marks, device)
    trained = len(store.trial_ids() & set(plan.trial_ids)) - reused
    if failed and not trained + reused:
        raise RuntimeError("every batch failed:\n" + "\n".join(failed))

    findings = aggregate(plan, store, marks)
    report = render_report(plan, findings, store, describe(plan, store, trained=trained, reused=reused))
    publish_artifacts(declared.name, report, findings)
    if failed:
        raise RuntimeError("these batches failed; the report is incomplete:\n" + "\n".join(failed))
    logger.info(report.headline)
    return StudyRun(
        findings.summary, report.answer, report.headline, str(store.folder / "report" / "index.html"), trained, reused
    )


def _train(plan: Plan, batches: list[Batch], store: Store, marks: dict[str, str], device: str) -> list[str]:
    """Trains the batches; a line for each that failed."""
    if not batches:
        return []
    name = plan.study.name
    with progress_artifact(name, batches):
        futures = train_batch.map(batches, unmapped(store), unmapped(marks), unmapped(name), unmapped(device))
        wait(futures)
    return [f"{b.label}: {_outcome(f)}" for b, f in zip(batches, futures, strict=True) if not f.state.is_completed()]


def _outcome(future: PrefectFuture[int]) -> str:
    state: State[int] = future.state
    return f"{state.name}: {state.message}"
