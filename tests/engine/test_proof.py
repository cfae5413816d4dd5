"""The proof that every fit makes: it refuses engines that train otherwise than Keras, whatever the reason."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from noiseflow import Injection, NotVectorizableError, fit_seeds
from noiseflow.engine import compilation, measuring, proof, step, twins, vectorized
from noiseflow.engine.twins.dense import dense

L = keras.layers
X = np.random.default_rng(0).normal(3, 2, size=(24, 6)).astype("float32")
Y = X[:, :1] - X[:, 1:2]
IMAGES = np.random.default_rng(1).normal(size=(8, 5, 5, 1)).astype("float32")


def build(*layers, shape=(6,), optimizer="adam"):
    model = keras.Sequential([keras.Input(shape), *layers, L.Flatten(), L.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def fit(build, x=X, y=Y, **more):
    compilation._programs.clear()
    return fit_seeds(build, x, y, seeds=[0], epochs=1, batch_size=8, engine="vectorized", **more)


def plain():
    return build(L.Dense(8, "relu", kernel_regularizer="l2"))


@pytest.mark.slow
def test_fit_tells_how_near_its_first_step_was():
    done = fit(plain, validation_data=(X, Y), noise=[Injection(place="input", stddev=0.5)])
    assert set(done.proof.differences) == {"loss", "mae", "val_loss", "val_mae", "weights", "optimizer"}
    assert done.proof.largest < 1e-3


def transposed(monkeypatch):
    def way(layer):
        def call(inputs, **_):
            outputs = tf.matmul(inputs, tf.transpose(tf.convert_to_tensor(layer.kernel))) + tf.convert_to_tensor(
                layer.bias
            )
            return layer.activation(outputs)

        return {"call": call} if layer.kernel.shape[0] == layer.kernel.shape[1] else dense(layer)

    monkeypatch.setitem(twins.TWINS, L.Dense, way)
    return lambda: build(L.Dense(6, "relu"))


def dropped_regularizer(monkeypatch):
    own = keras.StatelessScope
    monkeypatch.setattr(step.keras, "StatelessScope", lambda values, collect_losses=False: own(values))
    return lambda: build(L.Dense(8, "relu", activity_regularizer="l2"))


def frozen_weights_of_another_seed(monkeypatch):
    own = keras.StatelessScope

    def scope(values, **more):
        with tf.init_scope():
            own_values = {v.path: v._value.numpy() for v, _ in values}
        wrong = [(v, 0.0 * value + own_values[v.path] if "frozen" in v.path else value) for v, value in values]
        return own(wrong, **more)

    monkeypatch.setattr(step.keras, "StatelessScope", scope)
    return lambda: build(L.Dense(4, "relu", trainable=False, name="frozen"))


def wrong_normalization(monkeypatch):
    monkeypatch.setitem(twins.TWINS, L.Normalization, lambda layer: {"mean": 0.0 * layer.mean})

    def made():
        norm = L.Normalization()
        norm.adapt(X)
        return build(norm, L.Dense(4, "relu"))

    return made


def swapped_inputs(monkeypatch):
    own = step.call

    def call(model, state, metrics, batch, **more):
        (a, b), *rest = batch
        return own(model, state, metrics, ((b, a), *rest), **more)

    monkeypatch.setattr(step, "call", call)
    monkeypatch.setattr(measuring.step, "call", call)

    def made():
        a, b = keras.Input((3,)), keras.Input((3,))
        model = keras.Model([a, b], L.Dense(1)(L.Concatenate()([a, b])))
        model.compile("sgd", "mse")
        return model

    return made


def optimizer_without_exclusions(monkeypatch):
    own = vectorized.pure_updates

    def forgetful(optimizer):
        optimizer._exclude_from_weight_decay_pattern = None
        optimizer._exclude_from_weight_decay_cache = {}
        return own(optimizer)

    monkeypatch.setattr(vectorized, "pure_updates", forgetful)

    def made():
        optimizer = keras.optimizers.AdamW(0.001, weight_decay=0.004)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return build(L.Dense(4, "relu"), optimizer=optimizer)

    return made


MUTANTS = [
    transposed,
    dropped_regularizer,
    frozen_weights_of_another_seed,
    wrong_normalization,
    swapped_inputs,
    optimizer_without_exclusions,
]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_engine_that_trains_otherwise_is_refused(mutant, monkeypatch):
    made = mutant(monkeypatch)
    x = (X[:, :3], X[:, 3:]) if mutant is swapped_inputs else X
    with pytest.raises(NotVectorizableError, match=r"first step differs|optimizer updates"):
        fit(made, x)


@pytest.mark.slow
def test_auto_falls_back_where_the_proof_fails(monkeypatch):
    made = transposed(monkeypatch)
    compilation._programs.clear()
    with pytest.warns(UserWarning, match="first step differs from Keras' own"):
        assert fit_seeds(made, X, Y, seeds=[0], epochs=1).engine == "reference"


def test_reference_proves_its_injections(monkeypatch):
    """A walk that changes what it should leave alone."""
    from noiseflow.engine.sites import Sites

    noise = [Injection(place="before_activation", stddev=0.1)]
    arguments = {"seeds": [0], "epochs": 1, "batch_size": 8, "noise": noise, "engine": "reference"}
    assert fit_seeds(plain, X, Y, **arguments).proof.largest < 1e-3
    monkeypatch.setattr(Sites, "noise", lambda sites, numbers: lambda point, x: 1.01 * x)
    with pytest.raises(NotVectorizableError, match="first step differs"):
        fit_seeds(plain, X, Y, **arguments)


@pytest.mark.slow
def test_prediction_that_differs_is_made_by_keras_instead(monkeypatch):
    from noiseflow.engine import replicas

    done = fit(plain)
    replicas._calls.clear()
    monkeypatch.setattr(
        replicas.StackedCall, "_model", lambda self, values, x: 2.0 + 0.0 * tf.reduce_sum(x, 1, keepdims=True)
    )
    with pytest.warns(UserWarning, match="predict falls back"):
        found = done.predict(X)
    np.testing.assert_allclose(found[0], done.to_keras(0).predict(X, verbose=0), atol=1e-5)
    assert not replicas._calls  # no later fit predicts by it


@pytest.mark.slow
def test_a_score_of_targets_that_hardly_differ_is_rounding():
    y = np.column_stack([Y[:, 0], np.full(24, -0.0817)]).astype("float32")
    y[-1, 1] = 3.0

    def of_two():
        model = keras.Sequential([keras.Input((6,)), L.Dense(8, "relu"), L.Dense(2)])
        model.compile("adam", "mse", metrics=[keras.metrics.R2Score(name="score")])
        return model

    assert fit(of_two, y=y).proof.largest < np.inf


def test_only_r2_is_rounding_where_targets_hardly_differ():
    model = keras.Sequential([keras.Input((6,)), L.Dense(1)])
    model.compile("adam", "mse", metrics=[keras.metrics.R2Score(name="score"), "mae"])
    model.train_on_batch(X, np.full((24, 1), -0.0817, "float32"))
    allowed = [name for name in ("loss", "score", "mae", "left_score") if proof._is_r2(model, name)]
    assert allowed == ["score", "left_score"]
