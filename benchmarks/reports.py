"""How long a study of many cells takes to aggregate and to report, how much memory, and what its artifact shows.

python -m benchmarks.reports [DATASETS ARCHITECTURES VARIANTS SEEDS]        a fresh process for each size
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from noiseflow.report import Evidence, render
from noiseflow.report.evidence import compact_predictions
from noiseflow.report.findings import find
from noiseflow.report.selection import drawn_cells
from noiseflow.statistics.pairs import CELL
from noiseflow.study import Study

SIZES = ((1, 1, 5, 30), (4, 4, 50, 30), (1, 1, 800, 30), (10, 10, 100, 100), (10, 1, 10, 10_000))
"""Datasets, architectures, variants and seeds; the last two are 1,000,000 trials, which 100 a batch make 10,000 batches."""
TEST_ROWS = 70
EPOCHS = np.unique([1, *range(40, 4001, 40)])


def make_study(n_datasets: int, n_architectures: int, n_variants: int, n_seeds: int) -> Study:
    """A study whose variants are noise of different strengths on the input."""
    noisy = [
        {"name": f"noise {k}", "injections": [{"place": "input", "stddev": k / n_variants}]}
        for k in range(1, n_variants)
    ]
    content = {
        "name": "many-cells",
        "design": "replicate",
        "n_seeds": n_seeds,
        "datasets": [{"kind": "circles", "label": f"circles {k}", "data_seed": k + 1} for k in range(n_datasets)],
        "architectures": [{"kind": "mlp", "label": f"mlp {k}", "units": [k + 2]} for k in range(n_architectures)],
        "variants": [{"name": "baseline"}, *noisy],
    }
    return Study.model_validate(content)


def make_trials(study: Study) -> pd.DataFrame:
    """A row a trial: scores in rows of 70, gains between -4 and 4 points, and one trial of a thousand that diverged."""
    rng = np.random.default_rng(1)
    n, parts = study.n_seeds, study.parts()
    gains = np.repeat(np.where([v.name == "baseline" for *_, v, _ in parts], 0.0, rng.normal(0, 0.015, len(parts))), n)
    shared = np.tile(rng.normal(0.77, 0.02, n), len(parts))
    scores = np.rint(TEST_ROWS * (shared + gains + rng.normal(0, 0.012, n * len(parts)))) / TEST_ROWS
    names = {
        "dataset": [dataset.name for dataset, *_ in parts],
        "architecture": [architecture.name for _, architecture, *_ in parts],
        "variant": [member.name for *_, member in parts],
        "family": [variant.name for *_, variant, _ in parts],
        "strength": [member.strength for *_, member in parts],
        "data_seed": [dataset.data_seed for dataset, *_ in parts],
    }
    cells = pd.DataFrame(names).loc[np.repeat(np.arange(len(parts)), n)].reset_index(drop=True)
    return cells.assign(
        seed=np.tile(np.arange(n), len(parts)),
        trial_id=[f"{k:032x}" for k in range(len(scores))],
        campaign=None,
        status=np.where(rng.random(len(scores)) < 0.001, "diverged", "completed"),
        score_name="accuracy",
        train_loss=rng.random(len(scores)),
        train_mode_loss=rng.random(len(scores)),
        train_score=1.0,
        test_loss=rng.random(len(scores)),
        test_score=scores,
        eval_score=None,
        brier=rng.random(len(scores)),
        ece=rng.random(len(scores)),
        signal_to_noise=rng.random(len(scores)),
        train_seconds=0.4,
    )


def make_curves(trials: pd.DataFrame) -> pd.DataFrame:
    """A row a trial and recorded epoch."""
    rows = trials[["trial_id", *CELL, "seed"]].loc[np.repeat(trials.index, len(EPOCHS))].reset_index(drop=True)
    scores = np.repeat(trials["test_score"].to_numpy(), len(EPOCHS))
    risen = np.tile(1 - np.exp(-EPOCHS / 600), len(trials))
    learnt = {"train_score": 0.5 + 0.5 * risen, "test_score": 0.5 + (scores - 0.5) * risen}
    return rows.assign(epoch=np.tile(EPOCHS, len(trials)), train_loss=0.1, test_loss=0.5, **learnt)


def make_predictions(trials: pd.DataFrame) -> pd.DataFrame:
    """A row a trial and test row."""
    names = ["trial_id", *CELL, "family", "data_seed", "seed"]
    rows = trials[names].loc[np.repeat(trials.index, TEST_ROWS)].reset_index(drop=True)
    predicted = np.random.default_rng(2).random(len(rows))
    at = np.tile(np.arange(TEST_ROWS), len(trials))
    return compact_predictions(rows.assign(part="test", row=at, output=0, prediction=predicted))


def make_data(study: Study) -> pd.DataFrame:
    """A hundred rows of each dataset."""
    rng = np.random.default_rng(3)
    rows = [
        [
            dataset.name,
            dataset.data_seed,
            "train" if row < 100 - TEST_ROWS else "test",
            row % TEST_ROWS,
            x,
            float(row % 2),
        ]
        for dataset in study.datasets
        for row, x in enumerate(rng.normal(size=(100, 2)).tolist())
    ]
    return pd.DataFrame(rows, columns=["dataset", "data_seed", "split", "row", "X", "y"])


def measure(sizes: tuple[int, ...], folder: Path | None = None) -> None:
    """Aggregates and reports one study, in this process; writes the report to a folder where one is given."""
    study = make_study(*sizes)
    trials = make_trials(study)
    began, started = time.perf_counter(), time.process_time()
    findings = find(study, trials)
    aggregated = time.perf_counter()
    cells = pd.DataFrame(sorted(drawn_cells(findings)), columns=CELL)
    drawn = trials[trials["seed"] < 300].merge(cells, on=CELL)
    evidence = Evidence(
        study=study,
        findings=findings,
        trials=trials,
        curves=make_curves(drawn),
        data=make_data(study),
        ceilings={},
        cautions=[],
        manifest={},
        n_planned=len(trials),
        predictions=make_predictions(drawn),
    )
    made = time.perf_counter()
    report = render(evidence)
    artifact = report.artifact()
    seconds, processor = time.perf_counter() - made, time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    shown = artifact.count("](data:image/png")
    print(
        f"{len(study.parts()):>6,} cells x {study.n_seeds:>6,} seeds = {len(trials):>9,} trials: "
        f"aggregated in {aggregated - began:5.1f} s, reported in {seconds:5.1f} s ({processor:.0f} s of processor), "
        f"peak {peak:.2f} GB; artifact {len(artifact.encode()) / 1e6:.2f} MB with {shown} of {len(report.pictures)} pictures",
        flush=True,
    )
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        files = {"report.md": report.markdown.encode(), "index.html": report.html.encode()} | dict(report.pictures)
        for name, content in files.items():
            (folder / name).write_bytes(content)


def main() -> None:
    """Measures the size given, or each of SIZES in a process of its own."""
    if len(sys.argv) > 4:
        measure(tuple(map(int, sys.argv[1:5])), Path(sys.argv[5]) if len(sys.argv) > 5 else None)
        return
    for sizes in SIZES:
        subprocess.run([sys.executable, "-m", "benchmarks.reports", *map(str, sizes)], check=True)


if __name__ == "__main__":
    main()
