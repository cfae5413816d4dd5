"""A trained study's numbers computed again from its file, with pandas, scikit-learn and scipy alone.

    python -m benchmarks.recomputed FILE STUDY.yaml RESULTS

FILE is the table, as `benchmarks.public_files` leaves it in its folder; RESULTS is the folder of the study's results. Computed
again are the rows of each split as the network saw them, each trial's score from its stored predictions, and each variant's
mean difference to the baseline with its p value (the corrected resampled t). Its interval is one of several that hold
together: it must lie around the mean, and be no narrower than that of one comparison, nor wider than Bonferroni's. Nothing of
noiseflow is imported.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy import stats
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

TOLERANCE = 1e-4
"""Features and predictions are stored in single precision."""


def main() -> None:
    """Prints the largest deviations, or fails."""
    table, study, results = map(Path, sys.argv[1:4])
    for what, deviation in deviations(table, study, results).items():
        print(f"{what}: at most {deviation:.1e} off")
        if not deviation <= TOLERANCE:
            raise SystemExit(f"{what} cannot be computed again")


def deviations(table: Path, study: Path, results: Path) -> dict[str, float]:
    """The largest deviation of what is stored from what is computed here, by what it is of."""
    declared = yaml.safe_load(study.read_text(encoding="utf-8"))["datasets"][0]
    frame = pd.read_csv(table, na_values=declared.get("na_values"))
    frame.columns = frame.columns.str.strip()
    frame = frame[frame[declared["target"]].notna()].reset_index(drop=True)
    trials, predictions, rows = (
        pd.concat(map(pd.read_parquet, sorted((results / name).glob("*.parquet"))))
        for name in ("trials", "predictions", "datasets")
    )
    summary = pd.read_parquet(next(results.rglob("summary.parquet")))
    splits = {seed: split(frame, declared, seed) for seed in trials["data_seed"].unique()}
    scores = trials.assign(again=[score(trial, predictions, splits, declared) for trial in trials.itertuples()])
    return {
        "features and targets": max(_of_rows(part, splits) for part in rows.groupby(["data_seed", "split"])),
        "scores": float((scores["test_score"] - scores["again"]).abs().max()),
        **_of_summary(scores, summary),
    }


def split(frame: pd.DataFrame, declared: dict[str, Any], seed: int) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """X, y and the target's unit of the rows that train and that test."""
    target = frame[declared["target"]]
    is_classes = declared["task"] == "classification"
    y = pd.Categorical(target).codes.astype(float) if is_classes else target.to_numpy(float)
    splitter = (StratifiedShuffleSplit if is_classes else ShuffleSplit)(1, test_size=0.3, random_state=seed)
    train, test = next(splitter.split(y, y))
    features = frame.drop(columns=[declared["target"], *declared.get("drop", ())])
    blocks = []
    for name in features.select_dtypes("number"):
        values = features[name].fillna(features[name].iloc[train].median()).to_numpy(float)
        spread = values[train].std()
        blocks.append((values - values[train].mean()) / (spread if spread > 0 else 1.0))
    for name in features.columns.difference(features.select_dtypes("number").columns, sort=False):
        levels = sorted(features[name].dropna().astype(str).unique())
        shown = features[name].astype(object).where(features[name].notna())
        commonest = shown.iloc[train].value_counts()
        shown = shown.fillna(min(commonest.index[commonest == commonest.max()])).astype(str)
        made = [(shown == level).to_numpy(float) for level in levels]
        blocks += [block * block[train].any() for block in made]  # a level that the training rows lack is none
    X, unit = np.column_stack(blocks), 1.0
    if not is_classes:
        unit = float(y[train].std())
        y = (y - y[train].mean()) / unit
    return {"train": (X[train], y[train], unit), "test": (X[test], y[test], unit)}


def score(trial: Any, predictions: pd.DataFrame, splits: dict[int, Any], declared: dict[str, Any]) -> float:
    """A trial's score on the test rows, from its stored predictions."""
    _, y, unit = splits[trial.data_seed]["test"]
    mine = predictions[(predictions["trial_id"] == trial.trial_id) & (predictions["part"] == "test")]
    outputs = mine.pivot_table(index="row", columns="output", values="prediction").to_numpy()
    if declared["task"] == "regression":
        return float(r2_score(y, outputs) if declared["score"] == "r2" else -unit * root_mean_squared_error(y, outputs))
    if declared["score"] == "auc":
        return float(roc_auc_score(y, outputs[:, 0]))
    classes = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0.5
    return float(accuracy_score(y, classes))


def _of_rows(part: Any, splits: dict[int, Any]) -> float:
    (seed, name), stored = part
    X, y, _ = splits[seed][name]
    stored = stored.sort_values("row")
    return float(max(np.abs(np.stack(stored["X"]) - X).max(), np.abs(stored["y"] - y).max()))


def _of_summary(scores: pd.DataFrame, summary: pd.DataFrame) -> dict[str, float]:
    """Deviations of the means, of the differences, and of the corrected t's interval and p value."""
    table = scores.pivot_table(index="data_seed", columns="variant", values="again")
    found: dict[str, list[float]] = {"means": [], "differences": [], "intervals": [], "p values": []}
    for row in summary.itertuples():
        found["means"].append(row.test_score_mean - table[row.variant].mean())
        if row.variant == "baseline":
            continue
        differences = table[row.variant] - table["baseline"]
        n, mean = len(differences), differences.mean()
        share = scores["n_test"].iloc[0] / scores["n_train"].iloc[0]
        error = np.sqrt(differences.var() * (1 / n + share))  # Nadeau and Bengio, 2003
        found["differences"].append(row.difference_mean - mean)
        half = (
            row.difference_ci_high - row.difference_ci_low
        ) / 2  # of all comparisons of score, loss and Brier score together
        least, most = (error * stats.t.ppf(1 - 0.025 / k, n - 1) for k in (1.0, 3.3 * (len(summary) - 1)))
        off_centre = (row.difference_ci_low + row.difference_ci_high) / 2 - mean
        found["intervals"] += [off_centre, max(0.97 * least - half, half - most, 0.0)]
        p = 2 * stats.t.sf(abs(mean) / error, n - 1) if error > 0 else 1.0
        found["p values"].append(row.p_value - p)
    return {what: float(np.abs(values).max()) for what, values in found.items()}


if __name__ == "__main__":
    main()
