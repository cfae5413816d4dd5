"""A synthetic history of nights, in a store as real nights leave it; and how long a year of it takes to report.

python -m benchmarks.nights [365]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time

import numpy as np
import pandas as pd

from noiseflow.campaigns.rounds import campaign_round
from noiseflow.datasets import to_frame
from noiseflow.store import FOLLOWERS, SCHEMAS, Store, footer
from noiseflow.stored import report_study
from noiseflow.study import Study
from noiseflow.study.loading import load
from noiseflow.trials.manifest import software
from noiseflow.trials.plan import Batch, dataset_key, make_plan, study_json

FIRST_NIGHT = "2026-01-01"
EPOCHS = np.unique([1, *range(10, 4001, 10)])
GAINS = {"before_activation": 0.014, "after_activation": 0.006, "input_and_hidden": 0.012}
DRAWN_NIGHTS = 10  # the latest, whose data and predictions a report reads


def publish_nights(store: Store, study: Study, n_nights: int, *, shift: tuple[str, int, float] | None = None) -> None:
    """Publishes nights of a study, a file a cell and night: scores of stddev .035, which cells of a data seed share in part.

    Args:
        shift: a variant, the first of the nights (from 0) that it is shifted in, and by how much.
    """
    rng = np.random.default_rng(7)
    marks = footer(store.write_study(study_json(study)), software())
    for k, day in enumerate(pd.date_range(FIRST_NIGHT, periods=n_nights)):
        night = day.date().isoformat()
        part = campaign_round(night, study.n_seeds)
        plan = make_plan(study, "vectorized", [part], night)
        shared = rng.normal(0.77, 0.03, study.n_seeds)
        drawn = k >= n_nights - DRAWN_NIGHTS
        for batch in plan.batches([], study.n_seeds):
            name = batch.cell.variant.name
            moved = shift[2] if shift and shift[0] == name and k >= shift[1] else 0.0
            scores = shared + GAINS.get(name, 0.0) + moved + rng.normal(0, 0.018, study.n_seeds)
            store.publish(_tables(batch, night, scores, rng, with_predictions=drawn), marks)
        for dataset in study.datasets if drawn else ():
            seeds = study.data_seeds(dataset, part.seeds)
            store.write_dataset(dataset_key(dataset, seeds), to_frame(dataset, seeds), marks)


def _tables(
    batch: Batch, night: str, scores: np.ndarray, rng: np.random.Generator, *, with_predictions: bool
) -> dict[str, pd.DataFrame]:
    ids = [trial.id for trial in batch.trials]
    trials = pd.DataFrame({name: pd.Series(dtype=object) for name in SCHEMAS["trials"].names})
    trials["trial_id"] = ids
    trials = trials.assign(
        **batch.cell.names,
        data_seed=[trial.data_seed for trial in batch.trials],
        seed=batch.seeds,
        campaign=night,
        engine="vectorized",
        device="cpu",
        epochs=4000,
        epochs_trained=4000,
        n_train=30,
        n_test=70,
        status="completed",
        score_name="accuracy",
        train_score=1.0,
        test_score=scores,
        eval_score=scores,
        train_seconds=rng.normal(0.45, 0.02, len(ids)),
        finished_at=pd.Timestamp(night, tz="UTC"),
    )
    n, rows = len(ids), np.arange(70)
    curves = {name: np.repeat(scores, len(EPOCHS)) for name in ("train_loss", "train_score", "test_loss", "test_score")}
    told = {"trial_id": np.repeat(ids, len(EPOCHS)), "epoch": np.tile(EPOCHS, n)}
    predictions = {"trial_id": np.repeat(ids, len(rows)), "part": "test", "row": np.tile(rows, n), "output": 0}
    predicted = pd.DataFrame(predictions | {"prediction": rng.random(n * len(rows))})
    tables = {
        "curves": pd.DataFrame(told | curves),
        "predictions": predicted if with_predictions else predicted.head(0),
    }
    assert set(tables) == set(FOLLOWERS)  # noqa: S101 - what a store takes
    return {"trials": trials, **tables}


def main() -> None:
    n_nights = int(sys.argv[1]) if len(sys.argv) > 1 else 365
    study = load("circles")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        store = Store(folder, study.name)
        publish_nights(store, study, n_nights)
        print(f"{n_nights} nights of {len(study.variants)} cells made in {time.perf_counter() - began:.0f} s")
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        last = str(pd.date_range(FIRST_NIGHT, periods=n_nights)[-1].date())
        page = report_study(study, folder, campaign=last)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = time.perf_counter() - began
        print(f"aggregate and report: {seconds:.1f} s, peak {peak / 2**20:.2f} GB ({before / 2**20:.2f} before)")
        print(page)


if __name__ == "__main__":
    main()
