"""What Prefect's server says of a wrong parameter; tests/slow/test_operations.py asks a real one."""

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate as server_validates
from prefect.utilities.schema_tools.validation import ValidationError

from flows.noise_study import noise_study
from noiseflow.study.until import TIME_IN_WORDS

FORM = parameter_schema(noise_study).model_dump_for_openapi()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("n_seeds", "many", "'many' is not of type 'integer'"),
        ("max_seeds", 3, "3 is less than the minimum of 10"),
        ("budget", "20m5", r"'20m5' does not match '\^\[1-9\]\\\\d\{0,6\}\[smh\]\$'"),
        ("until", "tired", "'decided' was expected"),
        ("study", "circle", r"'circle' does not match '\^\(circles\|"),
        ("study", 3, "3 is not of type 'object'"),
    ],
)
def test_server_says_what_a_parameter_must_be(name, value, says):
    with pytest.raises(ValidationError, match=f"field '{name}'. Failure reason: {says}"):
        server_validates({name: value}, FORM, raise_on_error=True)


def test_form_says_in_words_how_a_budget_is_written():
    """As the command's message does."""
    assert TIME_IN_WORDS in " ".join(FORM["properties"]["budget"]["description"].split())


WHOLE = {
    "name": "mine",
    "datasets": [{"kind": "circles"}],
    "architectures": [{"kind": "mlp"}],
    "variants": [{"name": "baseline"}],
}


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        ({"design": "wrong"}, "study.design", "'wrong' is not one of"),
        ({"n_seed": 3}, "study", r"Additional properties are not allowed \('n_seed' was unexpected\)"),
        ({"n_seeds": 0}, "study.n_seeds", "0 is less than the minimum of 1"),
        ({"training": {"epochs": "many"}}, "study.training.epochs", "'many' is not of type 'integer'"),
        (
            {"datasets": [{"kind": "circles", "noise": -3}]},
            r"study.datasets\[0\].noise",
            "-3 is less than the minimum of 0",
        ),
    ],
)
def test_server_says_what_is_wrong_within_a_study(changes, where, says):
    with pytest.raises(ValidationError, match=f"field '{where}'. Failure reason: {says}"):
        server_validates({"study": WHOLE | changes}, FORM, raise_on_error=True)


@pytest.mark.parametrize(
    "given",
    [
        {},
        dict.fromkeys(("n_seeds", "epochs", "campaign", "until", "budget", "max_seeds")),  # stored by older deployments
        {"study": "smoke", "n_seeds": 5, "epochs": 200, "until": "decided", "budget": "20m", "max_seeds": 10},
        {"study": "wide.yaml", "campaign": "2026-11-23"},
        {"study": WHOLE},
    ],
)
def test_server_takes_what_is_right(given):
    assert server_validates(given, FORM, raise_on_error=True) == []
