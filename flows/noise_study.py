"""The flow `noise-study`: plan, data, train what is missing, aggregate, report."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from prefect import flow, get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task
from prefect.utilities.callables import get_call_parameters
from pydantic import Field

from flows.manifest import describe
from flows.outlook import superseded_lines
from flows.progress import progress_artifact
from flows.relay import relay_warnings
from flows.runners import Runner, as_they_end, runner_faults, training_runner
from flows.stopping import stoppable
from noiseflow.campaigns import campaign_faults, campaign_name, campaign_round, seed_faults
from noiseflow.engine.progress import Progress
from noiseflow.faults import InvalidInputError, results_faults
from noiseflow.manifest import software
from noiseflow.places import allowed_faults, is_url, real_place, study_place, url_faults
from noiseflow.plan import Batch, Plan, dataset_key, make_plan, study_json
from noiseflow.pooling import pooled_plan, replays
from noiseflow.report.tables import Plain
from noiseflow.spec import Dataset, ShippedStudy, Study
from noiseflow.store import Store, footer
from noiseflow.studies import confined, load, names
from noiseflow.trials.checking import check_in_worker
from noiseflow.trials.workers import BATCHES_AT_ONCE, worker_processes
from tasks.analysis import aggregate
from tasks.data import generate_dataset
from tasks.progress import tell
from tasks.reporting import SEEDS_DRAWN, announce, publish_artifacts, render_report
from tasks.training import replay_batch, train_batch

StudyFile = Annotated[str, Field(pattern=r"\.ya?ml$")]
SEEDS_A_BATCH = 100


@dataclass(frozen=True)
class StudyRun:
    """What a run of the flow came to; alarm: what a campaign found to have changed, empty where nothing did."""

    summary: pd.DataFrame
    answer: list[dict[str, Plain]]
    headline: str
    alarm: str
    report: str
    trained: int
    reused: int


class IncompleteRunError(RuntimeError):
    """Batches failed; the others are in the report, which says that it is incomplete.

    run: what the run came to all the same; None where no trial is there.
    """

    def __init__(self, failed: list[str], run: StudyRun | None) -> None:
        told = "these batches failed; the report is incomplete" if run else "every batch failed"
        super().__init__(f"{told}:\n" + "\n".join(failed))
        self.run = run


@flow(
    name="noise-study",
    task_runner=ThreadPoolTaskRunner(max_workers=BATCHES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,  # what an operator sets for all flows would have it pickled
    result_serializer="json",
)
def noise_study(
    study: ShippedStudy | StudyFile | Study = "tutorial",
    n_seeds: Annotated[int, Field(ge=1, le=10_000)] | None = None,
    epochs: Annotated[int, Field(ge=1, le=10_000_000)] | None = None,
    results: str = "results",
    engine: Literal["auto", "vectorized", "reference"] = "auto",
    device: Literal["auto", "cpu", "gpu"] = "auto",
    runner: Runner = "local",
    campaign: str | None = None,
    fail_on_drift: bool = False,
) -> StudyRun:
    """Finds out whether noise regularises a model: trains each variant over many seeds and reports the comparison.

    Trials that the results hold already are not trained again. The run ends with the answer as its state's message.

    Args:
        study: A shipped study's name, a whole study, or the path of a study's .yaml file under the folder that NOISEFLOW_DATA
            names on the worker.
        n_seeds: Trials of each cell, 1 to 10,000, instead of the study's own number; of a campaign, its fresh ones.
        epochs: Passes over the training rows, 1 to 10,000,000, instead of the study's own number.
        results: Folder, or URL such as s3://bucket/prefix, that the results go to: one of the places that NOISEFLOW_RESULTS
            names on the worker, or below one.
        engine: vectorized trains all seeds in one program, reference one after the other with Model.fit.
        device: Where to train: auto takes a GPU if there is one.
        runner: Where the batches are trained: local on this machine, ray on the cluster that RAY_ADDRESS names, or one of this
            machine where it names none.
        campaign: Adds fresh seeds under a date, and pools all campaigns. A date such as 2026-11-23; or a time zone such as
            Europe/Vienna, for the date there that the run is scheduled for.
        fail_on_drift: Whether the run fails where a campaign differs from those before it.
    """
    if faults := runner_faults(runner):
        raise InvalidInputError(faults)
    with worker_processes(BATCHES_AT_ONCE):
        return _run(study, n_seeds, epochs, results, engine, device, runner, campaign, fail_on_drift=fail_on_drift)


def _run(
    study: str | Study,
    n_seeds: int | None,
    epochs: int | None,
    results: str,
    engine: str,
    device: str,
    runner: Runner,
    campaign: str | None,
    *,
    fail_on_drift: bool,
) -> StudyRun:
    logger = get_run_logger()
    where = device if runner == "local" else None  # on Ray each batch looks for its own
    plan, store = _planned(study, {"n_seeds": n_seeds, "epochs": epochs}, results, engine, where, campaign)
    declared = plan.study
    marks = footer(store.write_study(study_json(declared)), software())
    for future in [
        generate_dataset.submit(*rows, store, marks, declared.resources) for rows in _missing_rows(plan, store)
    ]:
        future.result()
    done = store.trial_ids()
    batches = plan.batches(done, SEEDS_A_BATCH)
    missing = sum(len(batch.trials) for batch in batches)
    reused = len(plan.trials) - missing
    logger.info("%s: %d trials, %d trained before, %d to train", declared.name, len(plan.trials), reused, missing)
    for line in superseded_lines(plan, done):
        logger.warning(line)
    failed = _train(plan, batches, store, (marks, declared.name, device, declared.resources), runner)
    trained = len(store.trial_ids() & set(plan.trial_ids)) - reused
    if failed and not trained + reused:
        raise IncompleteRunError(failed, None)

    findings = aggregate(plan, store, marks)
    report = render_report(plan, findings, store, describe(plan, store, trained=trained, reused=reused))
    publish_artifacts(declared.name, report, findings)
    if report.alarm:
        announce(declared.name, report)
    run = StudyRun(findings.summary, report.answer, report.headline, report.alarm, store.page, trained, reused)
    if failed:
        raise IncompleteRunError(failed, run)
    return _ended(run, fail_on_drift=fail_on_drift)  # type: ignore[return-value] # Prefect gives the state's data


def _planned(
    study: str | Study,
    changes: dict[str, int | None],
    results: str,
    engine: str,
    device: str | None,
    campaign: str | None,
) -> tuple[Plan, Store]:
    """The plan and its store, after everything was found valid.

    Raises:
        InvalidInputError: something is not; the message names every fault.
        RuntimeError: the device is not there.
    """
    if faults := _place_faults(results):
        raise InvalidInputError(faults)
    results = real_place(results)
    declared = load(study, **changes) if study in names() else confined(study, **changes)
    night = None if campaign is None else _night(declared, campaign)
    seeds = None if night is None else campaign_round(night, declared.n_seeds).seeds
    checked = check_in_worker(declared, seeds, engine, device)
    if faults := [
        *results_faults(study_place(results, declared.name)),
        *seed_faults(declared, seeds),
        *checked.faults,
    ]:
        raise InvalidInputError(faults)
    for reason in checked.reasons:
        get_run_logger().warning(reason)
    relay_warnings()
    store = Store(results, declared.name)
    store.recover()
    if night is None:
        return make_plan(declared, checked.engine_of), store
    return pooled_plan(declared, checked.engine_of, night, store), store


def _place_faults(results: str) -> list[str]:
    """What keeps results from being written here.

    NOISEFLOW_RESULTS of the worker decides where a run may write. Without it a deployment's runs write to the folder `results`
    of their working directory, and who runs the flow in his own process writes where he likes.
    """
    if is_url(results) and (faults := url_faults(results)):
        return faults
    allowed = os.environ.get("NOISEFLOW_RESULTS")
    if allowed is None and runtime.deployment.id:
        allowed = "results"
    return allowed_faults(results, allowed) if allowed is not None else []


def _night(study: Study, campaign: str) -> str:
    """The campaign's date.

    Raises:
        InvalidInputError: the study cannot have it.
    """
    if faults := campaign_faults(study, campaign):
        raise InvalidInputError(faults)
    return campaign_name(campaign, runtime.flow_run.scheduled_start_time)


def _missing_rows(plan: Plan, store: Store) -> list[tuple[Dataset, list[int]]]:
    """Datasets with data seeds whose rows are not stored yet; of campaigns the latest, which are drawn."""
    there, drawn = store.dataset_keys(), plan.latest(SEEDS_DRAWN)
    wanted = [(dataset, seeds) for dataset in plan.study.datasets for seeds in drawn.data_seeds(dataset)]
    return [(dataset, seeds) for dataset, seeds in wanted if dataset_key(dataset, seeds) not in there]


def _train(plan: Plan, batches: list[Batch], store: Store, shared: tuple[Any, ...], runner: Runner) -> list[str]:
    """Trains the batches, and what a campaign repeats of the first one; a line for each that failed.

    Args:
        shared: what the tasks take besides: the footer, the study's name, the device, the resources.
    """
    again = replays(plan, store)
    work: list[tuple[Task[..., int], tuple[Any, ...]]] = [(train_batch, (batch, store, *shared)) for batch in batches]
    work += [(replay_batch, (batch, store, *shared, plan.campaign)) for batch in again]
    if not work:
        return []
    both = [*batches, *again]
    with (
        progress_artifact(plan.study.name, both),
        training_runner(runner, plan.study.resources) as run,
        stoppable(run),
    ):
        futures = [run.submit(task, get_call_parameters(task.fn, given, {})) for task, given in work]
        for i in as_they_end(futures, runner):
            if runner != "local" and futures[i].state.is_completed():  # it was told elsewhere how far it had come
                tell(both[i], Progress(both[i].cell.training.epochs, 0.0))
    done = zip(both, futures, strict=True)
    return [f"{batch.label}: {_outcome(future)}" for batch, future in done if not future.state.is_completed()]


def _outcome(future: PrefectFuture[int]) -> str:
    state: State[int] = future.state
    return f"{state.name}: {state.message}"


def _ended(run: StudyRun, *, fail_on_drift: bool) -> State[StudyRun]:
    """The run's last state, whose message is the answer."""
    get_run_logger().info(run.headline)
    message = f"{run.alarm} {run.headline}".strip()
    if run.alarm and fail_on_drift:
        return Failed(message=message)
    return Completed(message=message, data=run)
