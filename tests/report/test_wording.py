"""Numbers and names read as the house writes them."""

from math import nan

import pytest

from noiseflow import wording


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.769, ".769"), (-0.034, "−.034"), (1.0, "1.000"), (0.9996, "1.000"), (10.05, "10.050"), (nan, "–")],
)
def test_fraction_has_no_zero_before_its_point(value, words):
    assert wording.fraction(value) == words


@pytest.mark.parametrize(
    ("p", "words"), [(0.0004, "p < .001"), (0.012, "p = .012"), (0.0499, "p = .0499"), (1.0, "p = 1.000")]
)
def test_p_value_never_rounds_to_the_threshold(p, words):
    assert wording.p_value(p) == words


@pytest.mark.parametrize(("score", "value", "words"), [("accuracy", 0.01, "± 1 point"), ("r2", 0.02, "± .02 of R²")])
def test_margin_has_the_unit_of_the_score(score, value, words):
    assert wording.margin({"score_name": score}, value) == words


def test_difference_interval_of_a_loss_gives_sizes_in_order():
    row = {"score_name": "accuracy", "difference_ci_low": -0.04, "difference_ci_high": -0.028}
    assert wording.difference_interval(row, as_size=True) == "2.8 to 4.0"
    assert wording.difference_interval(row) == "−4.0 to −2.8"


def test_narrow_differences_have_a_decimal_more():
    row = {"score_name": "accuracy", "difference_mean": 0.0003}
    assert (
        wording.difference_interval(row | {"difference_ci_low": -0.0001, "difference_ci_high": 0.0007})
        == "−0.01 to 0.07"
    )
    assert wording.difference(row | {"difference_ci_low": -0.0001, "difference_ci_high": 0.0007}) == "+0.03"
    assert wording.difference(row | {"difference_ci_low": -0.001, "difference_ci_high": 0.0017}) == "0.0"
    loss = {"score_name": "r2", "difference_mean": 0.0003, "difference_ci_low": -0.0001, "difference_ci_high": 0.0007}
    assert wording.difference_interval(loss) == "−.0001 to .0007"


def test_what_rounds_to_zero_has_no_minus():
    row = {"score_name": "accuracy", "difference_ci_low": -0.0004, "difference_ci_high": 0.003}
    assert wording.difference_interval(row | {"difference_ci_low": -0.00004}) == "0.0 to 0.3"
    assert wording.signed(-0.04, 1) == "0.0"
    assert wording.fraction(-0.0004) == ".000"


def test_listed_counts_what_does_not_fit():
    assert wording.listed("ab", last="or") == "a or b"
    assert wording.listed("abcdefgh") == "a, b, c, d, e and 3 more"
    assert not wording.listed([])


@pytest.mark.parametrize(
    ("value", "words"), [(5234.123, "5,234"), (105382.4, "105,382"), (-152.34, "−152"), (9.87654, "9.877")]
)
def test_fraction_of_a_large_number_has_the_digits_that_tell(value, words):
    assert wording.fraction(value) == words


def test_difference_of_an_rmse_has_the_digits_of_its_size():
    row = {"score_name": "-rmse", "difference_mean": 5234.4, "difference_ci_low": 4100.2, "difference_ci_high": 6300.9}
    assert (wording.difference(row), wording.difference_interval(row)) == ("+5,234", "4,100 to 6,301")
    small = {name: value if isinstance(value, str) else value / 1e6 for name, value in row.items()}
    assert wording.difference(small) == "+.0052"


def test_an_interval_of_points_ends_where_differences_do():
    """Two seeds have a t interval of any width."""
    row = {"score_name": "accuracy", "difference_mean": -0.01, "difference_ci_low": -7.44, "difference_ci_high": 7.42}
    assert wording.difference_interval(row) == "−100.0 to 100.0"
    assert wording.difference_interval(row | {"score_name": "r2"}) == "−7.440 to 7.420"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (-0.0104, 0.0015, "−1.04 to 0.15"),  # beyond the margin of a point, and no reader may take it for within
        (-0.0097, 0.0015, "−0.97 to 0.15"),
        (-0.0111, 0.0015, "−1.1 to 0.1"),
        (0.0102, 0.0302, "1.02 to 3.02"),
    ],
)
def test_interval_shows_on_which_side_of_the_margin_it_ends(low, high, text):
    row = {"score_name": "accuracy", "difference_mean": 0, "difference_ci_low": low, "difference_ci_high": high}
    assert wording.difference_interval(row | {"margin": 0.01}) == text
    assert wording.difference_interval(row) == wording.difference_interval(row | {"margin": 0.02})


@pytest.mark.parametrize(
    ("score", "low", "high", "text"),
    [
        ("accuracy", 0.0004, 0.03, "0.04 to 3.00"),
        ("accuracy", -0.0004, 0.03, "−0.04 to 3.00"),
        ("accuracy", -0.03, -0.0004, "−3.00 to −0.04"),
        ("accuracy", 0.0, 0.03, "0.0 to 3.0"),
        ("accuracy", 1e-17, 0.03, "0.0 to 3.0"),
        ("r2", -0.0004, 0.03, "−.0004 to .0300"),
        ("-rmse", -0.3, 5234.0, "−.3 to 5,234"),
    ],
)
def test_interval_shows_on_which_side_of_zero_it_ends(score, low, high, text):
    row = {"score_name": score, "difference_mean": 0, "difference_ci_low": low, "difference_ci_high": high}
    assert wording.difference_interval(row) == text
