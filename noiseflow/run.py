"""`run_study`: the whole job without Prefect: check, train, summarise, report.

Its steps are functions that can be called alone: `prepare`, `train` and `replay` (batches), `summarize`,
`write_report`. The Prefect flow calls the same steps as tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from noiseflow.base.faults import InvalidInputError
from noiseflow.campaigns.rounds import campaign_name, campaign_round, seed_faults
from noiseflow.engine.progress import Progress
from noiseflow.progress_line import progress_line
from noiseflow.results import StudyRun
from noiseflow.store import Store, footer
from noiseflow.stored import (
    find_stored,
    is_trained,
    name_faults,
    plan_for,
    remember,
    replaced_lines,
    stored_plan,
    stored_run,
    summarize,
    write_report,
)
from noiseflow.study import Architecture, Dataset, Resources, Study, Variant
from noiseflow.study.faults import results_faults
from noiseflow.study.result_places import real_place, study_place
from noiseflow.study.until import Until, UntilWhen
from noiseflow.trials.batches import Tables, train_in_worker
from noiseflow.trials.checking import Checked, check_in_worker
from noiseflow.trials.declared import declare
from noiseflow.trials.looks import Looks
from noiseflow.trials.manifest import software
from noiseflow.trials.plan import Batch, EngineOf, Plan, study_json
from noiseflow.trials.pooled_plan import replays
from noiseflow.trials.preview import superseded_lines
from noiseflow.trials.same_name import overwritten_lines
from noiseflow.trials.waves import Budget, Counts, counts_next, counts_now
from noiseflow.trials.workers import BATCHES_AT_ONCE, end_work, worker_processes

if TYPE_CHECKING:  # they load scipy and matplotlib, and who has nothing to train needs neither
    from noiseflow.report import Report
    from noiseflow.report.findings import Findings

Engine = Literal["auto", "vectorized", "reference"]
Device = Literal["auto", "cpu", "gpu"]
Watcher = Callable[[Batch, Progress], None]
"""Called with a batch and how far it has come; from the threads that train, so it must be quick and thread safe."""
SEEDS_A_BATCH = 100
GO_ON = "Run it again: what was trained is kept."
logger = logging.getLogger(__name__)
stage = logging.getLogger("noiseflow.stage")
"""What a run is at, a line each; the one on training has its batches as `batches`."""


class IncompleteRunError(RuntimeError):
    """Batches failed; the report covers the others and says that it is incomplete.

    Attributes:
        run: what the run came to; None where no trial is there.
    """

    def __init__(self, failed: Sequence[str], run: StudyRun | None) -> None:
        what = "these batches failed; the report is incomplete" if run else "every batch failed"
        super().__init__(f"{what}:\n" + "\n".join(failed))
        self.run = run


class DriftError(RuntimeError):
    """A campaign differs from those before it, and the run was to fail then.

    Attributes:
        run: what the run came to.
    """

    def __init__(self, run: StudyRun) -> None:
        super().__init__(f"{run.alarm} {run.answer}")
        self.run = run


@dataclass(frozen=True)
class Context:
    """What all batches of a run share.

    Attributes:
        store: where rows go.
        footer: what the Parquet footers carry.
        study: the name that rows carry.
        device: auto, cpu or gpu.
        resources: what a batch may use, and for how long.
    """

    store: Store
    footer: dict[str, str]
    study: str
    device: str
    resources: Resources


@dataclass(frozen=True)
class Job:
    """A study that was found valid, and what there is to do for it.

    Attributes:
        plan: its cells and trials.
        context: what its batches share.
        batches: the trials that are missing.
        replays: trials that a campaign trains again.
        reused: how many trials of the plan were stored before.
    """

    plan: Plan
    context: Context
    batches: tuple[Batch, ...] = field(repr=False)
    replays: tuple[Batch, ...] = field(repr=False)
    reused: int

    def n_trained(self) -> int:
        """How many trials of the plan were stored since."""
        return len(self.context.store.trial_ids().intersection(self.plan.trial_ids)) - self.reused


def run_study(
    study: str | Path | Study,
    results: str | Path = "results",
    n_seeds: int | None = None,
    epochs: int | None = None,
    *,
    engine: Engine = "auto",
    device: Device = "auto",
    campaign: str | None = None,
    fail_on_drift: bool = False,
    until: UntilWhen | None = None,
    budget: str | None = None,
    max_seeds: int | None = None,
    progress: Watcher | bool = False,
) -> StudyRun:
    """Trains the trials of a study that are missing, and reports; what the run came to.

    Args:
        study: a shipped study's name, the path of a YAML file, or a study.
        results: folder or URL of the results.
        n_seeds: trials of each cell, 1 to 10,000, instead of the study's own number; of a campaign, its fresh ones.
        epochs: passes over the training rows, 1 to 10,000,000, instead of the study's own number.
        engine: vectorized trains all seeds in one program, reference one after the other with Model.fit.
        device: where to train; auto takes a GPU if there is one.
        campaign: adds fresh seeds under a date, and pools all campaigns; a date such as 2026-11-23, or a time zone for
            the date there now.
        fail_on_drift: whether to raise where a campaign differs from those before it.
        until: decided adds seeds in waves; a variant stops once it is decided, and the others go on.
        budget: of such a run, a time like 90s, 20m or 2h: no wave begins that would hardly end in it.
        max_seeds: of such a run, the seeds of a cell at most; 300 unless given.
        progress: whether a line shows how far it is, in a terminal or a notebook (there a bar with ipywidgets); or what is
            called with each batch and how far it has come.

    Raises:
        InvalidInputError: something is not valid; the message names every fault, and nothing was written.
        IncompleteRunError: batches failed.
        DriftError: a campaign differs, and fail_on_drift is true.
        StoreError: the results cannot be read or written.
        RuntimeError: the device is not there.
    """
    asked = Until(until, budget, max_seeds)
    declared = declare(study, str(results), n_seeds, epochs, campaign, until=asked)
    if campaign is None and until is None and (stored := stored_run(declared, str(results), engine)):
        return stored
    night = None if campaign is None else campaign_name(campaign, datetime.now(UTC))
    shown = nullcontext(progress) if callable(progress) else progress_line(quiet=not progress)
    with worker_processes(BATCHES_AT_ONCE), shown as watch:
        if until is None:
            job = prepare(declared, str(results), engine=engine, device=device, campaign=night)
            failed = train_all(job, watch)
        else:
            train = partial(train_all, progress=watch)
            job, failed = train_until_decided(declared, str(results), asked, train, engine=engine, device=device)
    require_trials(job, failed)
    store = job.context.store
    findings = summarize(job.plan, store, job.context.footer)
    report = write_report(job.plan, findings, store, trained=job.n_trained(), reused=job.reused)
    return finish(job, failed, findings, report, fail_on_drift=fail_on_drift)


def prepare(
    study: Study,
    results: str,
    *,
    engine: Engine = "auto",
    device: Device = "auto",
    campaign: str | None = None,
    trains_here: bool = True,
    counts: Counts | None = None,
    engine_of: EngineOf | None = None,
) -> Job:
    """What there is to do, after the study's data, networks and seeds were found valid.

    Batches of a process that died are completed or dropped, and the study's content is stored.

    Args:
        campaign: an ISO date.
        trains_here: whether the batches train on this machine, which then must have the device.
        counts: the seeds of each cell, where they are unlike.
        engine_of: the engines, where the same study with fewer seeds was found valid before.

    Raises:
        InvalidInputError: something is not valid; the message names every fault, and nothing was written.
        RuntimeError: the device is not there.
    """
    if engine_of is None:
        stage.info("looking at the data and the networks")
    results = real_place(results)
    seeds = None if campaign is None else campaign_round(campaign, study.n_seeds).seeds
    whole = stored_plan(study, results, engine)[0] if campaign is None and is_trained(study, results, engine) else None
    known = whole is not None or engine_of is not None
    checked = Checked([]) if known else check_in_worker(study, seeds, engine, device if trains_here else None)
    faults = [*results_faults(study_place(results, study.name)), *seed_faults(study, seeds), *checked.faults]
    if faults := faults or name_faults(study, results, engine, campaign):
        raise InvalidInputError(faults)
    store = Store(results, study.name)
    store.recover()
    plan = whole or plan_for(study, engine_of or checked.engine_of, campaign, store, engine)
    plan = plan if counts is None else plan.counted(counts)
    done = store.trial_ids()
    lines = [*superseded_lines(plan, done), *overwritten_lines(plan, store, done), *replaced_lines(plan, store)]
    for line in [*checked.reasons, *lines]:
        logger.warning(line)
    batches = plan.batches(done, SEEDS_A_BATCH)
    missing = sum(len(batch.trials) for batch in batches)
    reused = len(plan.trials) - missing
    logger.info("%s: %d trials, %d trained before, %d to train", study.name, len(plan.trials), reused, missing)
    marks = footer(store.write_study(study_json(study)), software())
    context = Context(store, marks, study.name, device, study.resources)
    return Job(plan, context, tuple(batches), tuple(replays(plan, store)), reused)


def train_until_decided(
    study: Study,
    results: str,
    until: Until,
    train: Callable[[Job], list[str]],
    *,
    engine: Engine = "auto",
    device: Device = "auto",
    trains_here: bool = True,
) -> tuple[Job, list[str]]:
    """Trains seeds in waves; after each the variants that are decided stop, and the others go on.

    It ends when none is open, when those that are have as many seeds as they may, or when the budget is used up. Each look is
    remembered, so that a run that was stopped goes on, and a later one allows for it.

    Args:
        train: trains the batches of a job; a line for each that failed.
        device, trains_here: as for `prepare`.

    Returns:
        The job of the last wave, and what failed in it.

    Raises:
        As `prepare` does.
    """
    plan, stored = stored_plan(study, results, engine)
    before, looks, engine_of = stored.trial_ids() if stored else set(), Looks.of(plan, stored), None
    budget, counts = Budget(until), counts_next(looks, until.most) or counts_now(looks)
    while True:
        wave = study.model_copy(update={"n_seeds": max(counts.values())})
        where: dict[str, Any] = {"engine": engine, "device": device, "trains_here": trains_here}
        job = prepare(wave, results, counts=counts, engine_of=engine_of, **where)
        failed = train(job)
        budget.trained += job.n_trained()
        engines = {(cell.dataset.name, cell.architecture.name): cell.engine for cell in job.plan.cells}
        engine_of = partial(_engine_among, engines)
        looks = looks if failed else _look_at(job)
        more = None if failed else counts_next(looks, until.most)
        if more is None or not budget.allows(sum(more.values()) - sum(counts.values())):
            return replace(job, reused=len(before.intersection(job.plan.trial_ids))), failed
        counts = more


def _engine_among(engines: dict[tuple[str, str], str], dataset: Dataset, architecture: Architecture, _: Variant) -> str:
    return engines[dataset.name, architecture.name]


def _look_at(job: Job) -> Looks:
    """The looks at the job's trials, this one among them; it is remembered."""
    store = job.context.store
    store.recover()
    if Looks.of(job.plan, store).known is None:
        remember(job.plan, find_stored(job.plan, store), store)
    return Looks.of(job.plan, store)


def data_faults(study: Study, campaign: str | None = None) -> list[str]:
    """What a run would refuse in a study's data, networks and seeds, as sentences.

    Args:
        campaign: an ISO date.
    """
    seeds = None if campaign is None else campaign_round(campaign, study.n_seeds).seeds
    return [*seed_faults(study, seeds), *check_in_worker(study, seeds).faults]


def read_lines(study: Study) -> list[str]:
    """What was read of each dataset that is a file, as lines of text."""
    from noiseflow.datasets.facts import read_of_study  # noqa: PLC0415

    return [line for read in read_of_study(study) for line in ("", *read.lines())]


def train_all(job: Job, progress: Watcher | None = None) -> list[str]:
    """Trains the batches and the replays, some at once, in worker processes; a line for each that failed.

    When it is interrupted, the batches in training are dropped at once.
    """
    tell_training(job)
    calls: list[Callable[[], int]] = [partial(train, batch, job.context, progress) for batch in job.batches]
    calls += [partial(replay, batch, job.context, job.plan.campaign, progress) for batch in job.replays]
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as threads:
        futures = [threads.submit(call) for call in calls]
        try:
            wait(futures)
        except BaseException:
            end_work()
            threads.shutdown(cancel_futures=True)
            raise
    both = zip((*job.batches, *job.replays), futures, strict=True)
    return [f"{batch.label}: {why}" for batch, future in both if (why := _failure(future))]


def tell_training(job: Job) -> None:
    """Says that training begins, and of what; meanwhile this process is idle and imports the report."""
    batches = (*job.batches, *job.replays)
    if batches:
        Thread(target=import_module, args=("noiseflow.report",), daemon=True).start()
        n_trials = sum(len(batch.trials) for batch in batches)
        stage.info("training %d trials in %d batches", n_trials, len(batches), extra={"batches": batches})


def _failure(future: Future[int]) -> str:
    error = future.exception()
    if error is None:
        return ""
    logger.debug("a batch failed", exc_info=error)
    return f"{type(error).__name__}: {error}"


def train(batch: Batch, context: Context, progress: Watcher | None = None) -> int:
    """Trains a batch and publishes its rows; the number of trials that were new to the store."""
    published = context.store.publish(_trained(batch, context, progress), context.footer)
    logger.info("%s: %d trials trained, %d new to the store", batch.label, len(batch.trials), published)
    return published


def replay(batch: Batch, context: Context, campaign: str | None, progress: Watcher | None = None) -> int:
    """Trains trials again that are stored, for a campaign that looks whether they come out the same; how many."""
    trials = _trained(batch, context, progress)["trials"]
    return context.store.publish_replays(trials.assign(campaign=campaign), context.footer)


def _trained(batch: Batch, context: Context, progress: Watcher | None) -> Tables:
    return train_in_worker(
        batch,
        study=context.study,
        device=context.device,
        timeout_seconds=context.resources.timeout_seconds,
        progress=partial(progress or _ignore, batch),
    )


def _ignore(batch: Batch, progress: Progress) -> None:
    """Watches nothing."""


def require_trials(job: Job, failed: Sequence[str]) -> None:
    """Sees that there is something to summarize.

    Raises:
        IncompleteRunError: every batch failed, and no trial was stored before.
    """
    if failed and not job.reused and not job.n_trained():
        raise IncompleteRunError(failed, None)


def finish(
    job: Job, failed: Sequence[str], findings: Findings, report: Report, *, fail_on_drift: bool = False
) -> StudyRun:
    """What the run came to.

    Raises:
        IncompleteRunError: batches failed.
        DriftError: a campaign differs, and fail_on_drift is true.
    """
    run = StudyRun(
        study=job.plan.study.name,
        summary=findings.summary,
        table=report.answer,
        answer=report.headline,
        alarm=report.alarm,
        report=job.context.store.page(job.plan.folder),
        trained=job.n_trained(),
        reused=job.reused,
    )
    if failed:
        raise IncompleteRunError(failed, run)
    if run.alarm and fail_on_drift:
        raise DriftError(run)
    return run
