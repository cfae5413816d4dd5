"""The summary in a terminal: as many digits as the numbers need, and names that stay."""

import io

import pytest
from rich.console import Console

from noiseflow.terminal import summary_table


def shown(*rows, unit="score"):
    plain = [
        {
            "variant": name,
            "verdict": "inconclusive",
            "strength": None,
            "seeds": 30,
            "diverged": 0,
            "score": score,
            "std": score / 50,
            f"difference ({unit})": difference,
            "low": difference - abs(difference) / 3,
            "high": difference + abs(difference) / 3,
            "p (adjusted)": 0.0421,
        }
        for name, score, difference in rows
    ]
    out = io.StringIO()
    Console(file=out, width=80).print(summary_table(plain))
    return out.getvalue()


def test_rmse_of_a_price_has_no_decimals_and_all_of_its_p():
    text = shown(("baseline", -105_382.0, 0.0), ("noise on the inputs", -100_148.0, 5_234.4))
    assert "+5,234" in text
    assert "-105,382" in text
    assert "0.042" in text
    assert "noise on the" in text


@pytest.mark.parametrize(("difference", "says"), [(-0.0021, "-0.0021"), (0.0, "+0."), (0.034, "+0.034")])
def test_small_differences_show_three_digits_and_no_minus_before_a_zero(difference, says):
    text = shown(("baseline", 0.8, 0.0), ("noise", 0.8, difference))
    assert says in text
    assert "-0.00 " not in text


def test_points_have_two_decimals():
    assert "+3.38" in shown(("noise", 0.8, 3.38), unit="points")


def test_difference_is_called_so_with_its_unit_below_and_fits_80_columns():
    lines = shown(("before_activation", 0.8, 3.38), unit="points").splitlines()
    assert lines[0].split() == ["difference", "p"]
    assert lines[1].split() == ["variant", "verdict", "seeds", "score", "std", "(points)", "low", "high", "(adj.)"]
    assert lines[2].startswith("before_activation")
    lines = shown(("noise", 0.8, 0.034)).splitlines()
    assert (lines[0].split(), lines[1].split()[5]) == (["difference", "p"], "(score)")


def test_an_end_of_an_interval_beside_zero_shows_its_sign():
    row = {"variant": "noise", "verdict": "better", "difference (points)": 1.5, "low": 0.004, "high": 2.996}
    out = io.StringIO()
    Console(file=out, width=80).print(summary_table([row]))
    assert out.getvalue().splitlines()[-1].split()[-3:] == ["+1.500", "+0.004", "+2.996"]
