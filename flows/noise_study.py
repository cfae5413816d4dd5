"""The flow `noise-study`: the steps of `noiseflow.run` as Prefect's tasks, and the answer as artifacts and a state."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_client, get_run_logger, runtime
from prefect.client.schemas.objects import FlowRunPolicy, State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task
from prefect.utilities.callables import get_call_parameters
from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from flows import write_no_device_id
from flows.interruption import stoppable
from flows.progress_artifact import progress_artifact
from flows.runners import Runner, as_they_end, runner_faults, training_runner
from noiseflow.base.faults import InvalidInputError
from noiseflow.base.values import FIRST_LOOK
from noiseflow.campaigns.rounds import campaign_faults, campaign_name
from noiseflow.engine.progress import Progress
from noiseflow.results import StudyRun, changed_verdicts, stored_answer
from noiseflow.run import (
    Device,
    DriftError,
    Engine,
    Job,
    finish,
    prepare,
    require_trials,
    tell_training,
    train_until_decided,
)
from noiseflow.study import ShippedStudy, Study
from noiseflow.study.loading import confined, load, names
from noiseflow.study.result_places import address_below, allowed_faults, base_faults, is_url, url_faults
from noiseflow.study.until import LARGEST, TIME, Until, UntilWhen
from noiseflow.trials.workers import BATCHES_AT_ONCE, worker_processes
from tasks.analysis import aggregate
from tasks.listeners import notify
from tasks.reporting import announce, publish_artifacts, render_report
from tasks.run_logs import send_logs_to_prefect
from tasks.training import replay_batch, train_batch

write_no_device_id()
StudyFile = Annotated[str, Field(pattern=r"\.ya?ml$")]


@dataclass(frozen=True)
class _Named:
    """Marks a parameter of several types, so that the server says of a wrong value what it must be.

    Of `anyOf` it says only that no schema fits. So `anyOf`, which Prefect's forms are made from, keeps the types alone, and the
    limits are a condition beside it. A whole study, which is an object, is checked by that condition too.

    Attributes:
        when: which values have limits.
        limits: a schema; the first type's unless given.
    """

    when: dict[str, Any] = field(default_factory=lambda: {"not": {"type": "null"}})
    limits: dict[str, Any] | None = None

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        kinds, limits = schema["anyOf"], ("minimum", "maximum", "pattern")
        types = [{key: value for key, value in kind.items() if key not in limits} for kind in kinds]
        form = schema | {"anyOf": types, "if": self.when, "then": self.limits or kinds[0]}
        objects = [kind for kind in kinds if "$ref" in kind]
        if objects:
            form["anyOf"] = [*types, AS_JSON]
            form["else"] = objects[0]
        return form


AS_JSON = {"title": "As JSON", "not": {"type": ["string", "number", "boolean", "array", "null"]}}
"""Any object, in a field for JSON: what is wrong within it is said by the condition beside `anyOf`.

Without a type, for both UIs show an editor then; for an object without properties v2 shows nothing.
"""
MAY_BE_EMPTY = _Named()
STUDY = _Named({"type": "string"}, {"pattern": rf"^({'|'.join(names())})$|\.ya?ml$"})


def run_name() -> str:
    """`tutorial · 30 seeds`, or `circles · 2026-11-25` for a campaign; a name that somebody gave it stays."""
    given = runtime.flow_run.name or ""
    if not re.fullmatch("[a-z]+-[a-z]+", given):  # not one that Prefect made up
        return given
    return named(runtime.flow_run.parameters, runtime.flow_run.scheduled_start_time)


def named(parameters: Mapping[str, Any], scheduled: datetime) -> str:
    """What a run of these parameters is called."""
    study, n_seeds = parameters.get("study", "tutorial"), parameters.get("n_seeds")
    if isinstance(study, str):
        name = Path(study).stem
        n_seeds = n_seeds or (load(study).n_seeds if study in names() else None)
    else:
        declared = study.model_dump() if isinstance(study, Study) else study
        name, n_seeds = declared["name"], n_seeds or declared.get("n_seeds", 30)
    with suppress(ValueError):
        if campaign := parameters.get("campaign"):
            return f"{name} · {campaign_name(campaign, scheduled)}"
    epochs = f" · {parameters['epochs']} epochs" if parameters.get("epochs") else ""
    if parameters.get("until"):
        return f"{name} · until {parameters['until']}{epochs}"
    return f"{name}{f' · {n_seeds} seeds' if n_seeds else ''}{epochs}"


@flow(
    name="noise-study",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=BATCHES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,  # what an operator sets for all flows would have it pickled
    result_serializer="json",
)
def noise_study(
    study: Annotated[ShippedStudy | StudyFile | Study, STUDY] = "tutorial",
    n_seeds: Annotated[int | None, Field(ge=1, le=10_000), MAY_BE_EMPTY] = None,
    epochs: Annotated[int | None, Field(ge=1, le=10_000_000), MAY_BE_EMPTY] = None,
    results: str = "results",
    engine: Engine = "auto",
    device: Device = "auto",
    runner: Runner = "local",
    campaign: Annotated[str | None, MAY_BE_EMPTY] = None,
    fail_on_drift: bool = False,
    until: Annotated[UntilWhen | None, MAY_BE_EMPTY] = None,
    budget: Annotated[str | None, Field(pattern=TIME), MAY_BE_EMPTY] = None,
    max_seeds: Annotated[int | None, Field(ge=FIRST_LOOK, le=LARGEST), MAY_BE_EMPTY] = None,
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
        until: decided adds seeds in waves; a variant stops once it is decided, and the others go on.
        budget: With until, a time: a whole number and one unit, s, m or h, such as 90s, 20m or 2h (1h30m is 90m). No wave
            begins that would hardly end in it.
        max_seeds: With until, the seeds of a cell at most, 10 to 10,000; 300 unless given.
    """
    if faults := runner_faults(runner):
        raise InvalidInputError(faults)
    send_logs_to_prefect()
    with worker_processes(BATCHES_AT_ONCE):
        declared, night = _declared(study, {"n_seeds": n_seeds, "epochs": epochs}, results, campaign)
        asked = Until(until, budget, max_seeds)
        if faults := asked.faults(declared, n_seeds, campaign):
            raise InvalidInputError(faults)
        here = runner == "local"  # on Ray each batch looks for its own device
        if until is None:
            job = prepare(declared, results, engine=engine, device=device, campaign=night, trains_here=here)
            failed = _train(job, runner)
        else:
            where: dict[str, Any] = {"engine": engine, "device": device, "trains_here": here}
            job, failed = train_until_decided(declared, results, asked, partial(_train, runner=runner), **where)
        return _report(job, failed, fail_on_drift=fail_on_drift)


nightly = noise_study.with_options(retries=1, retry_delay_seconds=300)
"""The flow for a schedule: a run that fails is tried once more, and goes on with what is stored."""


def _report(job: Job, failed: Sequence[str], *, fail_on_drift: bool) -> StudyRun:
    plan, context = job.plan, job.context
    require_trials(job, failed)
    before = stored_answer(context.store, plan.folder)
    findings = aggregate(plan, context.store, context.footer)
    report = render_report(plan, findings, context.store, job.n_trained(), job.reused)
    key = "-".join([context.study, *plan.folder.split("/")[1:]])
    publish_artifacts(key, report, findings, _page_address(context.store.page(plan.folder)))
    announce(context.study, report, changed_verdicts(before, report.answer))
    get_run_logger().info(report.headline)
    try:
        run = finish(job, failed, findings, report, fail_on_drift=fail_on_drift)
    except DriftError as error:
        _try_no_more()
        return _ended(Failed(message=str(error), data=error))
    return _ended(Completed(message=f"{run.alarm} {run.answer}".strip(), data=run))


def _try_no_more() -> None:
    """A run that has found a drift would find it again: the server is not to try it once more."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, empirical_policy=FlowRunPolicy(retries=0))


def _ended(state: State[Any]) -> StudyRun:
    """The run's last state; its message is the answer."""
    return state  # type: ignore[return-value] # Prefect gives the state's data


def _declared(
    study: str | Study, changes: dict[str, int | None], results: str, campaign: str | None
) -> tuple[Study, str | None]:
    """The study, and the date of its campaign, as far as a run that may come over the network can have them.

    Raises:
        InvalidInputError: it cannot.
    """
    if faults := _place_faults(results):
        raise InvalidInputError(faults)
    declared = load(study, **changes) if study in names() else confined(study, **changes)
    if campaign is None:
        return declared, None
    if faults := campaign_faults(declared, campaign):
        raise InvalidInputError(faults)
    return declared, campaign_name(campaign, runtime.flow_run.scheduled_start_time)


def _place_faults(results: str) -> list[str]:
    """What keeps results from being written here.

    NOISEFLOW_RESULTS of the worker decides where a run may write. Without it a deployment's runs write to the folder `results`
    of their working directory, and who runs the flow in his own process writes where he likes.
    """
    if is_url(results) and (faults := url_faults(results)):
        return faults
    if (pages := os.environ.get("NOISEFLOW_PAGES")) and (faults := base_faults(pages)):
        return faults
    allowed = os.environ.get("NOISEFLOW_RESULTS")
    if allowed is None and runtime.deployment.id:
        allowed = "results"
    return allowed_faults(results, allowed) if allowed is not None else []


def _page_address(page: str) -> str | None:
    """Where a browser finds the report's page: below NOISEFLOW_PAGES, which shows the first place of NOISEFLOW_RESULTS."""
    base = os.environ.get("NOISEFLOW_PAGES")
    place = os.environ.get("NOISEFLOW_RESULTS", "results").split(",")[0].strip()
    return address_below(page, place, base) if base and place else None


def _train(job: Job, runner: Runner) -> list[str]:
    """Trains the batches, and what a campaign repeats of the first one; a line for each that failed."""
    work: list[tuple[Task[..., int], tuple[Any, ...]]] = [(train_batch, (batch, job.context)) for batch in job.batches]
    work += [(replay_batch, (batch, job.context, job.plan.campaign)) for batch in job.replays]
    if not work:
        return []
    both = [*job.batches, *job.replays]
    tell_training(job)
    with (
        progress_artifact(job.context.study, both),
        training_runner(runner, job.context.resources) as run,
        stoppable(run),
    ):
        futures = [run.submit(task, get_call_parameters(task.fn, given, {})) for task, given in work]
        for i in as_they_end(futures, runner):
            if runner != "local" and futures[i].state.is_completed():  # its progress was made elsewhere
                notify(both[i], Progress(both[i].cell.training.epochs, 0.0))
    done = zip(both, futures, strict=True)
    return [f"{batch.label}: {_outcome(future)}" for batch, future in done if not future.state.is_completed()]


def _outcome(future: PrefectFuture[int]) -> str:
    state: State[int] = future.state
    return f"{state.name}: {state.message}"
