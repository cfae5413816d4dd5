"""The tasks that render the report and publish it as artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.events import emit_event

from noiseflow.report import Report, summary_table
from noiseflow.report.escaping import inert
from noiseflow.report.findings import Findings
from noiseflow.report.headline import in_short
from noiseflow.results import Plain
from noiseflow.statistics.effects import EFFECT_HEADS
from noiseflow.store import Store
from noiseflow.stored import write_report
from noiseflow.trials.plan import Plan
from noiseflow.wording import IN_POINTS, SHORT_HEADS
from tasks import STEP

WIDE = ("train", "std", *EFFECT_HEADS)
"""Columns of the summary that its table in Prefect leaves to the report."""
LAST = ("strength", "seeds", "diverged")
"""Columns that come last there: the differences are in sight on a laptop."""


@task(timeout_seconds=1800, **STEP)
def render_report(plan: Plan, findings: Findings, store: Store, trained: int, reused: int) -> Report:
    """Renders the report from the store and writes its files there; the report."""
    return write_report(plan, findings, store, trained=trained, reused=reused)


def _answer(parameters: dict[str, Any]) -> str:
    """The name of the run of the task, which Prefect shows beside each artifact in its history."""
    return inert(in_short(parameters["findings"].summary) or "nothing to compare")


@task(task_run_name=_answer, timeout_seconds=300, **STEP)  # type: ignore[arg-type] # Prefect asks it for `parameters` alone
def publish_artifacts(study: str, report: Report, findings: Findings, page: str | None = None) -> None:
    """Publishes the report and the summary under their stable keys, and a link where a browser can open the report's page.

    Args:
        page: the page's http(s) address.
    """
    headline = inert(report.headline)
    summary = summary_table(findings.summary)
    rows = [
        {name: inert(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in narrowed(summary)
    ]
    create_markdown_artifact(report.artifact(), key=f"{study}-report", description=headline)
    create_table_artifact(rows, key=f"{study}-summary", description=f"{headline} {table_note(summary)}".strip())
    if page:
        create_link_artifact(page, link_text=f"The page of {study}", key=f"{study}-page", description=headline)


def table_note(rows: list[dict[str, Plain]]) -> str:
    """The unit of the differences, which their short head has no room for."""
    return (
        "In the table, the differences (diff., low, high) are in percentage points."
        if rows and IN_POINTS in rows[0]
        else ""
    )


def narrowed(rows: list[dict[str, Plain]]) -> list[dict[str, Plain]]:
    """The rows with short heads and the main columns in front, so that the table fits a screen; the report has the rest.

    A column `seeds` is there only where the rows differ in it, `diverged` only where a trial has diverged.
    """
    if not rows:
        return []
    left_out = {*WIDE}
    if len({row["seeds"] for row in rows}) == 1:
        left_out.add("seeds")
    if not any(row["diverged"] for row in rows):
        left_out.add("diverged")
    names = sorted((name for name in rows[0] if name not in left_out), key=LAST.__contains__)
    return [{SHORT_HEADS.get(name, name): row[name] for name in names} for row in rows]


def announce(study: str, report: Report, changes: Sequence[str] = ()) -> None:
    """Emits events that an automation can act on: noiseflow.study.reported, noiseflow.verdict.changed, noiseflow.drift.

    Args:
        changes: a sentence on each changed verdict.
    """
    resource = {"prefect.resource.id": f"noiseflow.study.{study}", "prefect.resource.name": study}
    payload = {"alarm": report.alarm, "headline": report.headline, "changes": " ".join(changes)}
    emit_event("noiseflow.study.reported", resource=resource, payload=payload)
    if changes:
        emit_event("noiseflow.verdict.changed", resource=resource, payload=payload)
    if report.alarm:
        emit_event("noiseflow.drift", resource=resource, payload=payload)
