"""What a published improvement can show, for numbers that are worked out by hand."""

import pytest

from noiseflow.statistics.audit import audit, smallest_p


def test_smallest_p_is_that_of_a_coin_that_always_falls_on_one_side():
    assert [smallest_p(n) for n in (0, 1, 2, 5, 6, -6)] == [1.0, 1.0, 0.5, 0.0625, 0.03125, 0.03125]


def test_the_tutorials_gain_of_one_row_cannot_be_told_from_chance():
    text = audit(0.757, 0.771, 70)
    assert "53 to 54 right, +1 rows, +1.4 points" in text
    assert "0.645 to 0.842" in text  # Wilson's interval of 53 of 70
    assert "p is 1.000" in text
    assert "6 rows or more, 8.6 points here" in text
    assert "A true difference of this size needs 429 test rows" in text
    assert "one training run" in text


def test_a_gain_of_many_rows_can_be_real_and_seeds_do_not_lengthen_the_test_set():
    text = audit(0.70, 0.80, 1000, 30)
    assert "can show which model is better" in text
    assert "mean over 30 runs" in text


def test_no_change_and_no_fraction():
    assert "nothing to explain" in audit(0.5, 0.5, 10)
    with pytest.raises(ValueError, match=r"Write 75\.7 % as 0.757"):
        audit(75.7, 0.8, 70)
