"""Every law on both engines, the wrong noise that each is there to find, and the command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from noiseflow.laws import LAWS, trainer
from tests.series import series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[3]


COMMAND = """
from noiseflow.cli import app
from noiseflow.trials.silence import silenced

with silenced():
    from noiseflow.laws import printing
printing.LAWS = printing.LAWS[:1]
app(["check"])
"""
WRONG = 0.7
"""Times the stddev that was asked for. None at all is further off, and 1.3 times moves each mean by more: tests/laws."""


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_law_holds_and_breaks_where_the_stddev_is_wrong(law):
    """The contract of a law: it says what it measures, holds, and sees wrong noise if it says so; with one compilation."""
    right = trainer("vectorized", "cpu")
    found = law.figures(right)
    assert found
    assert all(figure.name and figure.statement and figure.reference for figure in found)
    assert not [figure for figure in found if not figure.holds]

    def wrong(*arguments, noise, **options):
        scaled = [injection.of_strength(WRONG * injection.strength) for injection in noise]
        return right(*arguments, noise=scaled, **options)

    if law.finds_wrong_stddev:
        assert [figure for figure in law.figures(wrong) if not figure.holds]


@pytest.mark.parametrize("name", series([law.name for law in LAWS], ["input loss"]))
def test_law_holds_on_the_reference_engine(name):
    law = next(law for law in LAWS if law.name == name)
    train = trainer("reference", "cpu")
    found = law.figures(lambda *arguments, **options: train(*arguments, **({"seeds": range(4)} | options)))
    assert not [figure for figure in found if not figure.holds]


def test_check_command_finds_that_laws_hold(tmp_path):
    """One of them; all are asked above."""
    env = os.environ | {"COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=tmp_path, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert re.search(r"engine auto: (\d+) of \1 hold", done.stdout)
    assert not list(tmp_path.iterdir())
