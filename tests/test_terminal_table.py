"""The summary in a terminal: as many digits as the numbers need, and names that stay."""

import io

import pytest
from rich.console import Console

from noiseflow.terminal import summary_table


def shown(*rows, unit="score", width=80, **named):
    plain = [
        {
            **named,
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
    Console(file=out, width=width).print(summary_table(plain, width), soft_wrap=True)
    return out.getvalue()


def test_rmse_of_a_price_has_no_decimals_and_all_of_its_p():
    text = shown(("baseline", -105_382.0, 0.0), ("noise on the inputs", -100_148.0, 5_234.4))
    assert "+5,234" in text
    assert "-105,382" in text
    assert "0.042" in text
    assert "noise on the inputs inconclusive" in text


@pytest.mark.parametrize(("difference", "says"), [(-0.0021, "-0.0021"), (0.0, "+0."), (0.034, "+0.034")])
def test_small_differences_show_three_digits_and_no_minus_before_a_zero(difference, says):
    text = shown(("baseline", 0.8, 0.0), ("noise", 0.8, difference))
    assert says in text
    assert "-0.00 " not in text


LONG = [f"before_activation_gaussian_multiplicative_{end}" for end in ("0.25", "0.30")]


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (80, ["before_a…ive_0.25", "before_a…ive_0.30"]),
        (120, LONG),
    ],
)
def test_long_names_keep_both_ends_and_every_row_is_one_line_with_whole_numbers(width, names):
    text = shown(*((name, 0.8, 31.4) for name in LONG), unit="points", width=width)
    _, _, *rows = text.splitlines()
    assert [row.split()[0] for row in rows] == names
    assert all(row.endswith("inconclusive    30 0.800 0.016     +31.40 +20.93 +41.87  0.042") for row in rows)
    assert max(map(len, rows)) <= width


def test_datasets_that_do_not_fit_are_lines_above_their_rows():
    text = shown(*((name, 0.8, 31.4) for name in LONG), unit="points", dataset="forty rows", architecture="mlp-64")
    _, _, blank, group, *rows = text.splitlines()
    assert (blank, group) == ("", "forty rows/mlp-64")
    assert all(row.endswith("+31.40 +20.93 +41.87  0.042") for row in rows)
    assert "forty rows mlp-64" in shown(("a", 0.8, 31.4), width=120, dataset="forty rows", architecture="mlp-64")


def test_less_needed_columns_go_before_a_number_is_cut():
    text = shown(("baseline", -11_105_382.0, 0.0), (LONG[0], -11_100_148.0, 1_005_234.4))
    _, head, _, row = text.splitlines()
    assert head.split()[:4] == ["variant", "verdict", "score", "(score)"]
    assert row.split()[1:3] == ["inconclusive", "-11,100,148"]
    assert row.split()[-4:] == ["+1,005,234", "+670,156", "+1,340,313", "0.042"]


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
    Console(file=out, width=80).print(summary_table([row], 80), soft_wrap=True)
    assert out.getvalue().splitlines()[-1].split()[-3:] == ["+1.500", "+0.004", "+2.996"]
