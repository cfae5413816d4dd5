"""The tasks that render the report and publish it as artifacts."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from noiseflow.report import Report, summary_table
from noiseflow.report.escaping import inert
from noiseflow.report.findings import Findings
from noiseflow.run import write_report
from noiseflow.store import Store
from noiseflow.trials.plan import Plan


@task(
    retries=2,
    retry_delay_seconds=5,
    timeout_seconds=1800,
    persist_result=False,
    cache_policy=NO_CACHE,
    result_serializer="json",
)
def render_report(plan: Plan, findings: Findings, store: Store, trained: int, reused: int) -> Report:
    """Renders the report from the store and writes its files there; the report."""
    return write_report(plan, findings, store, trained=trained, reused=reused)


@task(
    retries=2,
    retry_delay_seconds=5,
    timeout_seconds=300,
    persist_result=False,
    cache_policy=NO_CACHE,
    result_serializer="json",
)
def publish_artifacts(study: str, report: Report, findings: Findings) -> None:
    """Publishes the report and the summary under their stable keys."""
    headline = inert(report.headline)
    rows = [
        {name: inert(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in summary_table(findings.summary)
    ]
    create_markdown_artifact(report.artifact(), key=f"{study}-report", description=headline)
    create_table_artifact(rows, key=f"{study}-summary", description=headline)


def announce(study: str, report: Report) -> None:
    """Emits the event `noiseflow.drift`, so that an automation can notify."""
    resource = {"prefect.resource.id": f"noiseflow.study.{study}", "prefect.resource.name": study}
    emit_event("noiseflow.drift", resource=resource, payload={"alarm": report.alarm, "headline": report.headline})
