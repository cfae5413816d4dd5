"""The task that aggregates trials into the summary."""

from __future__ import annotations

import pandas as pd
from prefect import task

from noiseflow.plan import Plan
from noiseflow.statistics import summarize
from noiseflow.store import Store


@task(retries=2, retry_delay_seconds=5, timeout_seconds=1800)
def aggregate(plan: Plan, store: Store, footer: dict[str, str]) -> pd.DataFrame:
    """Summarizes exactly the trials of the plan and writes the summary; the summary."""
    store.recover()  # a batch whose trials are in but whose curves are not yet
    summary = summarize(plan.named(store.read("trials", plan.trial_ids)), plan.study.margin)
    store.write_summary(summary, footer)
    return summary
