"""Whether networks trained too long or too short, as the mean of their curves shows."""

import numpy as np
import pandas as pd
import pytest

from noiseflow.statistics.training_length import training_lengths

EPOCHS = np.arange(100, 4001, 100)


def curves_of(curve, n_seeds=8):
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"trial_id": f"t{k}", "epoch": EPOCHS, "test_score": curve + rng.normal(0, 0.002, EPOCHS.size)})
        for k in range(n_seeds)
    ]
    return pd.concat(parts).assign(dataset="d", architecture="a", variant="v")


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (0.84 - 0.07 * (np.abs(EPOCHS - 900) / 3100), "too long"),
        (0.5 + 0.3 * EPOCHS / 4000, "too short"),
        (0.8 - 0.3 * np.exp(-EPOCHS / 300), ""),
        (np.full(EPOCHS.size, 0.8), ""),
    ],
)
def test_a_mean_curve_tells_whether_it_is_past_its_best_or_still_rises(curve, verdict):
    (row,) = training_lengths(curves_of(curve)).to_dict("records")
    assert row["verdict"] == verdict
    assert row["last_epoch"] == 4000


def test_few_seeds_or_epochs_tell_nothing():
    assert training_lengths(curves_of(np.full(EPOCHS.size, 0.8), 2)).empty
