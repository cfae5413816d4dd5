"""What a batch may use: limits of the settings, and that they are no part of a trial's identity."""

import pytest

from noiseflow.base.faults import InvalidInputError
from noiseflow.study import Resources
from noiseflow.study.loading import validate
from noiseflow.trials.plan import make_plan, study_hash
from tests.conftest import SMALL


def with_resources(**resources):
    return validate(SMALL.model_dump(mode="json") | {"resources": resources})


def test_resources_are_one_processor_and_four_hours_unless_given():
    assert SMALL.resources == Resources(num_cpus=1, num_gpus=0, timeout_seconds=14_400)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("num_cpus", 0, "resources.num_cpus must be greater than 0.0; received 0"),
        ("num_gpus", -0.5, "resources.num_gpus must be at least 0.0; received -0.5"),
        ("timeout_seconds", 0, "resources.timeout_seconds must be greater than 0.0; received 0"),
        ("timeout_seconds", float("inf"), "resources.timeout_seconds must be"),
        ("memory", 1, "resources.memory is not a key that is known here"),
    ],
)
def test_resources_out_of_range_are_refused(setting, value, says):
    with pytest.raises(InvalidInputError, match=says):
        with_resources(**{setting: value})


def test_resources_are_no_part_of_a_trials_identity():
    other = with_resources(num_cpus=2, num_gpus=0.25, timeout_seconds=60)
    assert make_plan(other, "vectorized").trial_ids == make_plan(SMALL, "vectorized").trial_ids
    assert study_hash(other) == study_hash(SMALL)


def test_resources_are_flat_numbers_with_descriptions_in_the_run_form():
    properties = Resources.model_json_schema()["properties"]
    assert {name: field["type"] for name, field in properties.items()} == dict.fromkeys(properties, "number")
    assert all(field["description"] for field in properties.values())
