"""Gathers what a report is drawn from: the findings, and from the store the rows that are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from noiseflow.datasets import (
    Data,
    bayes_accuracy,
    ceiling,
    constant_loss,
    constant_score,
    generate,
    to_frame,
    warnings,
)
from noiseflow.datasets.facts import read_of_study
from noiseflow.report.evidence import Evidence, compact_predictions
from noiseflow.report.findings import Findings
from noiseflow.report.selection import drawn_cells
from noiseflow.store import SCHEMAS, Store
from noiseflow.study import Dataset, Study
from noiseflow.trials.plan import SEEDS_DRAWN, Plan, dataset_key
from noiseflow.trials.seen_rows import rows_as_seen

UNUSED = frozenset(
    {"study", "dataset", "architecture", "variant", "family", "strength", "data_seed", "seed", "engine", "finished_at"}
)
"""Columns of trials that the plan names itself, or that no report uses; of a million trials they take much memory."""
DRAWN = (
    *("trial_id", "status", "score_name", "train_score", "test_score", "eval_score", "inner_score"),
    *("test_loss", "eval_loss", "brier"),
)
"""Columns of trials that pictures are drawn from, and that cautions look at."""


def gather_evidence(plan: Plan, findings: Findings, store: Store, manifest: Mapping[str, str]) -> Evidence:
    """Everything that the report is drawn from; curves and predictions are of the cells and seeds that are drawn."""
    study, latest, cells = plan.study, plan.latest(SEEDS_DRAWN), drawn_cells(findings)
    drawn = replace(
        latest,
        trials=tuple(
            trial
            for trial in latest.trials
            if (trial.cell.dataset.name, trial.cell.architecture.name, trial.cell.variant.name) in cells
        ),
    )
    first = {dataset.name: generate(dataset, dataset.data_seed) for dataset in study.datasets}
    there = store.dataset_keys()
    rows = [store.read_dataset(key) if key in there else to_frame(*what) for key, what in drawn_rows(plan).items()]
    return Evidence(
        study=study,
        findings=findings,
        trials=plan.named(store.read("trials", plan.trial_ids, DRAWN)),
        curves=drawn.named(store.read("curves", drawn.trial_ids)),
        data=pd.concat(rows, ignore_index=True),
        ceilings=_ceilings(study, first),
        data_cautions=[text for d in study.datasets for text in warnings(d, first[d.name])],
        manifest=dict(manifest),
        read=read_of_study(study, remarked=False),  # data_cautions has the remarks
        n_planned=len(plan.trials),
        until_decided=plan.until_decided,
        changed=_changed(findings, store),
        constants={dataset.name: constant_score(dataset, first[dataset.name]) for dataset in study.datasets},
        constant_losses={name: loss for name, data in first.items() if (loss := constant_loss(data)) is not None},
        predictions=compact_predictions(drawn.named(store.read("predictions", drawn.trial_ids))),
        forms={name: (tuple(data.X_train.shape[1:]), data.n_classes, data.n_targets) for name, data in first.items()},
        seen=rows_as_seen(study),
        grids={name: data.grid for name, data in first.items() if data.grid is not None},
    )


def stored_trials(plan: Plan, store: Store, table: str = "trials") -> pd.DataFrame:
    """The plan's rows of `trials` or `replays` under the plan's names, with the columns that findings and reports use."""
    columns = [name for name in SCHEMAS[table].names if name not in UNUSED]
    return plan.named(store.read(table, plan.trial_ids, columns))


def drawn_rows(plan: Plan) -> dict[str, tuple[Dataset, list[int]]]:
    """Datasets and the data seeds that are drawn, from the latest rounds, by the key they are stored under."""
    latest = plan.latest(SEEDS_DRAWN)
    wanted = [(dataset, seeds) for dataset in plan.study.datasets for seeds in latest.data_seeds(dataset)]
    return {dataset_key(*what): what for what in wanted}


def _changed(findings: Findings, store: Store) -> dict[str, str]:
    """Software and device of the last replays, by name, where they differ from the trials' own."""
    if findings.replays.empty:
        return {}
    last = findings.replays[findings.replays["campaign"] == findings.replays["campaign"].max()]
    ids = set(last["trial_id"])
    before = store.software("trials", {(trial_id,) for trial_id in ids})
    now = store.software("replays", set(last[["trial_id", "campaign"]].itertuples(index=False, name=None)))
    replays = store.read("replays", ids)
    before["device"] = set(store.read("trials", ids)["device"])
    now["device"] = set(replays.loc[replays["campaign"].isin(last["campaign"]), "device"])
    return {
        name: f"{', '.join(sorted(before.get(name, {'unknown'})))} → {', '.join(sorted(versions))}"
        for name, versions in now.items()
        if versions != before.get(name)
    }


def _ceilings(study: Study, first: Mapping[str, Data]) -> dict[str, float]:
    """The best possible rule's accuracy, where it is known and is the score: on the one split, or on rows without end."""
    known = {}
    for dataset in (d for d in study.datasets if d.scored_by.is_share_of_rows):
        if study.design == "replicate" and not dataset.n_eval:
            data = first[dataset.name]
            known[dataset.name] = ceiling(dataset, data.X_test, data.y_test)
        else:
            known[dataset.name] = bayes_accuracy(dataset)
    return {name: value for name, value in known.items() if value is not None}
