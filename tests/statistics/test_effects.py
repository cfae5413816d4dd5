"""Contract of what is computed of the differences of pairs."""

import numpy as np
import pytest

from noiseflow.statistics.differences import DIFFERENCE_COLUMNS, NOT_SCALED
from noiseflow.statistics.effects import EFFECTS, effects_of
from noiseflow.statistics.families import CHOICE_COLUMNS, RIVAL_COLUMNS
from noiseflow.statistics.summary import SUMMARY_COLUMNS

ALL = pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.column)
DIFFERENCES = np.array([[0.02, 0.01, -0.01, 0.04, 0.0], [0.3, 0.1, 0.2, 0.1, 0.4]])
EXPECTED = {  # by hand
    "effect_size": [0.012 / np.sqrt(0.00148 / 4), 0.22 / np.sqrt(0.068 / 4)],
    "prob_better": [0.7, 1.0],
}


@ALL
def test_effect_has_a_worked_example(effect):
    np.testing.assert_allclose(effect.of(DIFFERENCES), EXPECTED[effect.column], rtol=1e-12)
    np.testing.assert_allclose(effect.of(DIFFERENCES[0]), EXPECTED[effect.column][0], rtol=1e-12)


@ALL
def test_effect_follows_its_unit(effect):
    factor = 3.0 if effect.in_units_of_score else 1.0
    np.testing.assert_allclose(effect.of(3 * DIFFERENCES), factor * effect.of(DIFFERENCES), rtol=1e-12)
    assert (effect.column in NOT_SCALED) is not effect.in_units_of_score


@ALL
def test_effect_of_few_or_equal_pairs_is_a_number_or_nan(effect):
    for few in (np.array([0.1]), np.zeros(4)):
        assert np.isnan(effect.of(few)) or np.isfinite(effect.of(few))


@ALL
def test_every_comparison_has_the_effect(effect):
    for columns in (SUMMARY_COLUMNS, CHOICE_COLUMNS, RIVAL_COLUMNS, DIFFERENCE_COLUMNS):
        assert effect.column in columns
    assert effect.column in effects_of(DIFFERENCES)
