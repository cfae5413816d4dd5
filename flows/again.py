"""The report of a study, drawn again from what is stored."""

from __future__ import annotations

from flows.manifest import describe
from noiseflow.manifest import software
from noiseflow.plan import make_plan, study_hash
from noiseflow.spec import Study
from noiseflow.store import Store, footer
from tasks.analysis import aggregate
from tasks.reporting import render_report


def render_again(study: Study, results: str, engine: str = "vectorized") -> str:
    """Summarizes and renders from Parquet; where the report lies.

    Raises:
        LookupError: none of the study's trials is stored there.
    """
    plan, store = make_plan(study, engine), Store(results, study.name)
    there = store.trial_ids() & set(plan.trial_ids)
    if not there:
        raise LookupError(f"{store.folder} holds no trial of study {study.name!r}: train it with `noiseflow run` first")
    summary = aggregate.fn(plan, store, footer(study.model_dump_json(), study_hash(study), software()))
    render_report.fn(plan, summary, store, describe(plan, store, trained=0, reused=len(there)))
    return str(store.folder / "report" / "index.html")
