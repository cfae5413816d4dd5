"""The `noiseflow` command."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from flows.services import forget_if_gone
from noiseflow import studies
from noiseflow.campaigns import campaign_faults, campaign_name
from noiseflow.faults import InvalidInputError, in_terminal, refusal, results_faults
from noiseflow.places import study_place
from noiseflow.spec import Study
from noiseflow.trials.workers import BATCHES_AT_ONCE, worker_processes

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Finds out, honestly and fast, whether noise regularises a neural network.",
)

StudyArgument = Annotated[str, typer.Argument(help="A shipped study's name, or the path of a YAML file.")]
SeedsOption = Annotated[int | None, typer.Option("--seeds", help="Trials of each cell, instead of the study's own.")]
EpochsOption = Annotated[int | None, typer.Option(help="Epochs, instead of the study's own.")]
EngineOption = Annotated[Literal["auto", "vectorized", "reference"], typer.Option(help="How the seeds are trained.")]
DeviceOption = Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="Where they are trained.")]
CampaignOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="Adds fresh seeds under this date, and pools all dates.")
]
RunnerOption = Annotated[
    Literal["local", "ray"], typer.Option(help="Train on this machine, or on the Ray cluster that RAY_ADDRESS names.")
]
ResultsOption = Annotated[str, typer.Option(help="Folder or URL, such as s3://bucket/prefix, for the results.")]


@app.command()
def run(
    study: StudyArgument,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    runner: RunnerOption = "local",
    campaign: CampaignOption = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Fail where a campaign differs from those before it.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the logs of Prefect and TensorFlow.")] = False,
) -> None:
    """Trains what is missing of a study, and reports."""
    declared = _declared(study, seeds, epochs, results, campaign)
    if runner == "ray" and not (find_spec("ray") and find_spec("prefect_ray")):
        _refuse(["--runner ray needs packages that are not installed. Install them: pip install 'noiseflow[ray]'."])
    _quiet(verbose=verbose)
    forget_if_gone()
    given = {"study": study, "n_seeds": seeds, "epochs": epochs}
    at_once = 1 if runner == "ray" else min(BATCHES_AT_ONCE, len(declared.parts()))
    parameters = {"runner": runner, "campaign": campaign, "fail_on_drift": fail_on_drift}
    with worker_processes(at_once) as workers:
        workers.start(at_once)  # they load TensorFlow while Prefect is loaded here
        from flows.terminal import run_in_terminal  # noqa: PLC0415 - imports Prefect, which takes seconds

        sys.exit(run_in_terminal(declared, given, results=results, engine=engine, device=device, **parameters))


@app.command("studies")
def list_studies() -> None:
    """Lists the studies that ship: cells, trials, purpose."""
    for name in studies.names():
        study = studies.load(name)
        parts = study.parts()
        trials = sum(len(study.pairs(dataset)) for dataset, *_ in parts)
        typer.echo(f"{name:<12}{len(parts):>4} cells{trials:>6,} trials   {study.purpose}")


@app.command()
def plan(
    study: StudyArgument,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    campaign: CampaignOption = None,
) -> None:
    """Shows what a run would train, and roughly how long it would take; trains nothing."""
    declared = _declared(study, seeds, epochs, results, campaign, writes=False)
    from flows.again import stored  # noqa: PLC0415 - imports pandas and more, which takes a second
    from flows.outlook import outlook  # noqa: PLC0415

    with _failures_told():
        try:
            typer.echo(outlook(*stored(declared, results, engine, _date(campaign))))
        except LookupError as error:
            _refuse([str(error)])


@app.command()
def init(
    data: Annotated[str, typer.Argument(help="A .csv or .parquet file, a row an example.")],
    *,
    target: Annotated[str, typer.Option(help="The column that is to be predicted.")],
    task: Annotated[
        Literal["classification", "regression"] | None, typer.Option(help="What is learnt; guessed unless given.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="The study file; beside the data unless given.")] = None,
) -> None:
    """Writes a commented study file for one's own data, ready to run."""
    from noiseflow.initialize import draft_study  # noqa: PLC0415 - imports pandas

    path = Path(output) if output else Path(data).with_suffix(".yaml")
    try:
        text = draft_study(data, target, task=task, written_to=str(path))
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except InvalidInputError as error:
        _refuse(error.faults)
    except FileExistsError:
        _refuse([f"{path} is there already. Move it, or name another with --output."])
    except OSError as error:
        _refuse([f"{path} cannot be written: {error}"])
    typer.echo(f"{path}: look it over, then\n\n  noiseflow run {shlex.quote(str(path))}")


@app.command()
def report(
    study: StudyArgument,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    campaign: CampaignOption = None,
    output: Annotated[
        str | None, typer.Option(help="Folder or URL for the report and the summary, instead of the results.")
    ] = None,
) -> None:
    """Renders the report of a study again from its Parquet files; trains nothing."""
    declared = _declared(study, seeds, epochs, results, campaign, writes=False)
    if output and (faults := results_faults(study_place(output, declared.name))):
        _refuse(faults)
    from flows.again import render_again  # noqa: PLC0415 - imports pandas and matplotlib

    with _failures_told():
        typer.echo(render_again(declared, results, engine, _date(campaign), output))


@app.command()
def check(*, engine: EngineOption = "auto", device: DeviceOption = "auto") -> None:
    """Checks the laws of noise on this machine's engine, each with its figure; half a minute."""
    _quiet(verbose=False)
    from flows.check import check_in_terminal  # noqa: PLC0415 - imports TensorFlow, which takes seconds

    sys.exit(check_in_terminal(engine, device))


def _declared(
    study: str, seeds: int | None, epochs: int | None, results: str, campaign: str | None, *, writes: bool = True
) -> Study:
    """The study to run; or one message with every fault, and exit status 2. writes: whether the results must be writable."""
    try:
        declared = studies.load(study, n_seeds=seeds, epochs=epochs)
        faults = results_faults(results, writes=writes) or results_faults(
            study_place(results, declared.name), writes=writes
        )
        faults += campaign_faults(declared, campaign) if campaign is not None else []
    except InvalidInputError as error:
        faults = error.faults + results_faults(results, writes=writes)
    if faults:
        _refuse(faults)
    return declared


def _date(campaign: str | None) -> str | None:
    """The date of a campaign that is given as a date or as a time zone; now is when it is scheduled for."""
    return None if campaign is None else campaign_name(campaign, datetime.now(UTC))


def _refuse(faults: Sequence[str]) -> NoReturn:
    typer.echo(refusal(faults), err=True)
    raise typer.Exit(2)


@contextmanager
def _failures_told() -> Iterator[None]:
    """Within it, a refusal ends with status 2 and any other failure of the results with status 1; either is one message."""
    from noiseflow.store import StoreError  # noqa: PLC0415 - imports pandas

    try:
        yield
    except InvalidInputError as error:
        _refuse(error.faults)
    except (LookupError, StoreError) as error:
        typer.echo(f"noiseflow: {in_terminal(error)}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        _refuse([in_terminal(error)])


def _quiet(*, verbose: bool) -> None:
    """Leaves the terminal to the progress and the summary; Prefect's server is waited for."""
    os.environ.setdefault("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "http://127.0.0.1")  # no page reads a temporary server
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")  # a busy machine takes a minute
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # what failed is said in the end
        os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
