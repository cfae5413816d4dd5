"""The progress artifact of a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from noiseflow.engine.progress import Progress
from noiseflow.trials.plan import Batch
from tasks.listeners import watched_by

SECONDS_BETWEEN = 2.0
logger = logging.getLogger(__name__)


@contextmanager
def progress_artifact(study: str, batches: Sequence[Batch]) -> Iterator[None]:
    """Within it, the artifact `<study>-progress` shows the share of the epochs that are done."""
    weights = {batch.label: len(batch.trials) for batch in batches}
    totals = {batch.label: batch.cell.training.epochs for batch in batches}
    total = sum(weights[label] * epochs for label, epochs in totals.items())
    done = dict.fromkeys(weights, 0)
    speeds: dict[str, float] = {}
    lock, updated = Lock(), [time.monotonic()]
    described = f"{len(batches)} batches to train"
    artifact: Any = create_progress_artifact(0.0, key=f"{study}-progress", description=described)

    def update(description: str) -> None:
        share = 100 * sum(weights[label] * epochs for label, epochs in done.items()) / total
        try:
            update_progress_artifact(artifact, share, description=description)
        except Exception as error:  # noqa: BLE001 - training must not end because the server is away for a while
            logger.warning("the progress artifact could not be updated: %s", error)

    def show(batch: Batch, progress: Progress) -> None:
        label = batch.label
        if label not in done:  # another study's, in the same process
            return
        done[label], speeds[label] = progress.epochs_done, progress.seeds_a_second
        if progress.epochs_done == totals[label]:
            del speeds[label]
        if time.monotonic() - updated[0] > SECONDS_BETWEEN and lock.acquire(blocking=False):
            updated[0] = time.monotonic()
            update(f"{len(batches)} batches in training, {sum(tuple(speeds.values())):.1f} seeds a second")
            lock.release()

    with watched_by(show):
        yield
    update("training has ended")
