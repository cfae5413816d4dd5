"""`python -m flows STUDY`: what `noiseflow run STUDY` does, as a run of the flow.

Where no server is named, Prefect's embedded one lives as long as the run.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.services import forget_if_gone
from flows.temporary_server import TemporaryServer, server_may_be_named
from noiseflow.options import (
    BudgetOption,
    CampaignOption,
    DeviceOption,
    DriftOption,
    EngineOption,
    EpochsOption,
    MaxSeedsOption,
    OpenOption,
    QuietOption,
    ResultsOption,
    SeedsOption,
    StudyArgument,
    UntilOption,
    VerboseOption,
    declared_study,
    typed_again,
)
from noiseflow.study import Study
from noiseflow.study.loading import load, names
from noiseflow.study.result_places import study_place
from noiseflow.study.until import Until
from noiseflow.trials.workers import BATCHES_AT_ONCE, worker_processes

if TYPE_CHECKING:
    from noiseflow.results import StudyRun
    from noiseflow.run import Watcher

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
MOST_BYTES = 500_000
"""Of a study that is a parameter: Prefect takes 524,288 bytes of all parameters together."""
RunnerOption = Annotated[
    Literal["local", "ray"], typer.Option(help="Train on this machine, or on the Ray cluster that RAY_ADDRESS names.")
]


@app.command()
def main(
    study: StudyArgument,
    *,
    seeds: SeedsOption = None,
    epochs: EpochsOption = None,
    results: ResultsOption = "results",
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    runner: RunnerOption = "local",
    campaign: CampaignOption = None,
    fail_on_drift: DriftOption = False,
    until: UntilOption = None,
    budget: BudgetOption = None,
    max_seeds: MaxSeedsOption = None,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    open_page: OpenOption = False,
) -> None:
    """Trains what is missing of a study, and reports, as a run of the Prefect flow `noise-study`."""
    asked = Until(until, budget, max_seeds)
    declared = declared_study(study, seeds, epochs, results, campaign, until=asked)
    _set_environment(verbose=verbose)
    forget_if_gone()
    given = {"study": study, "n_seeds": seeds, "epochs": epochs}
    options = {"results": results, "engine": engine, "device": device, "runner": runner}
    campaigns = {"campaign": campaign, "fail_on_drift": fail_on_drift} | vars(asked)
    at_once = 1 if runner == "ray" else min(BATCHES_AT_ONCE, len(declared.parts()))
    server = TemporaryServer()
    with worker_processes(at_once) as workers:
        if not Path(study_place(results, declared.name)).exists():  # else there may be nothing to train
            # TensorFlow is loaded there, and the server in its process, while Prefect is loaded here
            workers.start(at_once)
            if not server_may_be_named():
                server.begin()
        from noiseflow.terminal import run_in_terminal  # noqa: PLC0415 - imports pandas and more

        status = run_in_terminal(
            [study, *typed_again(seeds, epochs, results, engine, campaign, until)],
            lambda watch: _run(declared, given, watch, server, **options, **campaigns),
            starting="Prefect and TensorFlow",
            verbose=verbose,
            quiet=quiet,
            opens=open_page,
            last_line=lambda: f"In Prefect's UI: {_way_to_the_ui(declared.name)}",
        )
    sys.exit(status)


def _run(
    declared: Study, given: dict[str, Any], watch: Watcher, server: TemporaryServer, **parameters: Any
) -> StudyRun:
    """What a run of the flow came to; what is stored, where nothing is to be done and no server is there to show it.

    Raises:
        InvalidInputError: something is not valid; the flow was not begun.
    """
    from noiseflow.stored import stored_run  # noqa: PLC0415

    may_be_stored = parameters["campaign"] is parameters["until"] is None and not server_may_be_named()
    if may_be_stored and (stored := stored_run(declared, parameters["results"], parameters["engine"])):
        return stored
    from noiseflow.trials.checking import check_in_worker  # noqa: PLC0415

    checker = ThreadPoolExecutor(1)
    checking = checker.submit(check_in_worker, declared)  # of the study's own seeds; the flow looks into a campaign's
    checker.shutdown(wait=False)
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415 - takes seconds, while it is checked

    if is_alone := not PREFECT_API_URL.value():
        server.begin()
    from flows.noise_study import noise_study  # noqa: PLC0415
    from flows.runners import runner_faults  # noqa: PLC0415
    from noiseflow.base.faults import InvalidInputError  # noqa: PLC0415
    from tasks.listeners import watched_by  # noqa: PLC0415

    if faults := runner_faults(parameters["runner"]) or checking.result().faults:
        raise InvalidInputError(faults)
    if is_alone:
        server.wait()
    with watched_by(watch), temporary_settings({PREFECT_API_URL: server.api} if is_alone else {}):
        run: StudyRun = noise_study(**_parameters(given), **parameters)
        return run


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters `study`, `n_seeds` and `epochs` of the flow: a shipped name as it is, a file as the study in it.

    Where that is more than Prefect takes, the file's path.

    Args:
        given: the same as they were typed.
    """
    if given["study"] in names():
        return given
    study = load(given["study"])
    fits = len(json.dumps(study.model_dump(mode="json"))) < MOST_BYTES
    return given | {"study": study if fits else os.path.abspath(given["study"])}  # noqa: PTH100 - a link is left as it is


def _set_environment(*, verbose: bool) -> None:
    """Leaves the terminal to the progress and the summary."""
    os.environ["NOISEFLOW_DATA"] = os.sep  # who runs a study by hand may have it read what he may read
    if verbose:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    else:
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # what failed is said in the end
        os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")


def _way_to_the_ui(study: str) -> str:
    """Where the artifact is shown; and, if no server runs, the command that starts one on the same database."""
    page = f"artifacts/key/{study}-report"
    if server_may_be_named():
        from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL  # noqa: PLC0415 - takes seconds

        if PREFECT_API_URL.value():
            return f"{PREFECT_UI_URL.value()}/{page}"
    return f"make up   then http://127.0.0.1:4200/{page}"


if __name__ == "__main__":
    app()
