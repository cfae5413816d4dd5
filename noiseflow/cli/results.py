"""`noiseflow results`: what lies in the results."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from noiseflow.options import JsonOption, ResultsOption, failures_printed, print_json, refuse

stored = typer.Typer(no_args_is_help=True, help="What lies in the results: list, show, compare, export, delete.")


@stored.command("list")
def list_results(*, results: ResultsOption = "results", as_json: JsonOption = False) -> None:
    """Lists the studies in the results: trials, size, last change."""
    from noiseflow.results import no_results, stored_studies  # noqa: PLC0415 - imports pandas

    with failures_printed():
        found = stored_studies(results)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        runs = f"; runs {', '.join(one.runs)}" if one.runs else ""
        trials = "; ".join(one.trials) or "no trials"
        typer.echo(f"{one.study:<16} {_megabytes(one.size):>9}  {one.changed:%Y-%m-%d %H:%M}  {trials}{runs}")
    if not found:
        typer.echo(no_results(results))


def _stored_completed(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the studies in the results, and once one is typed, of its runs; imports nothing that takes long."""
    folder, slash, _ = incomplete.rpartition("/")
    place = Path(context.params.get("results") or "results") / (f"{folder}/runs" if slash else "")
    found = sorted(path.name for path in place.glob("*") if path.is_dir()) if ".." not in folder else []
    return [name for name in (f"{folder}{slash}{name}" for name in found) if name.startswith(incomplete)]


StoredArgument = Annotated[
    str,
    typer.Argument(
        help="A study in the results, or a run of it with other settings: circles/epochs-200.",
        autocompletion=_stored_completed,
    ),
]
ComparedArgument = Annotated[
    str,
    typer.Argument(
        help="A study, a run of it (circles/epochs-200), or a night of campaigns (circles@2026-11-25).",
        autocompletion=_stored_completed,
    ),
]


@stored.command()
def show(study: StoredArgument, *, results: ResultsOption = "results", as_json: JsonOption = False) -> None:
    """Shows what lies of one study: trials, runs, the answer."""
    from noiseflow.results import stored_study  # noqa: PLC0415

    with failures_printed():
        one = stored_study(results, study)
        answers = {run: stored_study(results, f"{one.study}/{run}").answer for run in one.runs}
    if as_json:
        print_json({**asdict(one), "answers_of_runs": answers})
        return
    lines = [f"{one.study}: {_megabytes(one.size)}, last changed {one.changed:%Y-%m-%d %H:%M} UTC"]
    lines += [f"  trials: {kind}" for kind in one.trials]
    lines += [f"  {one.answer}"] if one.answer else []
    for run, answer in answers.items():
        lines += [f"  run with other settings: {one.study}/{run}", *([f"    {answer}"] if answer else [])]
    typer.echo("\n".join(lines))


@stored.command()
def compare(
    first: ComparedArgument,
    second: ComparedArgument,
    *,
    results: ResultsOption = "results",
    as_json: JsonOption = False,
) -> None:
    """Shows two summaries in one table, cell by cell."""
    from noiseflow.results import compare_stored  # noqa: PLC0415

    with failures_printed():
        rows = compare_stored(results, first, second)
    if as_json:
        print_json(rows)
        return
    from rich.console import Console  # noqa: PLC0415

    from noiseflow.terminal import summary_table  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(summary_table(rows, console.width), soft_wrap=True)


@stored.command()
def export(
    study: StoredArgument,
    *,
    form: Annotated[
        Literal["csv", "latex", "mlflow", "wandb"],
        typer.Option("--format", help="CSV or LaTeX with booktabs: the summary; mlflow or wandb: all trials as runs."),
    ] = "csv",
    into: Annotated[
        str | None,
        typer.Option(
            help="Where to: MLflow's tracking URI (sqlite:///mlflow.db unless given), W&B's folder (this one)."
        ),
    ] = None,
    results: ResultsOption = "results",
) -> None:
    """Prints a summary as CSV or LaTeX; or writes the trials as runs for MLflow or, offline, for W&B."""
    if form in ("csv", "latex"):
        if into is not None:
            refuse(["--into is for --format mlflow and wandb; a summary is printed. Write it to a file with > FILE"])
        from noiseflow.results import exported  # noqa: PLC0415

        with failures_printed():
            typer.echo(exported(results, study, form), nl=False)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import track as shown  # noqa: PLC0415

    from noiseflow.trackers import track  # noqa: PLC0415

    bar = partial(shown, description=study, console=Console(stderr=True), disable=not sys.stderr.isatty())
    place = into or {"mlflow": "sqlite:///mlflow.db", "wandb": "."}[form]
    with failures_printed():
        written, before = track(results, study, form, place, bar)
    typer.echo(f"{form}: {written:,} trials written to {place}, {before:,} there before")


@stored.command()
def delete(
    study: Annotated[
        str | None,
        typer.Argument(
            help="A study in the results; all that are old enough unless given.", autocompletion=_stored_completed
        ),
    ] = None,
    *,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Only what has not changed for so long.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    results: ResultsOption = "results",
) -> None:
    """Deletes studies with all their trials, after asking."""
    from noiseflow.results import delete_study, stored_study, study_folder  # noqa: PLC0415
    from noiseflow.results import older_than as older  # noqa: PLC0415

    if study is None and older_than is None:
        refuse(["name a study, or give --older-than DAYS"])
    with failures_printed():
        old = older(results, older_than, datetime.now(UTC)) if older_than is not None else [study or ""]
        chosen = [stored_study(results, study_folder(results, name).name) for name in old if study in (None, name)]
        if not chosen:
            typer.echo("nothing is that old")
        for one in chosen:
            what = f"{one.study}: {_megabytes(one.size)}, {'; '.join(one.trials) or 'no trials'}"
            if yes or typer.confirm(f"Delete {what}?"):
                delete_study(results, one.study)
                typer.echo(f"deleted {one.study}")
            else:
                typer.echo(f"kept {one.study}: nothing of it was deleted")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
