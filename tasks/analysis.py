"""The task that aggregates trials into the summary."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from noiseflow.report.findings import Findings
from noiseflow.run import summarize
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
def aggregate(plan: Plan, store: Store, footer: dict[str, str]) -> Findings:
    """What exactly the trials of the plan say; the summary is written to the store."""
    return summarize(plan, store, footer)
