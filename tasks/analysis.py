"""The task that aggregates trials into the summary."""

from __future__ import annotations

from prefect import task

from noiseflow.report.findings import Findings
from noiseflow.store import Store
from noiseflow.stored import summarize
from noiseflow.trials.plan import Plan
from tasks import STEP


@task(timeout_seconds=1800, **STEP)
def aggregate(plan: Plan, store: Store, footer: dict[str, str]) -> Findings:
    """What exactly the trials of the plan say; the summary is written to the store."""
    return summarize(plan, store, footer)
