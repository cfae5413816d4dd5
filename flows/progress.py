"""The progress artifact of a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from noiseflow.plan import Batch
from tasks.progress import watched_by

SECONDS_BETWEEN = 2.0
logger = logging.getLogger(__name__)


@contextmanager
def progress_artifact(study: str, batches: Sequence[Batch]) -> Iterator[None]:
    """Within it, the artifact `<study>-progress` shows the share of the epochs that are done."""
    total = sum(len(batch.trials) * batch.cell.training.epochs for batch in batches)
    weights = {batch.label: len(batch.trials) for batch in batches}
    done: dict[str, int] = {}
    lock, told = Lock(), [time.monotonic()]
    described = f"{len(batches)} batches in training"
    artifact: Any = create_progress_artifact(0.0, key=f"{study}-progress", description=described)

    def show(label: str, epochs: int) -> None:
        done[label] = epochs
        if time.monotonic() - told[0] < SECONDS_BETWEEN or not lock.acquire(blocking=False):
            return
        try:
            told[0] = time.monotonic()
            share = sum(weights[k] * n for k, n in done.items()) / total
            update_progress_artifact(artifact, 100 * share)
        except Exception as error:  # noqa: BLE001 - training must not end because the server is away for a while
            logger.warning("the progress artifact could not be updated: %s", error)
        finally:
            lock.release()

    with watched_by(show):
        yield
    update_progress_artifact(artifact, 100.0, description=f"{len(batches)} batches trained")
