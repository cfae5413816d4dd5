"""The report of a study, drawn again from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from flows.manifest import describe
from noiseflow.campaigns import campaign_round
from noiseflow.manifest import software
from noiseflow.places import study_place
from noiseflow.plan import EngineOf, Plan, make_plan, study_hash
from noiseflow.pooling import pooled_plan
from noiseflow.spec import USERS_OWN, Study
from noiseflow.statistics.findings import Findings
from noiseflow.store import Store, StoreError, find_store, footer
from tasks.analysis import findings_of
from tasks.reporting import render_report

ELSEWHERE = "reports"
"""Folder that the report goes to where the results can only be read."""


def render_again(
    study: Study, results: str, engine: str = "auto", campaign: str | None = None, output: str | None = None
) -> str:
    """Summarizes and renders from Parquet; where the report lies. Of the results only the summary and the report change.

    Args:
        output: Folder or URL for the summary and the report; the results unless given, or `reports` where these can only
            be read.

    Raises:
        LookupError: none of the study's trials, by this engine, is stored there.
    """
    plan, store = stored(study, results, engine, campaign)
    there = store.trial_ids() & set(plan.trial_ids) if store else set()
    if store is None or not there:
        place = study_place(results, study.name)
        raise LookupError(f"{place} holds no trial of this study: train it with `noiseflow run` first")
    findings = findings_of(plan, store)
    pages = _written(findings, study, [output] if output else [results, ELSEWHERE])
    render_report.fn(plan, findings, store, describe(plan, store, trained=0, reused=len(there)), pages)
    return pages.page


def _written(findings: Findings, study: Study, places: Sequence[str]) -> Store:
    """The first of these places that takes the findings."""
    *others, last = [Store(place, study.name) for place in places]
    marks = footer(study_hash(study), software())
    for pages in others:
        with suppress(StoreError):
            pages.write_findings(findings.frames, marks)
            return pages
    last.write_findings(findings.frames, marks)
    return last


def stored(study: Study, results: str, engine: str = "auto", campaign: str | None = None) -> tuple[Plan, Store | None]:
    """The plan of a study, or of a campaign of it, and its store, None where there is none; no model is built.

    With engine `auto`, a model that only its own build would tell the engine of is planned for the engine that has trained it.
    """
    store = find_store(results, study.name)
    plan = _plan(study, "reference" if engine == "reference" else "vectorized", campaign, store)
    if store is None or engine != "auto" or not any(a.kind in USERS_OWN for a in study.architectures):
        return plan, store
    done, reference = store.trial_ids(), _plan(study, "reference", campaign, store)
    fell_back = {trial.cell.architecture.name for trial in reference.trials if trial.id in done}
    return _plan(study, lambda d, a, v: "reference" if a.name in fell_back else "vectorized", campaign, store), store


def _plan(study: Study, engine: str | EngineOf, campaign: str | None, store: Store | None) -> Plan:
    if campaign is None:
        return make_plan(study, engine)
    if store is None:
        return make_plan(study, engine, [campaign_round(campaign, study.n_seeds)], campaign)
    return pooled_plan(study, engine, campaign, store)
