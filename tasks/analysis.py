"""The task that aggregates trials into the summary."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from noiseflow.plan import Plan
from noiseflow.statistics.findings import Findings, find
from noiseflow.store import Store


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
    store.recover()  # a batch whose trials are in but whose curves are not yet
    findings = findings_of(plan, store)
    store.write_findings(findings.frames, footer)
    return findings


def findings_of(plan: Plan, store: Store) -> Findings:
    """The same as they are stored now; nothing is written or moved."""
    ids = plan.trial_ids
    trials, replays = plan.named(store.read("trials", ids)), plan.named(store.read("replays", ids))
    return find(plan.study, trials, replays, repeated_looks=plan.campaign is not None)
