"""The report of a study, drawn again from what is stored."""

from __future__ import annotations

from pathlib import Path

from flows.manifest import describe
from noiseflow.manifest import software
from noiseflow.plan import choose_engine, make_plan, study_hash
from noiseflow.spec import Study
from noiseflow.store import Store, footer
from tasks.analysis import aggregate
from tasks.reporting import render_report


def render_again(study: Study, results: str, engine: str = "auto") -> str:
    """Summarizes and renders from Parquet; where the report lies.

    Raises:
        LookupError: none of the study's trials, by this engine, is stored there.
    """
    folder = Path(results) / study.name
    plan = make_plan(study, choose_engine(engine))
    store = Store(results, study.name) if folder.is_dir() else None
    there = store.trial_ids() & set(plan.trial_ids) if store else set()
    if store is None or not there:
        raise LookupError(f"{folder} holds no trial of this study: train it with `noiseflow run` first")
    summary = aggregate.fn(plan, store, footer(study.model_dump_json(), study_hash(study), software()))
    render_report.fn(plan, summary, store, describe(plan, store, trained=0, reused=len(there)))
    return str(store.folder / "report" / "index.html")
