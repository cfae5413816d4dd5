"""What a run is called in Prefect, and the second try of the nightly."""

from datetime import UTC, datetime

import pytest

from flows.noise_study import named, nightly
from noiseflow.study.loading import load

AT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"study": "tutorial"}, "tutorial · 30 seeds"),
        ({"study": "tutorial", "n_seeds": 5, "epochs": 200}, "tutorial · 5 seeds · 200 epochs"),
        ({"study": "deep/mine.yaml"}, "mine"),
        ({"study": load("smoke")}, "smoke · 6 seeds"),
        ({"study": {"name": "inline"}}, "inline · 30 seeds"),
        ({"study": "circles", "campaign": "Europe/Berlin"}, "circles · 2026-11-25"),
        ({"study": "circles", "until": "decided", "epochs": 200}, "circles · until decided · 200 epochs"),
        ({"study": "circles", "campaign": "no zone"}, "circles · 30 seeds"),
    ],
)
def test_runs_are_called_by_study_and_seeds_or_night(parameters, name):
    assert named(parameters, AT) == name


def test_nightly_is_the_same_flow_with_a_second_try():
    assert (nightly.name, nightly.retries) == ("noise-study", 1)
