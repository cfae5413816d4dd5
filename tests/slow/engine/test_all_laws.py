"""Every law on the reference engine, the wrong noise that each is there to find, and the command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from noiseflow.laws import LAWS, trainer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_law_holds_on_the_reference_engine(law):
    """The contract of a law: it says what it measures, and holds. The command below asks the other engine."""
    found = law.figures(trainer("reference", "cpu"))
    assert found
    assert all(figure.name and figure.statement and figure.reference for figure in found)
    assert not [figure for figure in found if not figure.holds]


@pytest.mark.parametrize("factor", [0.7, 1.3])
@pytest.mark.parametrize("law", [law for law in LAWS if law.finds_wrong_stddev], ids=lambda law: law.name)
def test_law_breaks_where_the_stddev_is_wrong(law, factor):
    """Noise that is too small or too large; none at all is further off."""
    right = trainer("vectorized", "cpu")

    def wrong(*arguments, noise, **options):
        scaled = [injection.of_strength(factor * injection.strength) for injection in noise]
        return right(*arguments, noise=scaled, **options)

    assert [figure for figure in law.figures(wrong) if not figure.holds]


def test_check_command_finds_that_every_law_holds(tmp_path):
    env = os.environ | {"COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "noiseflow", "check"], cwd=tmp_path, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert re.search(r"engine auto: (\d+) of \1 hold", done.stdout)
    assert not list(tmp_path.iterdir())
