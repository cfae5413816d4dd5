"""The README's table is what the tutorial's study prints."""

import subprocess
import sys
from pathlib import Path

import pytest

import noiseflow.report.page
from noiseflow import run_study
from noiseflow.study.loading import load, validate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
README = Path(__file__).parents[2] / "README.md"
NAMES = ("baseline", "input", "before_activation", "after_activation", "input_and_hidden")


def table_of(text):
    """The words of each variant's row, by variant."""
    rows = [line.split() for line in text.splitlines() if line.split()[:1] and line.split()[0] in NAMES]
    return {words[0]: words[1:] for words in rows}


def assert_as_shown(before, now):
    """A cell of the README's table and of a run's."""
    try:
        expected = float(before)
    except ValueError:  # a verdict, or "< .001"
        assert now == before
    else:
        # differences are points, with a sign; other processors round otherwise, and networks amplify it
        assert float(now) == pytest.approx(expected, abs=0.3 if before[0] in "+-" else 0.02)


@pytest.mark.evidence
def test_table_of_the_readme_is_that_of_a_run(tmp_path):
    command = [sys.executable, "-m", "noiseflow", "run", "tutorial", "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shown, found = table_of(README.read_text()), table_of(done.stdout)
    assert set(shown) == set(found) == set(NAMES)
    for name in NAMES:
        for before, now in zip(shown[name], found[name], strict=True):
            assert_as_shown(before, now)


def test_two_rows_of_the_readme_are_those_of_a_run(tmp_path, monkeypatch):
    """Up to the difference: interval and p allow for all variants, which take three times as long."""
    monkeypatch.setattr(noiseflow.report.page, "draw_pictures", lambda *_: [])
    content = load("tutorial").model_dump(mode="json", exclude_defaults=True) | {"published": []}
    two = [variant for variant in content["variants"] if variant["name"] in ("baseline", "after_activation")]
    run = run_study(validate(content | {"variants": two}), tmp_path)
    shown = table_of(README.read_text())
    for row in run.table:
        words = [row["verdict"], row["seeds"], f"{row['score']:.3f}", f"{row['std']:.3f}"]
        if row["difference (points)"] is not None:
            words.append(f"{row['difference (points)']:+.2f}")
        for before, now in zip(shown[row["variant"]], [str(word) for word in words if word], strict=False):
            assert_as_shown(before, now)
    assert len(run.table) == len(two) == 2
