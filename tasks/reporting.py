"""The tasks that render the report and publish it as artifacts."""

from __future__ import annotations

import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from noiseflow.datasets import ceiling, generate
from noiseflow.plan import Plan, dataset_key
from noiseflow.report import Evidence, Report, render, summary_table
from noiseflow.store import Store


@task(retries=2, retry_delay_seconds=5, timeout_seconds=1800)
def render_report(plan: Plan, summary: pd.DataFrame, store: Store, manifest: dict[str, str]) -> Report:
    """Renders the report from the store and writes its files there; the report."""
    report = render(evidence(plan, summary, store, manifest))
    texts = {"report.md": report.markdown.encode(), "index.html": report.html.encode()}
    store.write_report(texts | dict(report.pictures))
    return report


def evidence(plan: Plan, summary: pd.DataFrame, store: Store, manifest: dict[str, str]) -> Evidence:
    """Everything that the report is drawn from."""
    datasets = {dataset.name: (dataset, generate(dataset, dataset.data_seed)) for dataset in plan.study.datasets}
    ceilings = {name: ceiling(dataset, data.X_test, data.y_test) for name, (dataset, data) in datasets.items()}
    keys = [dataset_key(dataset, dataset.data_seed) for dataset in plan.study.datasets]
    return Evidence(
        study=plan.study,
        summary=summary,
        trials=plan.named(store.read("trials", plan.trial_ids)),
        curves=plan.named(store.read("curves", plan.trial_ids)),
        data=pd.concat([store.read_dataset(key) for key in keys], ignore_index=True),
        ceilings={name: value for name, value in ceilings.items() if value is not None},
        manifest=manifest,
    )


@task(retries=2, retry_delay_seconds=5, timeout_seconds=300)
def publish_artifacts(study: str, report: Report, summary: pd.DataFrame) -> None:
    """Publishes the report and the summary under their stable keys."""
    create_markdown_artifact(report.artifact(), key=f"{study}-report", description=report.headline)
    create_table_artifact(summary_table(summary), key=f"{study}-summary", description=report.headline)
