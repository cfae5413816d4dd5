"""What `fit_seeds` refuses of injections and controls, and how rows are held back; nothing is compiled here."""

import keras
import numpy as np
import pytest

from noiseflow import fit_seeds
from noiseflow.engine.arguments import checked, training_rows
from noiseflow.engine.fit import ENGINES
from noiseflow.engine.problem import Problem
from noiseflow.study import Control, Injection


def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="out")])
    model.compile(loss="mse", optimizer="sgd")
    return model


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def own_step():
    inputs = keras.Input((2,))
    model = OwnStep(inputs, keras.layers.Dense(1)(inputs))
    model.compile(loss="mse", optimizer="sgd")
    return model


def data(rng, n=10):
    return rng.normal(size=(n, 2)), rng.normal(size=(n, 1))


STOP = Control(kind="early_stopping", patience=1, validation_fraction=0.29)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise": [Injection(place="input")]}, r"noise\[0\] must have a strength; received stddev=None"),
        ({"noise": [Injection(place="input", kind="dropout")]}, "received rate=None"),
        ({"noise": [Injection(place="input")], "strengths": [[0.1]]}, r"must have the shape \(2, 1\)"),
        ({"noise": [Injection(place="input", kind="dropout")], "strengths": [[1.0], [0]]}, "must lie below 1"),
        ({"controls": [Control(kind="l2")]}, "controls must have a strength: l2 a factor, "),
        ({"controls": [STOP, STOP]}, "must stop early, or average weights, once at most"),
        ({"controls": [Control(kind="early_stopping", patience=1, validation_fraction=0.99)]}, "must leave rows"),
    ],
)
def test_fit_seeds_refuses_noise_and_controls_that_are_not_whole(rng, changes, message):
    n = 1 if "leave rows" in message else 10
    with pytest.raises(ValueError, match=message):
        fit_seeds(build, *data(rng, n), seeds=[0, 1], **changes)


@pytest.mark.parametrize("engine", list(ENGINES))
def test_flips_on_a_regression_are_refused_by_every_engine(rng, engine):
    with pytest.raises(ValueError, match="flip needs classes"):
        fit_seeds(build, *data(rng), seeds=[0], noise=[Injection(place="labels", kind="flip", rate=0.1)], engine=engine)


def test_reference_refuses_noise_for_a_model_with_its_own_step(rng):
    noise = [Injection(place="weights", stddev=0.1)]
    with pytest.raises(ValueError, match="received OwnStep, which has its own"):
        fit_seeds(own_step, *data(rng), seeds=[0], noise=noise, engine="reference")


def stopping(train, seeds):
    return checked(Problem(build, train, tuple(seeds), np.zeros((len(seeds), 0)), controls=(STOP,)))


@pytest.mark.parametrize(("n", "held"), [(100, 29), (10, 2), (2, 1), (3, 1)])
def test_early_stopping_holds_the_last_rows_back_and_at_least_one(rng, n, held):
    x, y = data(rng, n)
    problem = stopping(training_rows(x, y, np.arange(n)), [0])
    assert (problem.train.n_rows, problem.held.n_rows) == (n - held, held)
    np.testing.assert_array_equal(problem.held.sample_weight, np.arange(n)[-held:])
    np.testing.assert_array_equal(np.concatenate([problem.train.y, problem.held.y]), y.astype("float32"))


def test_early_stopping_holds_each_seeds_own_last_rows_back(rng):
    x, y = rng.normal(size=(3, 10, 2)), rng.normal(size=(3, 10, 1))
    problem = stopping(training_rows(x, y, per_seed=True), range(3))
    np.testing.assert_array_equal(problem.held.x, x[:, -2:].astype("float32"))
