"""A run that is killed loses the batches in flight and nothing else; `python -m tests.faults.kills` does it for an hour."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
import yaml

from noiseflow.studies import FOLDER
from tests.faults.kills import assert_no_orphans, by_command, trajectory, undisturbed_run
from tests.faults.phases import PHASES
from tests.faults.publishing import kill_publishers
from tests.faults.runs import CommandRun

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


class WholeRun(CommandRun):
    """A run of the command that is killed with all its processes."""

    targets = ("run",)


def test_kill_in_each_phase_leaves_what_an_undisturbed_run_leaves(tmp_path, capsys):
    """Six runs on one folder: five are killed, one a phase, and the sixth completes."""
    with capsys.disabled():
        undisturbed = undisturbed_run(tmp_path)
        mark, results = uuid4().hex, tmp_path / "killed"
        start = by_command(tmp_path, mark, WholeRun)
        kills = trajectory(start, results, undisturbed, list(PHASES), random.Random(0))
    assert_no_orphans(mark)
    assert len(kills) >= 4  # a phase of milliseconds may be over before the signal comes
    assert all(kill.lost == 0 for kill in kills)


def test_kills_while_publishing_lose_and_double_nothing(tmp_path):
    """Forty processes that only publish, each killed within its first batches; what is there is checked after each."""
    stood, n_trials = kill_publishers(40, 0, tmp_path)
    assert stood.total() == 40
    assert stood["between two batches"] < 40  # most were hit in the middle of one
    assert n_trials > 0
