"""A batch of trials, trained in a worker process."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd

from noiseflow.engine.halving import halves
from noiseflow.engine.progress import Progress
from noiseflow.trials.plan import Batch
from noiseflow.trials.workers import WorkerDiedError, in_worker

Tables = dict[str, pd.DataFrame]
logger = logging.getLogger(__name__)


def train_in_worker(
    batch: Batch,
    *,
    study: str,
    device: str,
    timeout_seconds: float,
    progress: Callable[[Progress], None],
    alone: bool = False,
) -> Tables:
    """The rows of the trials of a batch by table: trials, curves and predictions.

    Where the machine kills the process for lack of memory, and again when the batch is alone, the batch is trained in halves.

    Args:
        batch: trials of one cell.
        study: the name that the rows carry.
        device: auto, cpu or gpu.
        timeout_seconds: that the batch, or a part of it, may take.
        progress: called with how far it has come, from the thread that waits.
        alone: whether no other batch may train beside it.

    Raises:
        RuntimeError: the device is not there.
        SeedTooLargeError: the memory does not hold a single trial.
        WorkTimeoutError, WorkerDiedError, InterruptedWorkError: as `Workers.run` raises them.
    """
    how: dict[str, Any] = {"timeout_seconds": timeout_seconds, "progress": progress}
    try:
        return in_worker(tables_of, batch, study, device, what=f"trained {batch.label}", alone=alone, **how)
    except WorkerDiedError as error:
        if error.number != signal.SIGKILL:
            raise
        parts = halves(batch.trials, "batch", "this machine", error)
    done = [
        train_in_worker(replace(batch, trials=tuple(part)), study=study, device=device, alone=True, **how)
        for part in parts
    ]
    return {name: pd.concat([tables[name] for tables in done], ignore_index=True) for name in done[0]}


def tables_of(batch: Batch, study: str, device: str, progress: Callable[[Progress], None]) -> Tables:
    """What a worker process does for a batch."""
    from noiseflow.trials.training import train_trials  # noqa: PLC0415 - loads TensorFlow, which the parent does without

    return vars(train_trials(batch, study=study, device=device, progress=progress))
