"""Studies of several targets, from the rows to the report; their scores are computed again from the stored predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

import noiseflow
from noiseflow.study.loading import validate
from noiseflow.trials.workers import worker_processes

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 3))
Y = np.stack([X[:, 0] + X[:, 1], 10 * X[:, 2] + rng.normal(size=90)], axis=1)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _worker():
    with worker_processes(1):
        yield


@pytest.mark.parametrize(("task", "design"), [("regression", "replicate"), ("classification", "resample")])
def test_study_of_several_targets_scores_what_it_predicts(task, design, tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y if task == "regression" else (Y > 0).astype(int))
    study = validate(
        {
            "name": "several",
            "design": design,
            "n_seeds": 3,
            "datasets": [{"kind": "arrays", "path": str(tmp_path / "a.npz"), "task": task}],
            "architectures": [{"kind": "mlp", "units": [8]}],
            "training": {"epochs": 3},
            "variants": [{"name": "baseline"}, {"name": "input", "injections": [{"place": "input", "stddev": 0.1}]}],
        }
    )
    run = noiseflow.run_study(study, results=str(tmp_path / "results"))
    folder = tmp_path / "results" / "several"
    trials, predicted, rows = (pd.read_parquet(folder / name) for name in ("trials", "predictions", "datasets"))
    assert len(trials) == 6
    truth = rows[rows["split"] == "test"].set_index(["data_seed", "row"])["targets"]
    for trial in trials.to_dict("records"):
        own = predicted[(predicted["trial_id"] == trial["trial_id"]) & (predicted["part"] == "test")]
        outputs = own.pivot_table(index="row", columns="output", values="prediction").to_numpy()
        y = np.stack(list(truth.loc[trial["data_seed"]].sort_index()))
        score = r2_score(y, outputs) if task == "regression" else np.mean((outputs > 0.5) == y)
        assert trial["test_score"] == pytest.approx(score, abs=1e-4)
    assert run.summary["test_score_mean"].notna().all()
    assert ("2 targets" if task == "regression" else "2 labels") in Path(run.report).read_text(encoding="utf-8")
