"""The server is away for a while in the middle of a run: the run goes on, and nothing that was trained is lost."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.slow.operations import answers, ended_run, start_run, trials, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(900)]
SECONDS_AWAY = float(os.environ.get("NOISEFLOW_SECONDS_AWAY", "20"))
N_SEEDS = 10
CELLS = 5


def test_run_outlives_the_absence_of_the_server(up, capsys):
    there = up.results / "tutorial" / "trials"
    run = start_run(up, "tutorial", n_seeds=N_SEEDS, epochs=8000)
    wait_for(lambda: len(trials(there)) >= N_SEEDS, 300)
    for pid in up.pids("server"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not up.pids("server"), 10)
    kept = trials(there)
    assert not answers(up)
    time.sleep(SECONDS_AWAY)
    while_away = trials(there)
    again = up.run("flows.services", "up", "--port", str(up.port), "--state", str(up.state))
    assert again.returncode == 0, again.stdout + again.stderr
    ended = ended_run(up, run, 400)
    after = trials(there)
    with capsys.disabled():
        told = f"{len(kept)} trials when the server went, {len(while_away)} when it came back, {len(after)} in the end"
        print(
            f"\naway for {SECONDS_AWAY:.0f} s and its start: {told}; {ended['state_type']}: {ended['state']['message']}"
        )
    assert ended["state_type"] == "COMPLETED"
    assert len(after) == after["trial_id"].nunique() == N_SEEDS * CELLS
    same = after.merge(kept[["trial_id", "finished_at"]], on=["trial_id", "finished_at"])
    assert len(same) == len(kept)  # the very rows: they were not trained again
    assert (up.results / "tutorial" / "runs" / "epochs-8000" / "report" / "index.html").exists()
