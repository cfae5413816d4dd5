"""Rows as networks see them, for the page."""

import numpy as np

from noiseflow.study import Study
from noiseflow.trials.seen_rows import CLEAN, rows_as_seen, seen


def study(kind):
    noise = {"name": "noise", "injections": [{"place": "input", "stddev": 0.3}]}
    content = {"name": "s", "datasets": [{"kind": kind}], "architectures": [{"kind": "mlp"}]}
    return Study.model_validate(content | {"variants": [{"name": "baseline"}, noise]})


def test_rows_of_sequences_are_clean_first_and_then_with_noise():
    made = study("waves")
    rows = seen(made.datasets[0], made.variants[1:])
    assert list(rows) == [CLEAN, "noise"]
    assert rows[CLEAN].shape == rows["noise"].shape == (3, *rows[CLEAN].shape[1:])
    assert 0.15 < (rows["noise"] - rows[CLEAN]).std() < 0.45
    np.testing.assert_array_equal(rows["noise"], seen(made.datasets[0], made.variants[1:])["noise"])


def test_rows_of_features_are_not_drawn():
    assert rows_as_seen(study("circles")) == {}
