"""Noise at test time: measured after training, the same for all networks, and for any batch."""

import json
from dataclasses import replace

import numpy as np
import pytest

from noiseflow.study import Study
from noiseflow.trials.plan import make_plan
from noiseflow.trials.training import train_trials

pytestmark = pytest.mark.slow


def records(n_seeds=3, **changes):
    content = {
        "name": "s",
        "n_seeds": n_seeds,
        "datasets": [{"kind": "circles", "n_eval": 300}],
        "architectures": [{"kind": "mlp", "units": [8]}],
        "training": {"epochs": 30},
        "robustness": [{"place": "input", "stddev": [2.0]}, {"place": "weights", "stddev": [1.0], "relative": True}],
        "variants": [
            {"name": "baseline"},
            {"name": "sensor", "injections": [{"place": "input", "stddev": 1.0, "at": ["train", "test"]}]},
        ],
    }
    plan = make_plan(Study.model_validate(content | changes), "vectorized")
    return [train_trials(batch, study="s", progress=lambda _: None) for batch in plan.batches([], 10)], plan


@pytest.fixture(scope="module")
def trained():
    return records()


def test_every_trial_has_a_score_at_each_strength_and_on_clean_rows(trained):
    for part in trained[0]:
        for text in part.trials["robustness"]:
            measures = json.loads(text)
            assert [(m["noise"], m["strength"]) for m in measures] == [
                ("gaussian noise on the inputs", 0.0),
                ("gaussian noise on the inputs", 2.0),
                ("gaussian noise on the weights", 0.0),
                ("gaussian noise on the weights", 1.0),
            ]
            assert measures[0]["score"] == measures[2]["score"]
    baseline = trained[0][0].trials
    clean = [json.loads(text)[0]["score"] for text in baseline["robustness"]]
    np.testing.assert_allclose(clean, baseline["eval_score"])


def test_a_trial_alone_meets_the_same_noise(trained):
    (parts, plan) = trained
    alone = replace(plan.batches([], 10)[0], trials=plan.trials[1:2])
    again = train_trials(alone, study="s", progress=lambda _: None).trials
    assert again["robustness"].iloc[0] == parts[0].trials["robustness"].iloc[1]


def test_noise_that_acts_at_test_too_is_measured_over_draws_and_one_draw_is_stored(trained):
    baseline, sensor = (part.trials for part in trained[0])
    assert len(trained[0][1].predictions.query("part == 'test'")) == 3 * 70
    hits = sensor["test_score"] * 700
    np.testing.assert_allclose(hits, hits.round(), atol=1e-3)  # of ten draws of 70 rows
    assert (sensor["initial_loss"] != baseline["initial_loss"]).all()
