"""A disk that is full or read-only while results are written, and runs that meet damage: real disks, real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.server_access import ROOT
from noiseflow.cli import app
from noiseflow.store import Store
from tests.store.test_store import batch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
WRITE_UNTIL_IT_FAILS = """
import itertools, resource, sys
from noiseflow.store import Store, StoreError
from tests.store.test_store import batch
results, limit = sys.argv[1], int(sys.argv[2])
store = Store(results, "study")
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    for k in itertools.count():
        store.publish(batch(f"{k}-{trial}" for trial in range(1 if k < 3 else 3000)), {})
except StoreError as error:
    sys.exit(f"told: {error}")
"""


def write_until_it_fails(results, limit=0):
    command = [sys.executable, "-c", WRITE_UNTIL_IT_FAILS, str(results), str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def assert_whole(results, least=3):
    """Nothing half is where readers look: all of trials, curves and predictions, of every batch that is there."""
    trials = pd.read_parquet(results / "study" / "trials")
    pd.read_parquet(results / "study" / "curves")
    assert len(trials) >= least
    assert trials["trial_id"].is_unique
    return trials


def assert_goes_on(results):
    """With room again, the next run completes what was begun, and everything is there once."""
    store = Store(results, "study")
    store.recover()
    there = store.trial_ids()
    missing = batch([f"new-{k}" for k in range(5)])
    assert store.publish(missing, {}) == 5
    assert not (results / "study" / "quarantine").exists()
    for table in ("curves", "predictions"):
        rows = pd.read_parquet(results / "study" / table)["trial_id"].value_counts()
        assert rows.to_dict() == dict.fromkeys([*there, *missing["trials"]["trial_id"]], 2)


def test_file_that_may_not_grow_fails_in_a_sentence_and_leaves_nothing_half(tmp_path):
    told = write_until_it_fails(tmp_path, 20_000)
    assert "study cannot be written" in told
    assert "File too large" in told
    assert "Make room" in told
    assert_whole(tmp_path)
    assert_goes_on(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system takes the rights to mount one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk_fails_in_a_sentence_and_leaves_nothing_half(small_disk):
    told = write_until_it_fails(small_disk)
    assert "No space left on device" in told
    assert "Make room and run again: what was published is kept." in told
    assert_whole(small_disk)
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert_goes_on(small_disk)


def test_disk_that_turns_read_only_fails_in_a_sentence(small_disk):
    store = Store(small_disk, "study")
    store.publish(batch("abc"), {})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    told = write_until_it_fails(small_disk)
    assert "study cannot be written" in told
    assert "Read-only file system" in told
    assert_whole(small_disk)
    assert Store(small_disk, "study").trial_ids() == set("abc")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert_goes_on(small_disk)


def test_disk_that_is_full_for_a_while_takes_the_same_batch_later(small_disk):
    """What a task's retry does: the same batch again, when there is room."""
    store = Store(small_disk, "study")
    filler = small_disk / "filler"
    fill = ["dd", "if=/dev/zero", f"of={filler}", "bs=4096"]  # to the last page
    assert b"No space left" in subprocess.run(fill, capture_output=True, check=False).stderr
    with pytest.raises(OSError, match="study cannot be written"):
        store.publish(batch("abc"), {})
    filler.unlink()
    assert store.publish(batch("abc"), {}) == 3
    assert_whole(small_disk)


def test_run_on_results_of_a_newer_version_is_refused_with_status_2(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("noiseflow.store.files.FORMAT", 6)
        Store(tmp_path / "results", "smoke").publish(batch("a"), {})
    monkeypatch.chdir(tmp_path)
    for command in ("run", "plan", "report"):
        done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, "smoke"])
        assert isinstance(done.exception, SystemExit)
        assert done.exit_code == 2, done.stderr
        assert "00000001.parquet must be of format 5 or older; received format 6" in done.stderr


def test_two_runs_that_meet_the_same_damage_at_once(tmp_path):
    """On a disk; each by a thread of its own, over and over."""
    for again in range(20):
        results = tmp_path / str(again)
        Store(results, "study").publish(batch("abcd"), {})
        place = results / "study" / ("trials", "curves", "predictions")[again % 3] / "00000001.parquet"
        place.write_bytes(place.read_bytes()[:-1])

        def run(results=results):
            store = Store(results, "study")
            store.recover()
            store.publish(batch("abcd"), {})

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "".join(sorted(pd.read_parquet(place.parent.parent / "trials")["trial_id"])) == "abcd"
        assert "".join(sorted(pd.read_parquet(place.parent.parent / "curves")["trial_id"])) == "aabbccdd"
