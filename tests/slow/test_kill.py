"""A run that is killed loses the batches in flight and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from noiseflow.studies import FOLDER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COMMAND = Path(sys.executable).with_name("noiseflow")


@pytest.fixture
def study(tmp_path):
    """The tutorial with 8 variants, so that some are done while others train."""
    content = yaml.safe_load((FOLDER / "tutorial.yaml").read_text())
    more = [{"name": f"more_{i}", "injections": [{"place": "input", "stddev": 0.1 * i}]} for i in (1, 2, 3)]
    content |= {"n_seeds": 8, "variants": content["variants"] + more}
    content["training"]["epochs"] = 2000
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def start(study):
    environment = os.environ | {"PREFECT_HOME": str(study.parent / "prefect")}
    return subprocess.Popen(
        [COMMAND, "run", study, "--results", study.parent / "results"],
        env=environment,
        cwd=study.parent,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trials(study):
    folder = study.parent / "results" / "tutorial" / "trials"
    return pd.read_parquet(folder) if folder.is_dir() and any(folder.iterdir()) else pd.DataFrame({"trial_id": []})


def test_kill_in_training_keeps_what_was_published_and_the_next_run_goes_on(study, capsys):
    first = start(study)
    deadline = time.monotonic() + 300
    while len(trials(study)) < 16 and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    kept = trials(study)
    assert 16 <= len(kept) < 64
    assert kept["trial_id"].is_unique

    second = start(study)
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    assert f"trained {64 - len(kept)} trials, {len(kept)} reused" in output
    after = trials(study)
    with capsys.disabled():
        print(f"\nkilled with {len(kept)} of 64 trials published; {len(after)} after the next run")
    assert len(after) == 64
    assert after["trial_id"].is_unique
    same = after[after["trial_id"].isin(kept["trial_id"])]
    pd.testing.assert_frame_equal(
        kept.sort_values("trial_id", ignore_index=True), same.sort_values("trial_id", ignore_index=True)
    )  # the very rows, finished_at and all: they were kept and not trained again
    for table, of_each in (("curves", 201), ("predictions", 2570)):
        rows = pd.read_parquet(study.parent / "results" / "tutorial" / table)
        assert (rows.groupby("trial_id").size() == of_each).all()
        assert set(rows["trial_id"]) == set(after["trial_id"])
