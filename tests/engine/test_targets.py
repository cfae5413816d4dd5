"""Which targets noise on the labels is known for."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from noiseflow.engine.problem import Samples
from noiseflow.engine.sites import Target
from noiseflow.engine.targets import target_forms
from noiseflow.study import Injection

FLIP = Injection(place="labels", kind="flip", rate=0.1)
GAUSSIAN = Injection(place="labels", stddev=0.1)
EYE = np.eye(3)


def forms(units, y, *noise, per_seed=False):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(units)(inputs))
    y = np.asarray(y)
    x = np.zeros((*y.shape[: 1 + per_seed], 2), "float32")
    return target_forms(model, SimpleNamespace(noise=noise, step_controls={}, train=Samples(x, y, per_seed=per_seed)))


@pytest.mark.parametrize(
    ("units", "y", "injection", "expected"),
    [
        (1, [0, 1, 1], FLIP, Target("binary")),
        (1, [[0.0], [1.0]], FLIP, Target("binary")),
        (3, EYE, FLIP, Target("one_hot", 3)),
        (3, [0, 2, 1], FLIP, Target("classes", 3)),
        (3, [[0.0], [2.0]], FLIP, Target("classes", 3)),
        (1, [0.5, 2.0], GAUSSIAN, Target("values")),
        (2, [[0.5, 2.0]], GAUSSIAN, Target("values")),
    ],
)
def test_target_forms_tell_how_classes_are_written(units, y, injection, expected):
    assert forms(units, y, injection) == [expected]


def test_target_forms_of_each_seed_are_looked_at_without_the_seed_axis():
    assert forms(1, [[0, 1], [1, 1]], FLIP, per_seed=True) == [Target("binary")]


@pytest.mark.parametrize(
    ("units", "y", "injection", "message"),
    [
        (1, [0.5, 1.0], FLIP, r"noise\[0\].kind: flip needs classes .*received targets of shape \(2,\).*gaussian"),
        (3, [0, 1, 3], FLIP, "flip needs classes"),
        (3, [[1, 1, 0]], FLIP, "flip needs classes"),
        (3, [0, 1, 2], GAUSSIAN, "gaussian noise on the labels needs targets of the outputs' shape.*kind flip"),
        (3, [[0.5, 1.0]], GAUSSIAN, "needs targets of the outputs' shape"),
    ],
)
def test_target_forms_refuse_what_they_do_not_know(units, y, injection, message):
    with pytest.raises(ValueError, match=message):
        forms(units, y, injection)


def test_target_forms_refuse_targets_that_are_not_the_outputs():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    problem = SimpleNamespace(noise=[FLIP], step_controls={}, train=Samples(np.zeros((3, 2)), np.zeros((3, 1))))
    with pytest.raises(ValueError, match="a target for each of the model's 2 outputs"):
        target_forms(model, problem)
