"""Every law on both engines, the wrong noise that each is there to find, and the command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from noiseflow.laws import LAWS, trainer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("engine", ["vectorized", "reference"])
@pytest.mark.parametrize("name", list(LAWS))
def test_law_holds_on_every_engine(name, engine):
    assert not [record for record in LAWS[name](trainer(engine, "cpu")) if not record.holds]


@pytest.mark.parametrize("factor", [0.0, 0.7, 1.3])
@pytest.mark.parametrize(
    "name",
    ["input loss", "after-activation loss", "before-relu moments", "ridge", "distribution", "independent places"],
)
def test_law_breaks_where_the_stddev_is_wrong(name, factor):
    """Noise that is dropped, too small or too large."""
    right = trainer("vectorized", "cpu")

    def wrong(*arguments, noise, **options):
        scaled = [injection.model_copy(update={"stddev": factor * injection.stddev}) for injection in noise]
        return right(*arguments, noise=scaled, **options)

    assert [record for record in LAWS[name](wrong) if not record.holds]


def test_check_command_finds_that_every_law_holds(tmp_path):
    env = os.environ | {"COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "noiseflow", "check"], cwd=tmp_path, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert re.search(r"engine auto: (\d+) of \1 hold", done.stdout)
    assert not list(tmp_path.iterdir())
