"""Arguments and options that the commands share; how they print, and how they refuse what is not valid."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal, NoReturn

import typer

from noiseflow.base.faults import InvalidInputError, in_terminal, refusal
from noiseflow.study import Study, loading
from noiseflow.study.until import Until, UntilWhen
from noiseflow.trials.declared import declare


def _studies_completed(beginning: str) -> list[str]:
    return [name for name in loading.names() if name.startswith(beginning)]


StudyArgument = Annotated[
    str,
    typer.Argument(help="A shipped study's name, or the path of a YAML file.", autocompletion=_studies_completed),
]
SeedsOption = Annotated[int | None, typer.Option("--seeds", help="Trials of each cell, instead of the study's own.")]
EpochsOption = Annotated[int | None, typer.Option(help="Epochs, instead of the study's own.")]
EngineOption = Annotated[Literal["auto", "vectorized", "reference"], typer.Option(help="How the seeds are trained.")]
DeviceOption = Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="Where they are trained.")]
CampaignOption = Annotated[
    str | None, typer.Option(metavar="DATE", help="Adds fresh seeds under this date, and pools all dates.")
]
ResultsOption = Annotated[str, typer.Option(help="Folder or URL, such as s3://bucket/prefix, for the results.")]
DriftOption = Annotated[
    bool, typer.Option("--fail-on-drift", help="Fail where a campaign differs from those before it.")
]
UntilOption = Annotated[
    UntilWhen | None, typer.Option(help="Add seeds in waves; each variant stops once it is decided.")
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="With --until: begin no wave that ends later; a number and s, m or h, such as 20m or 2h."
    ),
]
MaxSeedsOption = Annotated[int | None, typer.Option(help="With --until: seeds of each cell at most; 300 unless given.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Show all logs.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print the answer and the report's path alone.")]
OpenOption = Annotated[bool, typer.Option("--open", help="Open the report in the browser.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DataArgument = Annotated[str, typer.Argument(help="A table (.csv, .parquet, .xlsx, …) or .npz, a row an example.")]
TargetOption = Annotated[
    str, typer.Option(help="The column that is to be predicted, or a,b for several; not for .npz.")
]
TaskOption = Annotated[
    Literal["classification", "regression"] | None, typer.Option(help="What is learnt; guessed unless given.")
]


def declared_study(
    study: str,
    seeds: int | None,
    epochs: int | None,
    results: str,
    campaign: str | None,
    *,
    writes: bool = True,
    until: Until | None = None,
) -> Study:
    """The study to run; or one message with every fault, and exit status 2. Arguments as in `declare`."""
    try:
        return declare(study, results, seeds, epochs, campaign, writes=writes, until=until)
    except InvalidInputError as error:
        refuse(error.faults)


def typed_again(
    seeds: int | None, epochs: int | None, results: str, engine: str, campaign: str | None, until: str | None
) -> list[str]:
    """The options that say which trials are meant, as they are typed for another command on the same ones."""
    options = {
        "--seeds": seeds,
        "--epochs": epochs,
        "--results": None if results == "results" else results,
        "--engine": None if engine == "auto" else engine,
        "--campaign": campaign,
        "--until": until,
    }
    return [part for name, value in options.items() if value is not None for part in (name, str(value))]


def refuse(faults: Sequence[str]) -> NoReturn:
    """Prints one message with every fault, and ends with status 2."""
    typer.echo(refusal(faults), err=True)
    raise typer.Exit(2)


def show_logs() -> None:
    """Has the library's own logs shown, and TensorFlow's."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("noiseflow").setLevel(logging.INFO)


def print_json(content: object) -> None:
    """Prints what a program reads."""
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False, default=str))


@contextmanager
def failures_printed() -> Iterator[None]:
    """Within it, a refusal ends with status 2 and any other failure of the results with status 1; either is one message."""
    from noiseflow.store import StoreError  # noqa: PLC0415 - imports pandas

    try:
        yield
    except InvalidInputError as error:
        refuse(error.faults)
    except (LookupError, StoreError) as error:
        typer.echo(f"noiseflow: {in_terminal(error)}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        refuse([in_terminal(error)])
