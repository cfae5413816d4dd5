"""Every score trains in the vectorised engine, and is what Keras evaluates."""

import numpy as np
import pytest

import noiseflow
from noiseflow.architectures import ARCHITECTURES
from noiseflow.architectures.builder import Builder
from noiseflow.scores import scores_of
from noiseflow.study import Architecture, Training

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SHAPES = {"mlp": (4,), "cnn": (6, 5, 1), "lstm": (5, 2)}
SMALL = {"mlp": {"units": (3, 2)}, "cnn": {"filters": (2, 3)}, "lstm": {"units": (3, 2)}}
CASES = [
    *[("mlp", 3, score.column) for score in scores_of("classification")],
    *[("mlp", 2, name) for name in ("accuracy", "auc")],  # one output: a threshold, and a rank
    *[("mlp", 0, score.column) for score in scores_of("regression")],
    *[(kind.name, 3, "accuracy") for kind in ARCHITECTURES if not kind.is_users_own],
]


@pytest.mark.parametrize(("kind", "n_classes", "score"), CASES)
def test_score_trains_in_the_vectorized_engine_and_is_what_keras_evaluates(rng, kind, n_classes, score):
    x = rng.normal(size=(20, *SHAPES[kind])).astype(np.float32)
    y = rng.integers(0, n_classes, 20).astype(float) if n_classes else rng.normal(size=20)
    fit = noiseflow.fit_seeds(
        Builder(Architecture(kind=kind, **SMALL[kind]), Training(), SHAPES[kind], n_classes, score),
        x,
        y,
        seeds=range(2),
        epochs=2,
        batch_size=8,
        record_every=2,
        evaluations={"train": (x, y)},
        engine="vectorized",
    )
    assert set(fit.history) == {"loss", "score", "train_loss", "train_score"}
    model = fit.to_keras(1)
    by_keras = model.evaluate(x, y, verbose=0, return_dict=True)["score"]
    assert fit.history["train_score"][1, -1] == pytest.approx(by_keras, abs=1e-5)
