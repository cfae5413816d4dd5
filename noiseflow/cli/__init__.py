"""The `noiseflow` command. It imports what takes long when a command needs it: pandas, TensorFlow, matplotlib."""

from __future__ import annotations

import gc
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseflow import __version__
from noiseflow.base.faults import InvalidInputError, printable
from noiseflow.base.program import program
from noiseflow.campaigns.rounds import campaign_name
from noiseflow.cli.results import stored
from noiseflow.options import (
    BudgetOption,
    CampaignOption,
    DataArgument,
    DeviceOption,
    DriftOption,
    EngineOption,
    EpochsOption,
    JsonOption,
    MaxSeedsOption,
    OpenOption,
    QuietOption,
    ResultsOption,
    SeedsOption,
    StudyArgument,
    TargetOption,
    TaskOption,
    UntilOption,
    VerboseOption,
    declared_study,
    failures_printed,
    print_json,
    refuse,
    show_logs,
    typed_again,
)
from noiseflow.study import loading as studies
from noiseflow.study.faults import lacking_faults, results_faults
from noiseflow.study.result_places import study_place
from noiseflow.study.until import Until
from noiseflow.trials.declared import declare
from noiseflow.trials.workers import BATCHES_AT_ONCE, worker_processes

if TYPE_CHECKING:
    from noiseflow.results import StudyRun

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finds out, honestly and fast, whether noise regularises a neural network.",
)
app.add_typer(stored, name="results")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"noiseflow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    study: StudyArgument,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    campaign: CampaignOption = None,
    fail_on_drift: DriftOption = False,
    until: UntilOption = None,
    budget: BudgetOption = None,
    max_seeds: MaxSeedsOption = None,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    open_page: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Trains what is missing of a study, and reports."""
    asked = Until(until, budget, max_seeds)
    declared = declared_study(study, seeds, epochs, results, campaign, until=asked)
    if verbose:
        show_logs()
    at_once = min(BATCHES_AT_ONCE, len(declared.parts()))
    with worker_processes(at_once) as workers:
        if not Path(study_place(results, declared.name)).exists():  # else there may be nothing to train
            workers.start(at_once)  # they load TensorFlow while pandas and more are loaded here
        from noiseflow.run import run_study  # noqa: PLC0415
        from noiseflow.terminal import run_in_terminal  # noqa: PLC0415

        where = {"engine": engine, "device": device, "campaign": campaign, "fail_on_drift": fail_on_drift}
        options = where | vars(asked)
        status = run_in_terminal(
            [study, *typed_again(seeds, epochs, results, engine, campaign, until)],
            lambda watch: run_study(declared, results, progress=watch, **options),
            verbose=verbose,
            quiet=quiet,
            opens=open_page,
            prints=_print_run if as_json else None,
        )
    sys.exit(status)


def _print_run(done: StudyRun, **more: object) -> None:
    """Prints a run for programs, as `report --json` prints its report."""
    from noiseflow.results import report_document  # noqa: PLC0415

    print_json({**report_document(done.report), **more})


@app.command("studies")
def list_studies(*, as_json: JsonOption = False) -> None:
    """Lists the studies that ship: cells, trials, purpose."""
    found = []
    for name in studies.names():
        study = studies.load(name)
        parts = study.parts()
        trials = sum(len(study.pairs(dataset)) for dataset, *_ in parts)
        found.append({"study": name, "cells": len(parts), "trials": trials, "purpose": study.purpose})
    if as_json:
        print_json(found)
        return
    for one in found:
        typer.echo("{study:<12}{cells:>4} cells{trials:>6,} trials   {purpose}".format(**one))


@app.command()
def reproduce(
    claims: Annotated[
        str | None, typer.Argument(help="A shipped name, or the path of a study with claims; lists them without.")
    ] = None,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Runs the study of a published claim, and says whether it holds, is refuted, or stays undecided."""
    if claims is None:
        _list_claims(as_json=as_json)
        return
    try:
        declared = declare(studies.load_claims(claims), results, seeds, epochs, None)
    except InvalidInputError as error:
        refuse(error.faults)
    with worker_processes(BATCHES_AT_ONCE) as workers:
        workers.start(BATCHES_AT_ONCE)
        from noiseflow.run import run_study  # noqa: PLC0415
        from noiseflow.stored import judged_lines, judged_rows  # noqa: PLC0415
        from noiseflow.terminal import run_in_terminal  # noqa: PLC0415

        status = run_in_terminal(
            [],
            lambda watch: run_study(declared, results, engine=engine, device=device, progress=watch),
            verbose=False,
            quiet=quiet,
            prints=(lambda done: _print_run(done, claims=judged_rows(declared, results, engine))) if as_json else None,
        )
    if status == 0 and not as_json:
        typer.echo("\n".join(judged_lines(declared, results, engine)))
    sys.exit(status)


def _list_claims(*, as_json: bool) -> None:
    found = [{"claims": name, "purpose": studies.load_claims(name).purpose} for name in studies.claim_names()]
    if as_json:
        print_json(found)
        return
    for one in found:
        typer.echo("{claims:<18}{purpose}".format(**one))


@app.command()
def plan(
    study: StudyArgument,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    campaign: CampaignOption = None,
    until: UntilOption = None,
    max_seeds: MaxSeedsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows what a run would train, and roughly how long it would take; trains nothing."""
    asked = Until(until, None, max_seeds)
    declared = declared_study(study, seeds, epochs, results, campaign, writes=False, until=asked)
    from noiseflow.run import data_faults, read_lines  # noqa: PLC0415 - imports pandas and more
    from noiseflow.stored import is_trained, name_faults, next_wave, stored_plan  # noqa: PLC0415
    from noiseflow.trials.preview import foresee, preview_text, until_lines  # noqa: PLC0415

    date = _date(campaign)
    with failures_printed():
        try:
            known = date is None and is_trained(declared, results, engine)  # was found valid, as a run takes it
            found = [] if known else data_faults(declared, date)
            if faults := found or name_faults(declared, results, engine, date):
                refuse(faults)
            if until:
                planned, store, line = next_wave(declared, results, engine, asked.most)
                foreseen = foresee(planned, store)
                foreseen["notes"] += [line, *until_lines(len(foreseen["cells"]), asked.most)]
            else:
                foreseen = foresee(*stored_plan(declared, results, engine, date))
        except LookupError as error:
            refuse([str(error)])
        read = read_lines(declared)
    if as_json:
        print_json({**foreseen, "read": read})
    else:
        typer.echo("\n".join([preview_text(foreseen), *map(printable, read)]))


@app.command()
def init(
    data: DataArgument,
    *,
    target: TargetOption = "",
    task: TaskOption = None,
    output: Annotated[str | None, typer.Option(help="The study file; beside the data unless given.")] = None,
) -> None:
    """Writes a commented study file for your data, ready to run; lists the columns without --target."""
    if faults := lacking_faults(data):
        refuse(faults)
    if not target and not data.lower().endswith(".npz"):
        _list_columns(data)
        return
    from noiseflow.atlas import strengths_for  # noqa: PLC0415 - imports pandas
    from noiseflow.study.draft import draft_and_look  # noqa: PLC0415

    path = Path(output) if output else Path(data).with_suffix(".yaml")
    try:
        text, read = draft_and_look(data, target, task=task, written_to=str(path), suggest=strengths_for)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except InvalidInputError as error:
        refuse(error.faults)
    except FileExistsError:
        refuse([f"{path} is there already. Move it, or name another with --output."])
    except OSError as error:
        refuse([f"{path} cannot be written: {error}"])
    typer.echo("\n".join([*map(printable, read), ""]))
    typer.echo(f"{path}: look it over, then\n\n  {program()} run {shlex.quote(str(path))}")


def _list_columns(data: str) -> None:
    """Prints the columns of a table, and how to name the target."""
    from noiseflow.study.column_list import column_lines  # noqa: PLC0415 - imports pandas

    try:
        typer.echo("\n".join(column_lines(data)))
    except InvalidInputError as error:
        refuse(error.faults)


@app.command()
def advise(
    data: DataArgument, *, target: TargetOption = "", task: TaskOption = None, as_json: JsonOption = False
) -> None:
    """Says what noise did on the public datasets most like yours; trains no network."""
    if faults := lacking_faults(data):
        refuse(faults)
    from noiseflow.atlas import advise as advised  # noqa: PLC0415 - imports pandas
    from noiseflow.atlas import traits_of  # noqa: PLC0415
    from noiseflow.study.draft import choose  # noqa: PLC0415

    try:
        advice = advised(traits_of(choose(data, target, task).dataset))
    except InvalidInputError as error:
        refuse(error.faults)
    except ValueError as error:
        refuse([str(error)])
    if as_json:
        print_json(asdict(advice))
    else:
        typer.echo("\n".join(map(printable, advice.lines())))


@app.command()
def report(
    study: StudyArgument,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    campaign: CampaignOption = None,
    until: UntilOption = None,
    output: Annotated[
        str | None, typer.Option(help="Folder or URL for the report and the summary, instead of the results.")
    ] = None,
    open_report: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Renders the report of a study again from its Parquet files; trains nothing."""
    declared = declared_study(study, seeds, epochs, results, campaign, writes=False, until=Until(until))
    if output and (faults := results_faults(study_place(output, declared.name))):
        refuse(faults)
    from noiseflow.stored import as_last_asked, report_study  # noqa: PLC0415 - imports pandas and matplotlib

    gc.disable()  # this process ends soon; of a million trials it would look through for three seconds
    date, until_decided = _date(campaign), until is not None
    if seeds is None and campaign is None and until is None:
        with failures_printed():
            declared, date, until_decided, what = as_last_asked(declared, results, engine)
        if what:
            typer.echo(f"{what}, as in the report that is there", err=True)
    options = typed_again(seeds, epochs, results, engine, campaign, until)
    with failures_printed():
        page = report_study(
            declared,
            results,
            engine,
            date,
            output,
            until_decided=until_decided,
            trained_by=f"{program()} run {shlex.join([study, *options])}",
        )
    if as_json:
        from noiseflow.results import report_document  # noqa: PLC0415

        print_json(report_document(page))
    else:
        typer.echo(page)
    if open_report:
        from noiseflow.terminal import open_page  # noqa: PLC0415

        open_page(page)


@app.command()
def compact(
    study: Annotated[str, typer.Argument(help="The study's name, as its folder is called.")],
    *,
    into: Annotated[str, typer.Option(help="Folder or URL for the copy; what is there already is kept.")],
    results: ResultsOption = "results",
) -> None:
    """Copies a study's many small files into a few large ones, somewhere else."""
    from noiseflow.store.compaction import compact_study  # noqa: PLC0415 - imports pandas

    with failures_printed():
        text, whole = compact_study(study, results, into)
    typer.echo(text)
    sys.exit(0 if whole else 1)


@app.command()
def check(*, engine: EngineOption = "auto", device: DeviceOption = "auto", as_json: JsonOption = False) -> None:
    """Checks the laws of noise on this machine's engine, each with its figure; about a minute."""
    from noiseflow.trials.silence import silenced  # noqa: PLC0415

    with silenced():
        from noiseflow.laws.printing import print_laws  # noqa: PLC0415 - imports TensorFlow, which takes seconds
    sys.exit(print_laws(engine, device, as_json=as_json))


@app.command()
def audit(
    *,
    before: Annotated[float, typer.Option(help="Published accuracy without the change, a fraction.")],
    after: Annotated[float, typer.Option(help="Published accuracy with it.")],
    n_test: Annotated[int, typer.Option(min=2, help="Test rows that both were measured on.")],
    seeds: Annotated[int, typer.Option(min=1, help="Training runs that each was the mean of.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Says what a published improvement can and cannot show; trains nothing."""
    from noiseflow.statistics.audit import audit as audited  # noqa: PLC0415 - imports scipy
    from noiseflow.statistics.audit import audit_numbers  # noqa: PLC0415

    try:
        if as_json:
            print_json(audit_numbers(before, after, n_test, seeds))
        else:
            typer.echo(audited(before, after, n_test, seeds))
    except ValueError as error:
        refuse([str(error)])


def _date(campaign: str | None) -> str | None:
    """The date of a campaign that is given as a date or as a time zone; now is when it is scheduled for."""
    return None if campaign is None else campaign_name(campaign, datetime.now(UTC))
