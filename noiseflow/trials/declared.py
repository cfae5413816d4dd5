"""Reads the study that is asked for, and names every fault of the request at once; imports neither TensorFlow nor pandas."""

from __future__ import annotations

from pathlib import Path

from noiseflow.base.faults import InvalidInputError
from noiseflow.campaigns.rounds import campaign_faults
from noiseflow.study import Study
from noiseflow.study.faults import results_faults
from noiseflow.study.loading import load, validate
from noiseflow.study.result_places import study_place
from noiseflow.study.until import Until


def declare(
    study: str | Path | Study,
    results: str = "results",
    n_seeds: int | None = None,
    epochs: int | None = None,
    campaign: str | None = None,
    *,
    writes: bool = True,
    until: Until | None = None,
) -> Study:
    """The study with its changes, after the study, its results' place and its campaign were found valid.

    Args:
        study: a shipped name, the path of a YAML file, or a study.
        results: folder or URL of the results.
        n_seeds, epochs: instead of the study's own.
        campaign: a date or a time zone.
        writes: whether the results must be writable.
        until: how long seeds are added, where their number is not fixed.

    Raises:
        InvalidInputError: something is not valid; the message names every fault.
    """
    until, valid = until or Until(), None
    try:
        changes = {"n_seeds": n_seeds, "epochs": epochs}
        valid = validate(study, **changes) if isinstance(study, Study) else load(str(study), **changes)
        faults = results_faults(results, writes=writes) or results_faults(
            study_place(results, valid.name), writes=writes
        )
        faults += campaign_faults(valid, campaign) if campaign is not None else []
    except InvalidInputError as error:
        faults = error.faults + results_faults(results, writes=writes)
    faults += until.faults(valid, n_seeds, campaign)
    if faults or valid is None:
        raise InvalidInputError(faults)
    return valid
