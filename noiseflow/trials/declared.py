"""Reads the study that is asked for, and names every fault of the request at once; imports neither TensorFlow nor pandas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noiseflow.base.faults import InvalidInputError
from noiseflow.campaigns.rounds import campaign_faults
from noiseflow.study import Study
from noiseflow.study.faults import results_faults
from noiseflow.study.loading import read, validate
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
    until, valid, content = until or Until(), None, None
    try:
        content = study if isinstance(study, Study) else read(str(study))
        valid = validate(content, n_seeds=n_seeds, epochs=epochs)
        faults = results_faults(results, writes=writes) or results_faults(
            study_place(results, valid.name), writes=writes
        )
        faults += campaign_faults(valid, campaign) if campaign is not None else []
    except InvalidInputError as error:
        faults = error.faults + results_faults(results, writes=writes)
        faults += _file_faults(content) if valid is None and isinstance(content, Mapping) else []
    faults += until.faults(valid, n_seeds, campaign)
    if faults or valid is None:
        raise InvalidInputError(faults)
    return valid


def _file_faults(content: Mapping[str, Any]) -> list[str]:
    """What is wrong with the files of a faulty study."""
    from noiseflow.trials.file_faults import file_faults  # noqa: PLC0415 - a study without files takes no pandas

    return file_faults(content)
