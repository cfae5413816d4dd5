"""A study as it is stored: its plan, what its trials say, and its report. Nothing here trains."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.campaigns.rounds import campaign_round
from noiseflow.results import ANSWER, StudyRun, answer_json, last_asked, run_of
from noiseflow.store import Store, StoreError, find_store, footer
from noiseflow.study import USERS_OWN, Study
from noiseflow.study.result_places import study_place
from noiseflow.trials.looks import Looks
from noiseflow.trials.manifest import describe, software
from noiseflow.trials.plan import EngineOf, Plan, make_plan, study_hash, study_json
from noiseflow.trials.pooled_plan import pooled_plan
from noiseflow.trials.preview import superseded_lines
from noiseflow.trials.same_name import other_data_faults
from noiseflow.trials.waves import counts_next, counts_now
from noiseflow.trials.workers import one_worker

if TYPE_CHECKING:  # they load scipy and matplotlib, and who has nothing to train needs neither
    from noiseflow.report import Report
    from noiseflow.report.findings import Findings

REPORTS = "reports"
"""Folder of the report where the results can only be read."""
SECONDS_TO_DRAW = 300.0
"""Seconds that one picture may take; a large one takes one."""
OF_SEEDS = "Claims are judged over new seeds, on the test rows that they are about; the verdicts above may be for new rows too."
"""Why a claim may hold where the verdict on the same variant is open."""
MOST_NAMED = 10
"""Kinds of stored trials that a message names."""
stage = logging.getLogger("noiseflow.stage")


def stored_plan(
    study: Study, results: str, engine: str = "auto", campaign: str | None = None
) -> tuple[Plan, Store | None]:
    """The plan of a study, or of a campaign of it, and its store, None where there is none; no model is built.

    With engine `auto`, a user's own model is planned for the engine that has trained it: only a build would say which one can.
    """
    store = find_store(results, study.name)
    plan = plan_for(study, "reference" if engine == "reference" else "vectorized", campaign, store, engine)
    if store is None or engine != "auto" or not any(a.kind in USERS_OWN for a in study.architectures):
        return plan, store
    done, reference = store.trial_ids(), plan_for(study, "reference", campaign, store)
    fell_back = {trial.cell.architecture.name for trial in reference.trials if trial.id in done}
    return plan_for(study, lambda d, a, v: "reference" if a.name in fell_back else "vectorized", campaign, store), store


def plan_for(
    study: Study, engine: str | EngineOf, campaign: str | None, store: Store | None, asked: str = "auto"
) -> Plan:
    """asked: the engine as the run was asked for it."""
    if campaign is None:
        plan = make_plan(study, engine)
    elif store is None:
        plan = make_plan(study, engine, [campaign_round(campaign, study.n_seeds)], campaign)
    else:
        plan = pooled_plan(study, engine, campaign, store)
    differs = [study.changes, "engine-reference" if asked == "reference" else ""]
    return replace(plan, folder=f"runs/{'-'.join(filter(None, differs))}" if any(differs) else "")


def name_faults(study: Study, results: str, engine: str = "auto", campaign: str | None = None) -> list[str]:
    """What a run would refuse in the study's name: that other data lies under it in the results.

    Args:
        campaign: an ISO date.
    """
    store = find_store(results, study.name)
    return (
        []
        if store is None
        else other_data_faults(study, store, lambda: stored_plan(study, results, engine, campaign)[0])
    )


def is_trained(study: Study, results: str, engine: str) -> bool:
    """Whether every trial of the study is stored, and sound."""
    try:
        plan, store = stored_plan(study, results, engine)
        return bool(
            store
            and store.trial_ids().issuperset(plan.trial_ids)
            and store.dataset_keys()
            and store.is_whole()
            and store.trial_ids().issuperset(plan.trial_ids)
        )
    except (StoreError, OSError, LookupError, ValueError):  # the run itself says what is wrong
        return False


def stored_run(study: Study, results: str, engine: str = "auto") -> StudyRun | None:
    """The stored run, where nothing is to be trained and this code made the report from just these trials."""
    if not is_trained(study, results, engine):
        return None
    plan, store = stored_plan(study, results, engine)
    return run_of(store, plan.folder, report_key(plan), len(plan.trials)) if store else None


def report_key(plan: Plan) -> str:
    """A key that identifies all that a report is made from; empty where the code is not what the commit says."""
    versions = software()
    if versions["git commit"].endswith("-dirty"):
        return ""
    return hashlib.sha256(json.dumps([plan.trial_ids, study_json(plan.study), versions]).encode()).hexdigest()


def summarize(plan: Plan, store: Store, marks: dict[str, str]) -> Findings:
    """What exactly the trials of the plan say; the summary is written to the store, and so are the rows that are drawn.

    Args:
        marks: what the Parquet footers carry.
    """
    from noiseflow.datasets import to_frame  # noqa: PLC0415
    from noiseflow.report.gather import drawn_rows  # noqa: PLC0415

    stage.info("comparing the variants")
    plan.check_content()
    store.recover()  # a batch may have published its trials and not its curves
    findings = find_stored(plan, store)
    store.write_findings(findings.frames, marks, plan.folder)
    there = store.dataset_keys()
    for key, (dataset, data_seeds) in drawn_rows(plan).items():
        if key not in there:
            store.write_dataset(key, to_frame(dataset, data_seeds), marks)
    return findings


def find_stored(plan: Plan, store: Store) -> Findings:
    """What exactly the trials of the plan say as they are stored now; nothing is written or moved."""
    import numpy as np  # noqa: PLC0415

    from noiseflow.datasets import constant_score, generate  # noqa: PLC0415
    from noiseflow.report.findings import find  # noqa: PLC0415
    from noiseflow.report.gather import stored_trials  # noqa: PLC0415
    from noiseflow.report.predicted import Predicted  # noqa: PLC0415

    trials, replayed = stored_trials(plan, store), stored_trials(plan, store, "replays")
    first = {dataset.name: generate(dataset, dataset.data_seed) for dataset in plan.study.datasets}
    looks = Looks.of(plan, store)
    found = find(
        plan.study,
        trials,
        replayed,
        repeated_looks=plan.campaign is not None,
        constants={dataset.name: constant_score(dataset, first[dataset.name]) for dataset in plan.study.datasets},
        predicted=Predicted(
            lambda ids: store.read("predictions", ids).query("part == 'test'"),
            {name: (np.asarray(data.y_test, np.float64), data.n_classes) for name, data in first.items()},
        ),
        dues=looks.dues,
    )
    return replace(found, looks=looks.frame(found.summary))


def write_report(
    plan: Plan, findings: Findings, store: Store, *, trained: int, reused: int, pages: Store | None = None
) -> Report:
    """Renders the report from the store and writes its files; the report.

    Args:
        trained, reused: trials, as the page says.
        pages: where its files go; to the store itself unless given.
    """
    from noiseflow.report import render  # noqa: PLC0415
    from noiseflow.report.gather import gather_evidence  # noqa: PLC0415

    stage.info("drawing the report")
    plan.check_content()
    with one_worker("noiseflow.plots") as beside:
        evidence = gather_evidence(plan, findings, store, describe(plan, store, trained=trained, reused=reused))
        store.forget_rows()  # drawing is where a large report takes most memory
        report = render(evidence, partial(beside.run, what="drew a picture", timeout_seconds=SECONDS_TO_DRAW))
    texts = {"report.md": report.markdown.encode(), "index.html": report.html.encode()}
    asked = {"n_seeds": plan.study.n_seeds, "campaign": plan.campaign, "until_decided": bool(plan.until_decided)}
    key = report_key(plan) if trained + reused == len(plan.trials) else ""
    texts[ANSWER] = answer_json(plan.study.name, report, key, asked | {"settings": _settings(plan.study)})
    written = pages or store
    written.write_report(texts | dict(report.pictures), plan.folder)
    if trained + reused == len(plan.trials) and written.location == store.location:
        remember(plan, findings, written)
    return report


def remember(plan: Plan, findings: Findings, store: Store) -> None:
    """Keeps this look at the trials, unless they were looked at before, or are too few for any verdict."""
    if content := Looks.of(plan, store).content(findings.summary):
        store.write_look(content)


def report_study(
    study: Study,
    results: str,
    engine: str = "auto",
    campaign: str | None = None,
    output: str | None = None,
    *,
    until_decided: bool = False,
    trained_by: str = "",
) -> str:
    """Summarizes and renders a study again from Parquet, and trains nothing; path or URL of the page.

    Of the results only the summary and the report change.

    Args:
        campaign: an ISO date.
        output: folder or URL for the summary and the report; the results unless given, or `reports` where these can only
            be read.
        until_decided: whether it is the report of a run that went on until its variants were decided.
        trained_by: the command that trains the study, for the message where nothing of it is stored.

    Raises:
        LookupError: none of the study's trials, by this engine, is stored there.
    """
    plan, store = stored_plan(study, results, engine, campaign)
    if until_decided and any((counts := counts_now(Looks.of(plan, store))).values()):
        plan, store = stored_plan(study.model_copy(update={"n_seeds": max(counts.values())}), results, engine)
        plan = plan.counted(counts)
    n_there = len(store.trial_ids().intersection(plan.trial_ids)) if store else 0  # of a million the set is not kept
    if store is None or not n_there:
        there = _other_trials(plan, store) if store else f"Train it first{trained_by and f': {trained_by}'}"
        raise LookupError(
            f"{study_place(results, study.name)} holds no trial of this study with these settings. {there}"
        )
    if output is None:
        for line in replaced_lines(plan, store):
            logging.getLogger(__name__).warning(line)
    with store.as_it_is():
        findings = find_stored(plan, store)
        pages = _written(findings, plan, [output] if output else [results, REPORTS])
        write_report(plan, findings, store, trained=0, reused=n_there, pages=pages)
    return pages.page(plan.folder)


def next_wave(study: Study, results: str, engine: str, most: int) -> tuple[Plan, Store | None, str]:
    """The plan of the next wave of a run until its variants are decided, and what is open, in words.

    Args:
        most: seeds of a cell.
    """
    plan, store = stored_plan(study, results, engine)
    looks = Looks.of(plan, store)
    now, after = counts_now(looks), counts_next(looks, most)
    counts = after or now
    if not any(counts.values()):
        return plan, store, "nothing is compared"
    wave, store = stored_plan(study.model_copy(update={"n_seeds": max(counts.values())}), results, engine)
    if after is None:
        return wave.counted(counts), store, "nothing is open that more seeds could decide"
    n_open = sum(after[key] > now[key] for key in after if key[2] != BASELINE)
    line = f"the next look is at {max(after.values())} seeds, with {n_open} of {len(looks.compared)} comparisons open"
    return wave.counted(counts), store, line


def as_last_asked(study: Study, results: str, engine: str = "auto") -> tuple[Study, str | None, bool, str]:
    """The study, the campaign and whether until decided, as in the report that is stored; and what differs, in words.

    As the study is declared where no report is stored.
    """
    plan, store = stored_plan(study, results, engine)
    asked = last_asked(store, plan.folder)
    if asked.get("settings") != _settings(study):
        return study, None, False, ""
    if asked["campaign"]:
        return study, asked["campaign"], False, f"all campaigns up to {asked['campaign']}"
    if asked["until_decided"]:
        return study, None, True, "until decided"
    n_seeds = asked["n_seeds"]
    differs = _seeds(n_seeds) if n_seeds != study.n_seeds else ""
    return study.model_copy(update={"n_seeds": n_seeds}), None, False, differs


def _seeds(n: int) -> str:
    return f"{n} seed{'s' * (n != 1)}"


def _settings(study: Study) -> str:
    """What identifies a study apart from its number of seeds, and from what changes no number."""
    return study_hash(study.model_copy(update={"n_seeds": 1, "purpose": "", "published": (), "muted": ()}))


def replaced_lines(plan: Plan, store: Store) -> list[str]:
    """A sentence if the report of other settings, more seeds or campaigns is to be replaced, and how to have it again."""
    asked, name, ours = last_asked(store, plan.folder), plan.study.name, _seeds(plan.study.n_seeds)
    if "settings" not in asked:
        return []
    if asked["settings"] != _settings(plan.study):
        return [
            f"{name}: the report there is of other settings, and is replaced. To keep both, name one of the studies anew"
        ]
    if plan.campaign is not None or plan.until_decided:
        return []
    if asked["campaign"]:
        what, option = f"the campaigns up to {asked['campaign']}", f"--campaign {asked['campaign']}"
    elif asked["until_decided"]:
        what, option = "a run until decided", "--until decided"
    elif asked["n_seeds"] > plan.study.n_seeds:
        what, option = _seeds(asked["n_seeds"]), f"--seeds {asked['n_seeds']}"
    else:
        return []
    again = f"The trials stay: noiseflow report with {option} draws it again"
    return [f"{name}: the report of {what} is replaced by one of {ours}. {again}"]


def _other_trials(plan: Plan, store: Store) -> str:
    """Which trials are there instead of the plan's, and which options ask for them."""
    trials = store.read("trials")
    kinds = trials.assign(campaign=trials["campaign"].fillna("")).groupby(
        ["epochs", "engine", "campaign"], as_index=False
    )
    planned = {cell.training.epochs for cell in plan.cells}
    engines = {cell.engine for cell in plan.cells}
    lines = superseded_lines(plan, store.trial_ids())
    for row in kinds.size().tail(MOST_NAMED).to_dict("records"):
        epochs, campaign = row["epochs"], row["campaign"]
        flags = [f"--epochs {epochs}"] if epochs not in planned else []
        flags += [f"--engine {row['engine']}"] if row["engine"] not in engines else []
        flags += [f"--campaign {campaign}"] if campaign and not plan.campaign else []
        how = f"add {' '.join(flags)}" if flags else "other settings of the study have changed since"
        night = f", campaign {campaign}" if campaign else ""
        lines.append(f"{row['size']:,} trials of {epochs:,} epochs{night}: {how}")
    return "\n  ".join(["What is there:", *lines])


def _written(findings: Findings, plan: Plan, places: Sequence[str]) -> Store:
    """The first of these places that takes the findings."""
    *others, last = [Store(place, plan.study.name) for place in places]
    marks = footer(study_hash(plan.study), software())
    for pages in others:
        with suppress(StoreError):
            pages.write_findings(findings.frames, marks, plan.folder)
            return pages
    last.write_findings(findings.frames, marks, plan.folder)
    return last


def judged(study: Study, results: str, engine: str = "auto") -> pd.DataFrame:
    """What the stored trials say of the study's claims: a row a claim; none where nothing of the study is stored."""
    from noiseflow.report.claims import CLAIM_COLUMNS, judge_claims  # noqa: PLC0415

    plan, store = stored_plan(study, results, engine, None)
    if store is None:
        return pd.DataFrame(columns=CLAIM_COLUMNS)
    return judge_claims(study, plan.named(store.read("trials", plan.trial_ids)))


def judged_rows(study: Study, results: str, engine: str = "auto") -> list[dict[str, Any]]:
    """`judged` as plain values, with what each claim compares; a number that there is not is None."""
    found = judged(study, results, engine).astype(object)
    found["failed"] = found["failed"].fillna("")
    rows: list[dict[str, Any]] = found.where(found.notna(), None).to_dict("records")  # type: ignore[assignment]
    return [{**claim.model_dump(), **row} for claim, row in zip(study.claims, rows, strict=bool(rows))]


def judged_lines(study: Study, results: str, engine: str = "auto") -> list[str]:
    """`judged` as lines of text."""
    from noiseflow.report.claims import claims_lines  # noqa: PLC0415

    lines = claims_lines(judged(study, results, engine))
    if lines and study.changes:
        lines = [f"The claims are not about this run, which has other settings ({study.changes}):", *lines]
    return [*lines, *([OF_SEEDS] if lines and study.design == "replicate" else [])]
