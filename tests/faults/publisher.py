"""The process that publishes made rows until it is killed; apart from the others, for each new one imports just this."""

from __future__ import annotations

from itertools import count
from multiprocessing.synchronize import Event

import pandas as pd

from noiseflow.store import SCHEMAS, Store

TRIALS_A_BATCH = 5
CURVES_A_TRIAL, PREDICTIONS_A_TRIAL = 50, 400


def batch_of(number: int) -> dict[str, pd.DataFrame]:
    """Made rows of the batch of this number; a third of its trials are those of the one before."""
    ids = [f"trial-{number * 3 + at}" for at in range(TRIALS_A_BATCH)]
    trials = pd.DataFrame({name: pd.Series(dtype=object) for name in SCHEMAS["trials"].names})
    trials["trial_id"] = ids
    trials = trials.assign(seed=range(len(ids)), test_score=0.5, status="completed")
    trials["finished_at"] = pd.Timestamp("2026-01-01", tz="UTC")
    return {"trials": trials, "curves": _curves(ids), "predictions": _predictions(ids)}


def _curves(ids: list[str]) -> pd.DataFrame:
    rows = pd.DataFrame([(one, epoch) for one in ids for epoch in range(CURVES_A_TRIAL)], columns=["trial_id", "epoch"])
    return rows.assign(train_loss=0.1, train_score=0.2, test_loss=0.3, test_score=0.4)


def _predictions(ids: list[str]) -> pd.DataFrame:
    rows = pd.DataFrame([(one, row) for one in ids for row in range(PREDICTIONS_A_TRIAL)], columns=["trial_id", "row"])
    return rows.assign(part="test", output=0, prediction=0.5)


def publish_forever(results: str, first: int, begun: Event) -> None:
    """Recovers, as each run does, and then publishes one batch after the other until it is killed."""
    store = Store(results, "made")
    store.recover()
    for number in count(first):
        store.publish(batch_of(number), {})
        begun.set()  # from now on it may be killed: within the next batches
