import keras
import numpy as np
import pytest
import tensorflow as tf

from noiseflow.engine import twins
from noiseflow.engine.probe import why_not_vectorizable
from noiseflow.engine.twins.dense import dense
from noiseflow.study import Control, Injection


class InPython(keras.layers.Layer):
    """A layer that TensorFlow cannot vectorise."""

    def call(self, inputs):
        outputs = tf.numpy_function(lambda x: x, [inputs], inputs.dtype)
        outputs.set_shape(inputs.shape)
        return outputs


def build(*layers):
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer="sgd")
    return model


X, Y = np.ones((32, 2)), np.arange(32) % 2


@pytest.mark.slow
def test_probe_finds_nothing_wrong_with_what_vectorises():
    noise = [Injection(place="input"), Injection(place="labels", kind="flip")]
    assert why_not_vectorizable(build, X, Y, noise=noise, controls=[Control(kind="early_stopping")]) is None


def test_probe_names_the_layer_that_does_not_vectorise():
    reason = why_not_vectorizable(lambda: build(InPython(name="folded")), X, Y)
    assert reason.startswith("layer 'folded' (InPython) does not vectorise")


@pytest.mark.slow
def test_probe_refuses_a_model_whose_first_step_differs(monkeypatch):
    """A study must learn of it before it trains: its cells then train by Model.fit."""

    def doubled(layer):
        call = dict(dense(layer))["call"]
        return {"call": lambda inputs, **_: 2.0 * call(inputs)}

    monkeypatch.setitem(twins.TWINS, keras.layers.Dense, doubled)
    assert "first step differs" in why_not_vectorizable(lambda: build(keras.layers.Dense(3)), X, Y)


def test_probe_raises_what_no_engine_would_take():
    with pytest.raises(ValueError, match="the model has no layer 'nowhere'"):
        why_not_vectorizable(build, X, Y, noise=[Injection(place="after:nowhere", stddev=0.1)])
