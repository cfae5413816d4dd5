"""Rows that must stay as they are: whoever changes them raises NUMERICS_VERSION, so that no store mixes old with new."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from noiseflow.study.loading import validate
from noiseflow.trials.plan import NUMERICS_VERSION, make_plan
from noiseflow.trials.training import train_trials

GOLDEN = Path(__file__).parent / "golden.json"
SEEDS = (0, 1, 2, 3, 17, 300)
"""Two of each parity, one of each of two batches, and one above 255."""
STUDY = validate(
    {
        "name": "golden",
        "n_seeds": max(SEEDS) + 1,
        "datasets": [{"kind": "circles", "n_samples": 60, "n_train": 20}],
        "architectures": [{"kind": "mlp", "units": [16]}],
        "training": {"epochs": 5, "batch_size": 8, "record_every": 5},
        "variants": [
            {"name": "baseline"},
            {"name": "before_activation", "injections": [{"place": "before_activation", "stddev": 0.3}]},
        ],
    }
)
"""With a last batch that is smaller."""
COLUMNS = ["trial_id", "initial_loss", "train_loss", "train_mode_loss", "test_loss", "test_score", "signal_to_noise"]


def measured():
    plan = make_plan(STUDY, "vectorized")
    noisy = plan.trials[max(SEEDS) + 1 :]  # one compilation
    plan = replace(plan, trials=tuple(trial for trial in noisy if trial.seed in SEEDS))
    frames = [train_trials(batch, study=STUDY.name, progress=lambda _: None).trials for batch in plan.batches([], 10)]
    return [
        row for frame in frames for row in json.loads(frame[COLUMNS].to_json(orient="records", double_precision=10))
    ]


def test_rows_are_golden():
    golden = json.loads(GOLDEN.read_text())
    assert golden["numerics_version"] == NUMERICS_VERSION, "make golden.json anew: python tests/test_golden.py"
    for row, expected in zip(measured(), golden["rows"], strict=True):
        assert row["trial_id"] == expected["trial_id"]
        for column in COLUMNS[1:]:
            wanted = pytest.approx(expected[column], rel=1e-4) if expected[column] is not None else None
            assert row[column] == wanted, f"{column} changed: raise NUMERICS_VERSION"


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({"numerics_version": NUMERICS_VERSION, "rows": measured()}, indent=1) + "\n")
