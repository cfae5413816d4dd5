"""Checks a study and chooses its engines, in a worker process, because that runs the user's code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from noiseflow.base.faults import InvalidInputError
from noiseflow.study import Architecture, Dataset, Study, Variant
from noiseflow.trials.workers import in_worker


@dataclass(frozen=True)
class Checked:
    """What a look at a study's data and networks came to.

    Attributes:
        faults: sentences.
        reasons: sentences that say which cells are trained seed after seed though nobody asked for it, and why.
        engines: of each cell, by the names of its dataset and architecture.
    """

    faults: list[str]
    reasons: tuple[str, ...] = ()
    engines: dict[tuple[str, str], str] = field(default_factory=dict)

    def engine_of(self, dataset: Dataset, architecture: Architecture, variant: Variant) -> str:
        """The engine that trains a cell."""
        del variant
        return self.engines[dataset.name, architecture.name]


def check_in_worker(
    study: Study, seeds: Sequence[int] | None = None, engine: str | None = None, device: str | None = None
) -> Checked:
    """What is found wrong with a study; where nothing is, the engines too.

    Args:
        seeds: those that are to be trained; the study's own unless given.
        engine: vectorized, reference or auto; only the faults are looked for unless given.
        device: auto, cpu or gpu, which must be there; not looked for unless given.

    Raises:
        RuntimeError: the device is not there.
        WorkTimeoutError, WorkerDiedError, InterruptedWorkError: as `Workers.run` raises them.
    """
    what = f"checked the data and networks of {study.name}"
    seconds = study.resources.timeout_seconds
    return in_worker(_check, study, seeds, engine, device, what=what, timeout_seconds=seconds)


def _check(study: Study, seeds: Sequence[int] | None, engine: str | None, device: str | None) -> Checked:
    from noiseflow.engine.device import require_device  # noqa: PLC0415
    from noiseflow.trials import preflight  # noqa: PLC0415 - loads TensorFlow

    if faults := preflight.faults(study, seeds):
        return Checked(faults)
    if device is not None:
        require_device(device)
    if engine is None:
        return Checked([])
    try:
        chosen = preflight.choose_engines(study, engine)
    except InvalidInputError as error:
        return Checked(error.faults)
    engines = {(d.name, a.name): chosen.engine_of(d, a, v) for d, a, v, _ in study.parts()}
    return Checked([], chosen.reasons, engines)
