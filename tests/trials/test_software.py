"""The command on a report repeats its study."""

import pytest

from noiseflow.store import Store
from noiseflow.study.loading import load, validate
from noiseflow.trials.manifest import describe
from noiseflow.trials.plan import make_plan


@pytest.mark.parametrize(
    ("study", "command"),
    [
        (load("smoke"), "noiseflow run smoke --seeds 6"),
        (load("smoke", n_seeds=3, epochs=7), "noiseflow run smoke --seeds 3 --epochs 7"),
        (load("controls", n_seeds=2), "noiseflow run controls --seeds 2"),
        (validate(load("smoke").model_dump() | {"margin": 0.5}), "noiseflow run smoke.yaml"),
        (validate(load("smoke").model_dump() | {"name": "mine"}), "noiseflow run mine.yaml"),
    ],
)
def test_command_repeats_the_study(study, command, tmp_path):
    store = Store(tmp_path, study.name)
    command += f" --results {tmp_path}"
    assert describe(make_plan(study, "vectorized"), store, trained=0, reused=0)["command"] == command
    by_reference = describe(make_plan(study, "reference"), store, trained=0, reused=0)["command"]
    assert by_reference == f"{command} --engine reference"
