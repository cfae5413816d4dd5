"""The interval of a reliability diagram covers the true frequency, by simulation."""

import numpy as np
import pandas as pd
import pytest

from noiseflow import plots


@pytest.mark.slow
@pytest.mark.evidence
def test_reliability_interval_covers_the_true_frequency():
    """Rows of a data seed share a shift of their true probability, so that they are alike within it."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        rates = np.clip(0.6 + rng.normal(0, 0.1, 30), 0, 1)
        names = {"data_seed": np.repeat(range(30), 20), "row": np.tile(range(20), 30)}
        predictions = pd.DataFrame(names | {"seed": 0, "output": 0, "prediction": 0.65})
        y = pd.DataFrame(names | {"y": (rng.random(600) < np.repeat(rates, 20)).astype(float)})
        told = plots.reliability(predictions, y)
        covered.append(told["low"].item() <= 0.6 <= told["high"].item())
    assert 0.91 <= np.mean(covered) <= 0.98
