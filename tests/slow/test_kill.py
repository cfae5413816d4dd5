"""A run that is killed loses the batches in flight and nothing else; `python -m tests.faults.kills` does it for an hour."""

import random
from uuid import uuid4

import pytest

from tests.faults.kills import assert_no_orphans, by_command, trajectory, undisturbed_run
from tests.faults.phases import PHASES
from tests.faults.publishing import kill_publishers
from tests.faults.runs import CommandRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KILLED = [phase for phase in PHASES if phase in ("writing", "rendering")]


def test_kills_leave_what_an_undisturbed_run_leaves(tmp_path, capsys):
    """Three runs on one folder: two are killed, and the third completes; all phases: `make test-faults`."""
    with capsys.disabled():
        undisturbed = undisturbed_run(tmp_path)
        mark, results = uuid4().hex, tmp_path / "killed"
        start = by_command(tmp_path, mark, CommandRun)
        kills = trajectory(start, results, undisturbed, KILLED, random.Random(0))
    assert_no_orphans(mark)
    assert kills  # a phase of milliseconds may be over before the signal comes
    assert all(kill.lost == kill.orphans == 0 for kill in kills)


def test_kills_while_publishing_lose_and_double_nothing(tmp_path):
    """Forty processes that only publish, each killed within its first batches; what is there is checked after each."""
    stood, n_trials = kill_publishers(40, 0, tmp_path)
    assert stood.total() == 40
    assert stood["between two batches"] < 40  # most were hit in the middle of one
    assert n_trials > 0
