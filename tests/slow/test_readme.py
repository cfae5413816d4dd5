"""The README's table is what the tutorial's study prints."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
README = Path(__file__).parents[2] / "README.md"
NAMES = ("baseline", "input", "before_activation", "after_activation", "input_and_hidden")


def table_of(text):
    """The words of each variant's row, by variant."""
    rows = [line.split() for line in text.splitlines() if line.split()[:1] and line.split()[0] in NAMES]
    return {words[0]: words[1:] for words in rows}


def test_table_of_the_readme_is_that_of_a_run(tmp_path):
    command = [sys.executable, "-m", "noiseflow", "run", "tutorial", "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shown, found = table_of(README.read_text()), table_of(done.stdout)
    assert set(shown) == set(found) == set(NAMES)
    for name in NAMES:
        assert len(shown[name]) == len(found[name])
        for before, now in zip(shown[name], found[name], strict=True):
            try:
                expected = float(before)
            except ValueError:  # a verdict, or "< .001"
                assert now == before
            else:
                # differences are points, with a sign; other processors round otherwise, and networks amplify it
                assert float(now) == pytest.approx(expected, abs=0.3 if before[0] in "+-" else 0.02)
