"""The faults of a study that can be found before training, and the engine for each cell."""

from __future__ import annotations

from collections.abc import Sequence

from noiseflow.study import Study
from noiseflow.trials.data_faults import datasets_of, row_faults
from noiseflow.trials.preflight.engines import Engines, choose_engines
from noiseflow.trials.preflight.matches import Match, matches, stand_ins
from noiseflow.trials.preflight.networks import network_faults
from noiseflow.trials.preflight.places import column_faults, place_faults, task_faults

__all__ = ["Engines", "choose_engines", "faults"]


def faults(study: Study, seeds: Sequence[int] | None = None) -> list[str]:
    """All faults of a study that its declaration alone does not show, each once; empty if it can be trained.

    Args:
        seeds: those that are to be trained; the study's own unless given.

    Generates each dataset for its first data seed and builds each network once for the data that it is for; compiles
    nothing. Of a faulty dataset the declaration alone is used: noise and networks are checked against that. What depends on
    another faulty part is not looked into.
    """
    data, found = datasets_of(study, seeds)
    pairs = matches(study, data)
    found += row_faults(study, data)
    lacking = stand_ins(study, data)
    with_task = [match for match in lacking if match.has_known_form and not _has_doubtful_task(match, found)]
    models, of_networks = network_faults(study, [*pairs, *lacking])
    found += of_networks
    found += place_faults(models)
    found += task_faults(study, [*pairs, *with_task])
    found += column_faults(study, [*pairs, *(match for match in lacking if match.has_known_form)])
    return list(dict.fromkeys(found))


def _has_doubtful_task(match: Match, found: Sequence[str]) -> bool:
    """Whether a fault of the dataset asks for another task: what does not go with the task may then be right."""
    return any(fault.startswith(f"datasets[{match.dataset_index}]") and "task" in fault for fault in found)
