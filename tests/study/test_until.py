"""What a run until its variants are decided may be asked for."""

from math import inf

import pytest

from noiseflow.study.until import Until
from tests.conftest import SMALL


@pytest.mark.parametrize(("budget", "seconds"), [(None, inf), ("90s", 90), ("20m", 1200), ("2h", 7200)])
def test_budget_is_a_time(budget, seconds):
    assert Until("decided", budget).seconds == seconds
    assert Until("decided", budget).faults(SMALL) == []


@pytest.mark.parametrize(
    ("asked", "beside", "says"),
    [
        ((None, "20m"), {}, "Add --until decided"),
        (("never",), {}, "until must be 'decided'; received 'never'"),
        (("decided", "20"), {}, "or h, such as 90s, 20m or 2h (1h30m is 90m); received '20'"),
        (("decided", "1h30m"), {}, "budget must be a whole number and one unit, s, m or h"),
        (("decided", None, 9), {}, "max_seeds must lie in [10, 10,000]; received 9"),
        (("decided",), {"n_seeds": 30}, "Use --max-seeds instead"),
        (("decided",), {"campaign": "2026-01-01"}, "campaigns have a fixed number"),
    ],
)
def test_faults_say_what_to_change(asked, beside, says):
    (fault,) = Until(*asked).faults(SMALL, **beside)
    assert says in fault


def test_design_and_variants_must_leave_something_to_decide():
    crossed = SMALL.model_copy(update={"design": "crossed"})
    (fault,) = Until("decided").faults(crossed)
    assert "received the design crossed" in fault
    (fault,) = Until("decided").faults(SMALL.model_copy(update={"variants": SMALL.variants[:1]}))
    assert "a baseline only" in fault
    assert Until().faults(crossed) == []
