"""Reads the study that is asked for, and names every fault of the request at once; imports neither TensorFlow nor pandas.

Where the request is faulty, what is sound of the study is looked at too, so that one round names the faults of all kinds. What
takes no network is quick; where only a network shows what may be wrong, a worker process looks, which takes some seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from noiseflow.architectures import architecture_kind
from noiseflow.base.faults import InvalidInputError
from noiseflow.campaigns.rounds import campaign_faults
from noiseflow.study import Study
from noiseflow.study.consistency import size_faults
from noiseflow.study.faults import results_faults
from noiseflow.study.loading import names, read, validate
from noiseflow.study.result_places import study_place
from noiseflow.study.sound_parts import sound_parts
from noiseflow.study.until import Until

EVERYWHERE = ("input", "before_activation", "after_activation", "weights", "gradients")
"""Places of noise that each network for rows of any form has."""
TABLE = (None, None)
"""The shape of a table's rows."""


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
    faults += until.faults(valid, n_seeds, campaign)
    if faults or valid is None:
        sound = valid or (sound_parts(content) if isinstance(content, Mapping) else None)
        within = _faults_within(sound) if sound and study not in names() else []  # those that ship have none
        raise InvalidInputError(list(dict.fromkeys([*faults, *within])))
    return valid


def _faults_within(study: Study) -> list[str]:
    """What is wrong with the data and the networks of a study that is not going to be trained."""
    if any(size_faults(study)):
        return []
    if _takes_networks(study):
        from noiseflow.trials.checking import check_in_worker  # noqa: PLC0415

        try:
            return check_in_worker(study).faults
        except (TimeoutError, RuntimeError) as error:
            return [f"the study's data and networks must be such that they can be looked at; received: {error}"]
    if not any(dataset.path for dataset in study.datasets):
        return []
    from noiseflow.trials.data_faults import datasets_of, row_faults  # noqa: PLC0415 - loads what reads tables

    data, found = datasets_of(study)
    return [*found, *row_faults(study, data)]


def _takes_networks(study: Study) -> bool:
    """Whether only its networks, or the user's code, show what may be wrong.

    They do not where each network is for rows of any form, its noise is at places that all of these have, and there are no
    rivals to noise.
    """
    injections = [injection for variant in study.variants for injection in variant.injections]
    return (
        any(kind.axes or kind.is_users_own for kind in map(architecture_kind, (a.kind for a in study.architectures)))
        or any(dataset.entry_point for dataset in study.datasets)
        or any(i.place not in EVERYWHERE or i.columns or any(i.faults_at(TABLE)) for i in injections)
        or any(variant.controls for variant in study.variants)
        or bool(study.robustness)
    )
