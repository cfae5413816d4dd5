"""A small study with made trials, curves and data, for the tests of the report and its parts."""

from typing import Any

import numpy as np
import pandas as pd

from noiseflow.report import Evidence
from noiseflow.report.findings import Findings
from noiseflow.statistics.summary import summarize
from noiseflow.study import Study

TRIAL_COLUMNS = ["trial_id", "dataset", "architecture", "variant", "strength", "data_seed", "seed", "status"]
TRIAL_COLUMNS += ["score_name", "train_score", "test_score", "eval_score"]
CURVE_COLUMNS = ["trial_id", "dataset", "architecture", "variant", "seed", "epoch"]
CURVE_COLUMNS += ["train_score", "train_loss", "test_score", "test_loss"]
HISTORY_COLUMNS = ["campaign", "dataset", "architecture", "variant", "score_name", "n_pairs", "difference_mean"]
HISTORY_COLUMNS += ["difference_ci_low", "difference_ci_high", "n_pooled", "pooled_mean", "pooled_low", "pooled_high"]
HISTORY_COLUMNS += ["drifted"]

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a|b",
    "[x](javascript:alert(1))",
    "**bold** _it_ ~~gone~~",
    "`code` ```",
    "&lt;b&gt; &amp;",
    "![i](data.png) \\| \\",
    "</pre></details><script>alert(1)</script>",
    "https://evil.test www.evil.test a@b.test",
    "$x$ # 1. - > {{ 7*7 }} {% x %}",
]
"""Names that would be mark-up, links or a script where they are not escaped."""


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
            rows.append([d.name, d.data_seed, "train" if i < 30 else "test", i, x.tolist(), y, None])
    return pd.DataFrame(rows, columns=["dataset", "data_seed", "split", "row", "X", "y", "targets"])


def make_grid(points: int = 12) -> np.ndarray:
    axis = np.linspace(-1.4, 1.4, points)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def make_predictions(study: Study, trials: pd.DataFrame) -> pd.DataFrame:
    """Class 1 inside a circle whose radius has noise of its own in each trial: on the test rows and on the grid."""
    rng = np.random.default_rng(6)
    data, parts = make_data(study), []
    names = ["dataset", "architecture", "variant", "data_seed", "seed", "trial_id"]
    for trial in trials.to_dict("records"):
        tested = data[(data["dataset"] == trial["dataset"]) & (data["split"] == "test")]
        places = {
            "test": (tested["row"], np.stack(tested["X"].to_list())),
            "grid": (range(144), make_grid()),
        }
        radius = rng.normal(0.9, 0.1)
        for part, (rows, X) in places.items():
            told = {"part": part, "row": np.asarray(rows), "output": 0}
            told["prediction"] = 1 / (1 + np.exp(8 * (np.linalg.norm(X, axis=1) - radius)))
            parts.append(pd.DataFrame({name: trial[name] for name in names} | {"family": trial["variant"]} | told))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def make_history(names=("input", "after"), n_nights=3) -> pd.DataFrame:
    """What campaigns of two points of gain each say, whose pooled interval narrows; the last of the last variant drifts."""
    nights = [day.date().isoformat() for day in pd.date_range("2026-01-05", periods=n_nights)]
    half = [0.05 / (k + 1) ** 0.5 for k in range(n_nights)]
    rows = [
        {"campaign": night, "dataset": "circles", "architecture": "mlp", "variant": name, "score_name": "accuracy"}
        | {"difference_mean": 0.02 + 0.004 * (-1) ** k, "difference_ci_low": 0.0, "difference_ci_high": 0.04}
        | {"n_pairs": 30, "n_pooled": 30 * (k + 1), "drifted": name == names[-1] and k == n_nights - 1}
        | {"pooled_mean": 0.02, "pooled_low": 0.02 - half[k], "pooled_high": 0.02 + half[k]}
        for name in names
        for k, night in enumerate(nights)
    ]
    return pd.DataFrame(rows, columns=HISTORY_COLUMNS)


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
        "data_cautions": [],
        "n_planned": sum(len(study.pairs(dataset)) for dataset, *_ in study.parts()),
        "manifest": {"engine": "vectorized", "device": "cpu", "command": "noiseflow run sketch --seeds 12"},
    }
    return Evidence(**(parts | changes))
