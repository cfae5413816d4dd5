"""The study that is killed, and what must hold of its results afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from noiseflow.store import Store
from noiseflow.store.waiting import own_clock, retention
from noiseflow.study.loading import validate
from noiseflow.trials.plan import make_plan

MAY_DIFFER = ["train_seconds", "finished_at", "campaign", "device"]
"""All that two equal rows may differ in."""
TABLES = {"trials": ["trial_id"], "curves": ["trial_id", "epoch"], "predictions": ["trial_id", "part", "row", "output"]}
CELLS = ["dataset", "architecture", "variant"]
NAME = "killed"
CONTENT: dict[str, Any] = {
    "name": NAME,
    "design": "resample",
    "n_seeds": 5,
    "datasets": [{"kind": "circles", "n_samples": 2030, "n_train": 30}],
    "architectures": [{"kind": "mlp", "units": [16]}],
    "training": {"epochs": 300, "record_every": 5},
    "variants": [
        {"name": "baseline"},
        {"name": "input", "injections": [{"place": "input", "stddev": 0.1}]},
        {"name": "before", "injections": [{"place": "before_activation", "stddev": 0.3}]},
        {"name": "dropout", "injections": [{"place": "after_activation", "kind": "dropout", "rate": 0.2}]},
    ],
}
"""Four batches of five trials; each trial tests on 2,000 rows, so that writing takes long enough to be hit."""
N_DATASETS = len(CONTENT["datasets"])
N_TRIALS = len(make_plan(validate(CONTENT), "vectorized").trials)
N_CURVES = N_TRIALS * 61  # epoch 1 and each fifth


def write_study(folder: Path) -> Path:
    """The study as a file."""
    path = folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    return path


def read(results: Path, table: str) -> pd.DataFrame:
    """A table's rows without what equal rows may differ in, sorted by what identifies them."""
    frame = pd.read_parquet(results / NAME / table)
    frame = frame.drop(columns=[name for name in MAY_DIFFER if name in frame])
    return frame.sort_values(TABLES.get(table, CELLS), ignore_index=True)


def published(results: Path) -> set[str]:
    """Identities of the trials that any reader sees now."""
    folder = results / NAME / "trials"
    return set(pd.read_parquet(folder, columns=["trial_id"])["trial_id"]) if any(folder.glob("*.parquet")) else set()


def check_results(results: Path, undisturbed: Path) -> None:
    """Compares the results of a run that was killed again and again with those of one that was not.

    Raises:
        AssertionError: a trial is there twice, is missing or differs, or something stands beside the results.
    """
    for table, key in TABLES.items():
        rows = read(results, table)
        assert not rows.duplicated(key).any(), f"{table}: rows stand there twice"
        pd.testing.assert_frame_equal(rows, read(undisturbed, table), check_exact=True, obj=table)
    assert len(read(results, "trials")) == N_TRIALS
    assert len(read(results, "curves")) == N_CURVES
    pd.testing.assert_frame_equal(
        read(results, "summary.parquet"), read(undisturbed, "summary.parquet"), check_exact=True
    )
    for name in ("report.md", "index.html"):
        assert f"{N_TRIALS}: " in (results / NAME / "report" / name).read_text(encoding="utf-8"), (
            f"{name} is of no whole run"
        )
    _check_leftovers(results)


def leftovers(results: Path) -> list[Path]:
    """Files that killed processes left behind."""
    return [path for path in (results / NAME / "_pending").rglob("*") if path.is_file()]


def _check_leftovers(results: Path) -> None:
    """They go a week later, with the next run of a host that saw them; and nothing that counts goes with them."""
    before = {table: len(read(results, table)) for table in TABLES}
    host, now = own_clock()
    for seconds in (now, now + retention()):
        Store(results, NAME, clock=lambda seconds=seconds: (host, seconds)).recover()  # type: ignore[misc]
    assert leftovers(results) == []
    assert {table: len(read(results, table)) for table in TABLES} == before
