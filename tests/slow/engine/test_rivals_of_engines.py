"""The rivals to noise give the same in both engines."""

import numpy as np
import pytest

from noiseflow import Control
from noiseflow.controls import CONTROLS
from tests.engine.test_rivals import alike, fit

pytestmark = pytest.mark.slow
TESTED = [kind for kind in CONTROLS if not kind.changes_network and not kind.mixes]


@pytest.mark.parametrize("kind", TESTED, ids=lambda kind: kind.name)
def test_engines_give_the_same_and_not_what_a_bare_fit_gives(kind):
    strength = {"l2": 0.1, "max_norm": 0.5}.get(kind.name, kind.typical)
    controls = [Control(**{"kind": kind.name, kind.strength: strength, **kind.defaults})]
    ours = fit("vectorized", controls)
    alike(ours, fit("reference", controls))
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(ours.weights, fit("vectorized").weights, strict=True))
