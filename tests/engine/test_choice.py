"""`auto` takes the faster engine where the training takes long."""

import keras
import numpy as np
import pytest

from noiseflow import fit_seeds
from noiseflow.engine import choice, vectorized
from noiseflow.engine.arguments import built_for, training_rows
from noiseflow.engine.problem import Problem

X, Y = np.ones((64, 3), "float32"), np.ones((64, 1), "float32")


def build():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_short_training_is_not_measured(monkeypatch):
    monkeypatch.setattr(choice, "_by_keras", lambda *_: pytest.fail("measured"))
    assert fit_seeds(build, X, Y, seeds=[0], epochs=2).engine == "vectorized"


@pytest.mark.parametrize(("a_step", "engine"), [(0.0, "reference"), (1e6, "vectorized")])
def test_long_training_takes_the_faster_engine(monkeypatch, a_step, engine):
    monkeypatch.setattr(choice, "WORTH_MEASURING", 0.0)
    monkeypatch.setattr(choice, "_by_keras", lambda *_: (0.0, a_step))
    if engine == "reference":
        with pytest.warns(UserWarning, match="Model.fit is faster on this model"):
            assert fit_seeds(build, X, Y, seeds=[0]).engine == engine
    else:
        assert fit_seeds(build, X, Y, seeds=[0]).engine == engine


def test_model_fit_is_timed_and_engine_that_is_asked_for_is_not_questioned(monkeypatch):
    train = training_rows(X, Y)
    problem = Problem(built_for(build, train), train, (0,), np.zeros((1, 0)))
    once, a_step = choice._by_keras(problem, 2)
    assert once > 0
    assert a_step > 0
    monkeypatch.setattr(vectorized, "require_faster", lambda *_: pytest.fail("asked"))
    assert fit_seeds(build, X, Y, seeds=[0], engine="vectorized").engine == "vectorized"
