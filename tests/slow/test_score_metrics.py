"""Every score trains in the vectorised engine, and is what Keras evaluates."""

import numpy as np
import pytest

import noiseflow
from noiseflow.architectures import ARCHITECTURES
from noiseflow.architectures.builder import Builder
from noiseflow.scores import score_of_column, scores_of
from noiseflow.study import Architecture, Training
from tests.series import series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SHAPES = {"mlp": (4,), "cnn": (6, 5, 1), "lstm": (3, 2)}
SMALL = {"mlp": {"units": (3, 2)}, "cnn": {"filters": (2, 3)}, "lstm": {"units": (2,)}}
CASES = [
    ("mlp", 3, tuple(score.column for score in scores_of("classification"))),
    ("mlp", 2, ("accuracy", "auc")),  # one output: a threshold, and a rank
    ("mlp", 0, tuple(score.column for score in scores_of("regression"))),
    *((kind.name, 3, ("accuracy",)) for kind in ARCHITECTURES if not kind.is_users_own and kind.name != "mlp"),
]


@pytest.mark.parametrize(("kind", "n_classes", "scores"), series(CASES, CASES[:2]))
def test_scores_train_in_the_vectorized_engine_and_are_what_keras_evaluates(rng, kind, n_classes, scores):
    """The first by the name `score`, as a study has it, and the others beside it."""
    x = rng.normal(size=(20, *SHAPES[kind])).astype(np.float32)
    y = rng.integers(0, n_classes, 20).astype(float) if n_classes else rng.normal(size=20)
    builder = Builder(Architecture(kind=kind, **SMALL[kind]), Training(), SHAPES[kind], n_classes, scores[0])

    def build():
        model = builder()
        given = dict(model._compile_config.config)
        others = [score_of_column(score).metric(n_classes, builder.form()) for score in scores[1:]]
        for i, metric in enumerate(others, 1):
            metric.name = f"score_{i}"
        model.compile(**(given | {"metrics": [*given["metrics"], *others]}))
        return model

    fit = noiseflow.fit_seeds(
        build,
        x,
        y,
        seeds=range(2),
        epochs=2,
        batch_size=10,
        record_every=2,
        evaluations={"train": (x, y)},
        engine="vectorized",
    )
    names = ["score", *(f"score_{i}" for i in range(1, len(scores)))]
    assert set(fit.history) == {"loss", "train_loss", *names, *(f"train_{name}" for name in names)}
    by_keras = fit.to_keras(1).evaluate(x, y, verbose=0, return_dict=True)
    for name in names:
        assert fit.history[f"train_{name}"][1, -1] == pytest.approx(by_keras[name], abs=1e-5)
