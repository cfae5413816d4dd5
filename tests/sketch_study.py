"""A small study with made trials, curves and data, for the tests of the report and its parts."""

from typing import Any

import numpy as np
import pandas as pd

from noiseflow.report import Evidence
from noiseflow.spec import Study
from noiseflow.statistics import summarize
from noiseflow.statistics.findings import Findings

TRIAL_COLUMNS = ["trial_id", "dataset", "architecture", "variant", "strength", "data_seed", "seed", "status"]
TRIAL_COLUMNS += ["score_name", "train_score", "test_score", "eval_score"]
CURVE_COLUMNS = ["trial_id", "dataset", "architecture", "variant", "seed", "epoch"]
CURVE_COLUMNS += ["train_score", "train_loss", "test_score", "test_loss"]


def make_study(names=("baseline", "input", "after"), n_seeds=12, **changes: Any) -> Study:
    variants = [
        {"name": n, "injections": [{"place": "input", "stddev": 0.01 * i}] if i else []} for i, n in enumerate(names)
    ]
    published = [{"variant": names[-1], "train_score": 0.967, "test_score": 0.814, "source": "one single run"}]
    content = {
        "name": "sketch",
        "purpose": "Does noise help?",
        "n_seeds": n_seeds,
        "datasets": [{"kind": "circles"}],
        "architectures": [{"kind": "mlp"}],
        "variants": variants,
        "published": published,
    }
    return Study.model_validate(content | changes)


def make_trials(study: Study, means=(0.769, 0.770, 0.809), std=0.012, spoil=()) -> pd.DataFrame:
    """Trials with scores in points of 70; `spoil` holds (variant index, seed) of those that diverge."""
    rng = np.random.default_rng(3)
    rows = []
    for d in study.datasets:
        for a in study.architectures:
            for i, (variant, mean) in enumerate(zip(study.variants, means, strict=False)):
                for seed in range(study.n_seeds):
                    score = round(70 * rng.normal(mean, std)) / 70
                    status = "diverged" if (i, seed) in spoil else "completed"
                    names = [d.name, a.name, variant.name, variant.strength, d.data_seed, seed, status, "accuracy"]
                    rows.append([f"{d.name}{a.name}{i}-{seed}", *names, 1.0 - 0.01 * i, score, None])
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def make_curves(trials: pd.DataFrame) -> pd.DataFrame:
    epochs = [1, *range(100, 4001, 100)]
    rng = np.random.default_rng(4)
    rows = []
    for trial in trials.to_dict("records"):
        for epoch in epochs:
            share = 1 - np.exp(-epoch / 600)
            train = 0.5 + (trial["train_score"] - 0.5) * share
            test = 0.5 + (trial["test_score"] - 0.5) * share + rng.normal(0, 0.01)
            rows.append([*(trial[k] for k in CURVE_COLUMNS[:5]), epoch, train, 0.1, test, 0.5])
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def make_data(study: Study) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for d in study.datasets:
        for i in range(100):
            y, angle = float(i % 2), rng.uniform(0, 2 * np.pi)
            x = (1 - 0.2 * y) * np.array([np.cos(angle), np.sin(angle)]) + rng.normal(0, 0.1, 2)
            rows.append([d.name, d.data_seed, "train" if i < 30 else "test", i, x.tolist(), y])
    return pd.DataFrame(rows, columns=["dataset", "data_seed", "split", "row", "X", "y"])


def make_evidence(study: Study | None = None, trials: pd.DataFrame | None = None, **changes: Any) -> Evidence:
    study = study or make_study()
    trials = make_trials(study) if trials is None else trials
    summary = changes.pop("summary", None)
    parts = {
        "study": study,
        "findings": Findings(summarize(trials, study.margin) if summary is None else summary),
        "trials": trials,
        "curves": make_curves(trials),
        "data": make_data(study),
        "ceilings": {d.name: 59 / 70 for d in study.datasets},
        "cautions": [],
        "manifest": {"engine": "vectorized", "device": "cpu", "command": "noiseflow run sketch --seeds 12"},
    }
    return Evidence(**(parts | changes))
