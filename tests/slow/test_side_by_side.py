"""Images and sequences, many batches at once: no process of theirs dies."""

import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import yaml

from noiseflow.trials.batches import train_in_worker
from noiseflow.trials.plan import make_plan
from noiseflow.trials.workers import BATCHES_AT_ONCE, worker_processes
from tests.image_study import images_28, ten_studies, write_images
from tests.series import series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parent.parent.parent
COMMAND = "import sys; from noiseflow.cli import app; sys.argv[0] = 'noiseflow'; app()"
ROUNDS, SECONDS = 20, 700
NOT_COMPARED = ["train_seconds", "finished_at"]


@pytest.fixture
def arrays(tmp_path):
    return write_images(tmp_path / "images.npz")


@pytest.mark.parametrize(
    ("engine", "n_seeds"), series([("vectorized", 2), ("vectorized", 6), ("reference", 2)], [("vectorized", 2)])
)
def test_study_of_images_completes(tmp_path, arrays, engine, n_seeds):
    content = images_28(arrays, n_seeds=n_seeds)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "run", "study.yaml", "--results", "results", "--engine", engine],
        env=os.environ | {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "died of" not in done.stderr
    trials = pd.read_parquet(tmp_path / "results" / "images-28" / "trials")
    assert trials["variant"].value_counts().to_dict() == {"baseline": n_seeds, "after pool": n_seeds}


@pytest.mark.evidence
def test_ten_studies_at_once_train_again_and_again_without_a_death(arrays, caplog, capsys):
    """Their batches, two at a time; ends sooner on a slow machine. Each round gives the rows of the first."""
    small = write_images(arrays.with_name("small.npz"), n=100, side=12)
    plans = [make_plan(study, "vectorized") for study in ten_studies(small)]
    batches = [(plan.study.name, batch) for plan in plans for batch in plan.batches(set(), 100)]

    def trained(work):
        study, batch = work
        how = {"study": study, "device": "cpu", "timeout_seconds": 300, "progress": lambda _: None}
        return train_in_worker(batch, **how)["trials"].drop(columns=NOT_COMPARED)

    began, rounds, first = time.monotonic(), 0, None
    with caplog.at_level(logging.WARNING), worker_processes(BATCHES_AT_ONCE), ThreadPoolExecutor(len(batches)) as pool:
        while rounds < ROUNDS and (rounds < 2 or time.monotonic() - began < SECONDS):
            rows = pd.concat(pool.map(trained, batches), ignore_index=True)
            first = rows if first is None else first
            pd.testing.assert_frame_equal(rows, first)
            rounds += 1
    with capsys.disabled():
        print(f"\n{len(batches)} batches, {rounds} rounds, {time.monotonic() - began:.0f} s")
    assert "died of" not in caplog.text
